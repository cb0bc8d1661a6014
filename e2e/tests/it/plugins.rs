//! Contract, section 5: plugins, as a user of the daemon sees them.
//!
//! | sentence | test |
//! |---|---|
//! | A plugin is a shared library, listed under plugin:, that adds triggers, selectors and executors by type name | `hello_adds_one_of_each_kind`, `gogs_hook_takes_what_gogs_sends` |
//! | plugins are asked before the built-in types | `a_plugin_comes_before_a_built_in_type_of_the_same_name` |
//! | It may be built in C: a versioned C table with JSON in and out | `a_plugin_in_c` |
//! | A panic inside it fails that call, not the daemon | `a_panic_fails_that_call_and_not_the_daemon` |
//! | (nor do bad JSON, two answers, or a call that blocks) | `a_plugin_in_c_that_misbehaves_harms_only_its_own_calls` |
//! | A file that is not a plugin is rejected with a message that says so | `a_file_that_is_no_plugin_is_refused` |
//! | or one of another ABI version | `another_abi_version_is_refused` |

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use e2e::daemon::{DONE, Daemon};
use e2e::http::{Message, send};
use e2e::place::Place;
use e2e::program::{built, tool};
use e2e::sign::v1;
use serde_json::{Value, json};

fn library(name: &str) -> PathBuf {
    built(&format!("lib{name}.so"))
}

/// The plugin that `cargo test` builds beside these tests.
fn panicky() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples/libpanicky.so")
}

/// A plugin in C, compiled here.
fn in_c(place: &Place, abi: u32, mode: u32) -> PathBuf {
    in_c_of_type(place, "odd", abi, mode)
}

/// The same, whose components have this type.
fn in_c_of_type(place: &Place, kind: &str, abi: u32, mode: u32) -> PathBuf {
    let manifest = env!("CARGO_MANIFEST_DIR");
    let path = place.path(&format!("lib{kind}-{abi}-{mode}.so"));
    let mut cc = Command::new("cc");
    cc.args(["-D_GNU_SOURCE", "-shared", "-fPIC", "-o"]).arg(&path);
    cc.arg(format!("-DABI={abi}")).arg(format!("-DMODE={mode}"));
    cc.arg(format!("-DTYPE=\"{kind}\""));
    cc.arg(format!("-I{manifest}/../herald-core/include")).arg(format!("{manifest}/tests/plugins/odd.c"));
    tool(&mut cc);
    path
}

#[test]
fn hello_adds_one_of_each_kind() {
    let place = Place::new();
    let daemon = Daemon::start(
        &place,
        &format!(
            "plugin: ['{}']
trigger: {{hello: {{interval: 0.2}}}}
router:
  greet: {{trigger: hello, selector: hello, task: {{greet: hello}}}}
{DONE}",
            library("hello").display()
        ),
    );
    let ended = daemon.wait_print("how the greeting ended", |job| job["trigger_param"]["router"] == "greet");
    let ended = &ended["trigger_param"];
    assert_eq!(
        (&ended["success"], &ended["executor"], &ended["selector"]),
        (&json!(true), &json!("hello"), &json!("hello"))
    );
    assert!(ended["result"].as_object().is_some_and(|result| !result.is_empty()), "{ended}");
}

const PUSH: &str = r#"{"ref":"refs/heads/main","after":"0123","repository":{"name":"repo","full_name":"owner/repo","html_url":"https://gogs.example.com/owner/repo"}}"#;

#[test]
fn gogs_hook_takes_what_gogs_sends() {
    let place = Place::new();
    let port = e2e::http::free_port();
    let daemon = Daemon::start(
        &place,
        &format!(
            "plugin: ['{}']
trigger: {{gogs: {{type: gogs_hook, secret: gogs-secret-4730, host: 127.0.0.1, port: {port}}}}}
router:
  wanted: {{trigger: gogs, selector: gogs_hook, task: {{t: print}}, select_param: {{gogs_name: owner/repo, gogs_branch: main, gogs_event: push}}}}
  feature: {{trigger: gogs, selector: gogs_hook, task: {{t: print}}, select_param: {{gogs_name: owner/repo, gogs_branch: mai}}}}
  other: {{trigger: gogs, selector: gogs_hook, task: {{t: print}}, select_param: {{gogs_name: owner/other}}}}
  all: {{trigger: gogs, selector: all, task: {{t: print}}}}
",
            library("gogs_hook").display()
        ),
    );
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    e2e::wait::until("the listener", || std::net::TcpStream::connect(address).ok());
    let post = |signature: &str| {
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Gogs-Event", "push"),
            ("X-Gogs-Delivery", "1"),
            ("X-Gogs-Signature", signature),
        ];
        send(address, &Message::request("POST", "/", &headers, PUSH.as_bytes())).status
    };
    let good = v1("gogs-secret-4730", PUSH.as_bytes());
    for bad in ["", "00", &v1("another-secret", PUSH.as_bytes()), &good[..60]] {
        let status = post(bad);
        assert!([400, 401, 403].contains(&status), "{bad}: {status}");
    }
    assert!(daemon.printed().is_empty(), "{}", daemon.log());
    assert!((200..300).contains(&post(&good)));
    for router in ["wanted", "all"] {
        daemon.wait_print(router, |job| job["router"] == router);
    }
    assert_eq!(daemon.printed().len(), 2, "{}", daemon.log());
    assert!(!daemon.said("gogs-secret-4730"));
}

/// A daemon with this plugin, a trigger `manual`, and a task on executor `odd` with this job parameter.
fn with_odd(place: &Place, plugin: &std::path::Path, routers: &str) -> Daemon {
    Daemon::start(
        place,
        &format!(
            "plugin: ['{}']\ntrigger: {{manual: {{type: http, port: 0}}}}\nrouter:\n{routers}{DONE}",
            plugin.display()
        ),
    )
}

fn ended_of(daemon: &Daemon, router: &str) -> Value {
    let ended = daemon
        .wait_print(router, |job| job["trigger"] == "exe_done" && job["trigger_param"]["router"] == router);
    ended["trigger_param"].clone()
}

#[test]
fn a_plugin_in_c() {
    let place = Place::new();
    let daemon =
        with_odd(&place, &in_c(&place, 2, 0), "  run: {trigger: manual, selector: odd, task: {t: odd}}\n");
    let ended = daemon.post_and_wait(&json!({}));
    assert_eq!(ended["success"], true, "{ended}");
    assert_eq!(ended["result"].to_string(), "{\"from\":\"C\",\"n\":18446744073709551617}");
}

#[test]
fn a_plugin_comes_before_a_built_in_type_of_the_same_name() {
    let place = Place::new();
    // The built-in `none` gives nothing.
    let plugin = in_c_of_type(&place, "none", 2, 0);
    let daemon = with_odd(&place, &plugin, "  run: {trigger: manual, selector: all, task: {t: none}}\n");
    let ended = daemon.post_and_wait(&json!({}));
    assert_eq!(ended["result"]["from"], "C", "{ended}");

    let place = Place::new();
    // The built-in `match_map` needs a `match_key`.
    let plugin = in_c_of_type(&place, "match_map", 2, 0);
    let router = "  run: {trigger: manual, selector: match_map, task: {t: none}}\n";
    let daemon = with_odd(&place, &plugin, router);
    assert_eq!(daemon.post_and_wait(&json!({}))["success"], true);
}

#[test]
fn a_plugin_in_c_that_misbehaves_harms_only_its_own_calls() {
    let place = Place::new();
    let odd = |mode: &str| {
        format!(
            "  {mode}: {{trigger: manual, selector: odd, task: {{t: odd}}, job_param: {{mode: {mode}}}}}\n"
        )
    };
    let routers: String =
        ["bad-json", "not-object", "block", "twice", "fine"].iter().map(|mode| odd(mode)).collect();
    let daemon = with_odd(&place, &in_c(&place, 2, 0), &routers);
    daemon.post(&json!({}));
    for (router, success) in [("bad-json", false), ("not-object", false), ("twice", true), ("fine", true)] {
        let ended = ended_of(&daemon, router);
        assert_eq!(ended["success"], success, "{ended}");
        assert_eq!(ended["error"].as_str().is_some_and(|error| !error.is_empty()), !success, "{ended}");
    }
    e2e::wait::stays(Duration::from_millis(500), "running", || daemon.ended().is_none());
    daemon.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    daemon.signal("TERM");
    let _ = daemon.wait_end();
}

#[test]
fn a_panic_fails_that_call_and_not_the_daemon() {
    let place = Place::new();
    let daemon = Daemon::start(
        &place,
        &format!(
            "plugin: ['{}']
trigger: {{manual: {{type: http, port: 0}}, panicky: {{}}}}
router:
  executor: {{trigger: manual, selector: all, task: {{t: panicky}}}}
  selector: {{trigger: manual, selector: panicky, task: {{t: print}}}}
  trigger: {{trigger: panicky, selector: all, task: {{t: print}}}}
{DONE}",
            panicky().display()
        ),
    );
    for _ in 0..3 {
        let ended = daemon.post_and_wait(&json!({}));
        assert_eq!(ended["success"], false, "{ended}");
        assert!(ended["error"].as_str().is_some_and(|error| error.contains("panic")), "{ended}");
    }
    assert!(
        !daemon.printed().iter().any(|job| job["router"] == "selector"),
        "a selector that panics says no"
    );
    assert!(daemon.ended().is_none());

    let ended = place.refused(
        "heraldd",
        &format!("plugin: ['{}']\nexecutor: {{born_panicking: {{}}}}\n", panicky().display()),
    );
    assert!([Some(1), Some(2)].contains(&ended.code), "{}", ended.text());
    assert!(ended.text().contains("born_panicking"), "{}", ended.text());
}

fn refused(place: &Place, plugin: &str) -> String {
    let ended = place.refused(
        "heraldd",
        &format!("trigger: {{t: {{type: tick, interval: 1}}}}\nplugin:\n  - '{plugin}'\n"),
    );
    assert_eq!(ended.code, Some(2), "{plugin}: {}", ended.text());
    assert!(ended.text().contains(plugin) && ended.text().contains("config.yml:3:"), "{}", ended.text());
    ended.text().to_lowercase()
}

#[test]
fn a_file_that_is_no_plugin_is_refused() {
    let place = Place::new();
    place.write("text.so", "I am a text");
    place.write("empty.c", "");
    let mut cc = Command::new("cc");
    tool(cc.args(["-shared", "-fPIC", "-o"]).arg(place.path("plain.so")).arg(place.path("empty.c")));
    for name in ["text.so", "plain.so", "missing.so", ""] {
        refused(&place, &place.text_path(name));
    }
    let said = refused(&place, &place.text_path("plain.so"));
    assert!(said.contains("plugin"), "{said}");
    refused(&place, in_c(&place, 2, 3).to_str().unwrap());
}

#[test]
fn another_abi_version_is_refused() {
    let place = Place::new();
    for abi in [0, 1, 3, 999] {
        let said = refused(&place, in_c(&place, abi, 0).to_str().unwrap());
        let both = [format!("version {abi} of the plugin abi"), "this heraldd has version 2".to_owned()];
        assert!(both.iter().all(|part| said.contains(part)) && said.contains("rebuild"), "{said}");
    }
}
