//! Contract, section 8: the commands of heraldd that need no running daemon.
//!
//! | sentence | test |
//! |---|---|
//! | `check` validates and exits | `check_validates_and_exits`, `check_as_json`, `every_command_refuses_what_the_start_refuses` |
//! | `check --probe` also tests that folders are writable and ports free | `check_can_test_folders_and_ports`, `check_looks_at_every_path_and_limit` |
//! | `init` writes a commented starter file | `what_init_writes_is_valid_and_starts` |
//! | `schema` prints the JSON Schema for editors | `schema_knows_the_types_of_plugins` |
//! | `graph` prints the routers as Mermaid or DOT | `graph_in_both_languages` |
//! | `next` needs no running daemon; table, or JSON with `--json` | `next_lists_what_is_due` |
//! | Shell completions and man pages are generated | `completions_and_manual_pages` |
//! | works in a pipe | `a_closed_pipe_is_no_failure`, `a_full_disk_is_one` |

use std::process::Command;

use e2e::place::Place;
use e2e::program::{Ended, built, run_to_end};
use serde_json::Value;

const CONFIG: &str = "
trigger:
  nightly: {type: cron, cron: '30 2 * * *', time_zone: Europe/Berlin}
  hourly: {type: cron, cron: '@hourly', time_zone: UTC}
  every2s: {type: tick, interval: 2}
  manual: {type: http, port: 0}
router:
  backup: {trigger: nightly, selector: all, task: {'say \"hi\"': print}}
  done:
    trigger: exe_done
    selector: match_map
    task: {t: none}
    select_param: {match_key: router, match_value: backup}
";

const SECRET: &str = "0123456789abcdef";

fn heraldd(place: &Place, arguments: &[&str]) -> Ended {
    run_to_end(place.bare("heraldd").args(arguments))
}

/// Its output, if it succeeds.
fn printed(place: &Place, arguments: &[&str]) -> String {
    let ended = heraldd(place, arguments);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.text());
    assert_eq!(ended.stderr, "", "{arguments:?}");
    ended.stdout
}

fn printed_json(place: &Place, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(place, arguments)).unwrap()
}

#[test]
fn check_validates_and_exits() {
    let place = Place::new();
    place.config(CONFIG);
    let good = "config.yml: ok (4 triggers, 2 selectors, 2 executors, 2 routers, 2 tasks)\n";
    for arguments in [["check", "-config", "config.yml"], ["check", "--", "config.yml"]] {
        assert_eq!(printed(&place, &arguments), good);
    }
    place.config("log: {level: info}\n");
    let ended = heraldd(&place, &["check", "config.yml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    assert!(ended.stdout.starts_with("config.yml: ok (0 triggers"), "{}", ended.stdout);
    assert!(ended.stderr.starts_with("config.yml:1:1: warning: there is no router"), "{}", ended.stderr);
}

#[test]
fn check_can_test_folders_and_ports() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    place.write("file", "");
    let config = |port: u16, folder: &str| {
        place.config(&format!(
            "state_dir: '@DIR@/state'
trigger: {{in: {{type: http, port: {port}}}}}
executor: {{here: {{type: local, work_dir: '@DIR@/{folder}'}}}}
router: {{r: {{trigger: in, selector: all, task: {{t: here}}, job_param: {{cmd: 'true'}}}}}}
"
        ));
    };
    config(port, "file/work");
    // Without the option it is valid.
    assert_eq!(heraldd(&place, &["check", "config.yml"]).code, Some(0));
    let ended = heraldd(&place, &["check", "--probe", "config.yml"]);
    assert_eq!(ended.code, Some(1), "{}", ended.text());
    assert_eq!(ended.stdout, "", "{}", ended.text());
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 7, "{}", ended.text());
    assert!(lines[0].starts_with("config.yml:3:42: probe: ") && lines[0].ends_with("/file is not a folder"));
    assert!(lines[4].contains("= help: name another path"), "{lines:?}");
    let in_use = format!("probe: trigger.in: port {port} on 127.0.0.1 is in use; ");
    assert!(lines[5].starts_with(&in_use), "{lines:?}");
    assert!(lines[6].ends_with("), but the probe failed (2 problems)"), "{lines:?}");
    let ended = heraldd(&place, &["check", "--probe", "--json", "config.yml"]);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, &found["ok"]), (Some(1), &Value::Bool(true)));
    assert_eq!(found["probe"].as_array().unwrap().len(), 2, "{found}");

    config(0, "not/yet/there");
    assert_eq!(heraldd(&place, &["check", "--probe", "config.yml"]).code, Some(0));
    assert!(!place.path("not").exists(), "a probe creates nothing");
}

/// Each option that names a path, for both programs: what no machine has is an error, the rest is for the probe.
#[test]
fn check_looks_at_every_path_and_limit() {
    let place = Place::new();
    place.write("file", "");
    let config = |at: &str, socket: &str| {
        place.config(&format!(
            "state_dir: {at}/state
log: {{output: {at}/a.log}}
trigger: {{in: {{type: http, unix_socket: {socket}}}}}
executor:
  here: {{type: local, work_dir: {at}/work, limits: {{open_files: 1000000000}}}}
  far: {{type: http_remote, host: 'http://127.0.0.1:9', secret: {SECRET}, data_dir: {at}/data}}
router: {{r: {{trigger: in, selector: all, task: {{t: here, u: far}}, job_param: {{cmd: 'true'}}}}}}
runner: {{port: 0, secret: {SECRET}, work_dir: {at}/runner}}
"
        ));
        let runner = format!(
            "port: 0\nsecret: {SECRET}\nwork_dir: {at}/r\nlog_output: {at}/log\nunix_socket: {at}/s\nlimits: \
             {{open_files: 1000000000}}\n"
        );
        place.write("runner.yml", &runner);
    };
    let lines = |ended: &Ended, says: &str| -> Vec<String> {
        let places = ended.stderr.lines().filter(|line| line.contains(says));
        places.map(|line| line.split(": ").next().unwrap().to_owned()).collect()
    };
    let runner =
        |arguments: &[&str]| run_to_end(place.bare("herald-runner").args(arguments).arg("runner.yml"));
    let ours = ["1:12", "2:15", "5:33", "6:92", "8:55"].map(|at| format!("config.yml:{at}"));
    let runners = ["3:11", "4:13", "5:14"].map(|at| format!("runner.yml:{at}"));

    config("/proc", "@DIR@/none/s");
    let ended = heraldd(&place, &["check", "config.yml"]);
    assert_eq!((ended.code, lines(&ended, "files cannot be created in /proc")), (Some(2), ours.to_vec()));
    let ended = runner(&["check"]);
    assert_eq!((ended.code, lines(&ended, "files cannot be created in /proc")), (Some(2), runners.to_vec()));

    config(place.path("file").to_str().unwrap(), "@DIR@/none/s");
    assert_eq!(heraldd(&place, &["check", "config.yml"]).code, Some(0), "another machine may have them");
    assert_eq!(runner(&["check"]).code, Some(0));
    let ended = heraldd(&place, &["check", "--probe", "config.yml"]);
    assert_eq!((ended.code, lines(&ended, "/file is not a folder")), (Some(1), ours.to_vec()));
    assert_eq!(lines(&ended, "its folder does not exist"), ["config.yml:3:41"], "{}", ended.stderr);
    assert_eq!(lines(&ended, "at most"), ["config.yml:5:75"], "{}", ended.stderr);
    assert!(ended.stderr.ends_with("but the probe failed (6 problems)\n"), "{}", ended.stderr);
    let ended = runner(&["check", "--probe"]);
    assert_eq!((ended.code, lines(&ended, "/file is not a folder")), (Some(1), runners.to_vec()));
    assert_eq!(lines(&ended, "probe: warning: "), ["runner.yml:6:9"], "{}", ended.stderr);
    assert!(ended.stderr.ends_with("runner.yml: valid, but the probe failed (3 problems)\n"));
}

#[test]
fn what_init_writes_is_valid_and_starts() {
    let place = Place::new();
    let written = printed(&place, &["init"]);
    assert!(written.starts_with("heraldd.yml: written") && written.contains("heraldd check"), "{written}");
    assert!(printed(&place, &["check", "heraldd.yml"]).starts_with("heraldd.yml: ok (2 triggers"));
    let text = place.read("heraldd.yml").unwrap();
    assert_eq!(printed(&place, &["init", "-"]), text);
    let again = heraldd(&place, &["init"]);
    assert!(again.code == Some(1) && again.stderr.contains("exists already"), "{}", again.text());
    // Only the port and the state folder are this test's own.
    let config = format!("state_dir: '@DIR@/state'\n{}", text.replace("port: 8123", "port: 0"));
    let daemon = e2e::daemon::Daemon::start(&place, &config);
    daemon.post(&serde_json::json!({"command": "uptime"}));
    daemon.wait_print("the job's result", |value| value["trigger_param/result"]["exit_code"] == 0);
}

#[test]
fn check_as_json() {
    let place = Place::new();
    place.config(CONFIG);
    let good = printed_json(&place, &["check", "config.yml", "--json"]);
    assert_eq!(good["ok"], true);
    assert_eq!(good["counts"]["routers"], 2);
    assert_eq!(good["errors"], serde_json::json!([]));

    let wrong = |arguments: &[&str]| -> Value {
        let ended = heraldd(&place, arguments);
        assert_eq!((ended.code, &*ended.stderr), (Some(2), ""), "{}", ended.stdout);
        serde_json::from_str(&ended.stdout).unwrap()
    };
    place.config("log:\n  levle: info\nmax_jobs: none\n");
    let found = wrong(&["check", "--json", "config.yml"]);
    assert_eq!(found["ok"], false);
    let places: Vec<_> =
        found["errors"].as_array().unwrap().iter().map(|e| (&e["line"], &e["column"])).collect();
    assert_eq!(places, [(&2.into(), &3.into()), (&3.into(), &11.into())]);
    assert!(found["errors"][0]["message"].as_str().unwrap().contains("levle"), "{found}");
    assert!(found["errors"][0]["help"].as_str().unwrap().contains("level"), "{found}");
    assert!(found["warnings"][0]["message"].as_str().unwrap().contains("no router"), "{found}");

    let found = wrong(&["check", "--json", "missing.yml"]);
    assert!(found["errors"][0]["message"].as_str().unwrap().contains("no such file"), "{found}");
    assert_eq!(found["errors"][0].get("line"), None);
}

#[test]
fn every_command_refuses_what_the_start_refuses() {
    let place = Place::new();
    let started =
        place.refused("heraldd", "plugin: ./none.so\nrouter: {r: {trigger: a, selector: b, task: {}}}\n");
    for arguments in [&["check"][..], &["graph"], &["next"], &["next", "--json"]] {
        let config = place.text_path("config.yml");
        let ended = heraldd(&place, &[arguments, &["-config", &config]].concat());
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments:?}");
        // Of `check`, a summary follows.
        let (same, more) = ended.stderr.split_at_checked(started.stderr.trim_end().len()).unwrap();
        assert_eq!(same, started.stderr.trim_end(), "{arguments:?}");
        let summary = if arguments == ["check"] {
            format!("{config}: not valid (2 errors, 0 warnings)")
        } else {
            String::new()
        };
        assert_eq!(more.trim(), summary, "{arguments:?}");
    }
    for arguments in [
        &["check"][..],
        &["graph", "config.yml", "--format", "svg"],
        &["next", "x", "-n", "0"],
        &["man", "x"],
    ] {
        let ended = heraldd(&place, arguments);
        assert_eq!(
            (ended.code, ended.stdout.is_empty(), ended.stderr.is_empty()),
            (Some(2), true, false),
            "{arguments:?}"
        );
    }
}

#[test]
fn schema_knows_the_types_of_plugins() {
    let place = Place::new();
    let plain = printed_json(&place, &["schema"]);
    assert_eq!(plain["properties"]["trigger"]["properties"]["hello"], Value::Null);
    assert!(plain["properties"]["trigger"]["properties"]["cron"].is_object());

    // A mistake elsewhere does not keep the editor from its schema.
    place.config(&format!("plugin: {}\nmax_jobs: none\n", built("libhello.so").display()));
    let with = printed_json(&place, &["schema", "-config", "config.yml"]);
    assert!(with["properties"]["trigger"]["properties"]["hello"].is_object());

    place.config("plugin: ./none.so\n");
    let ended = heraldd(&place, &["schema", "-config", "config.yml"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(2), ""));
    assert!(ended.stderr.contains("none.so"), "{}", ended.stderr);
}

#[test]
fn graph_in_both_languages() {
    let place = Place::new();
    place.config(CONFIG);
    let mermaid = printed(&place, &["graph", "-config", "config.yml"]);
    assert!(mermaid.starts_with("flowchart LR\n"), "{mermaid}");
    assert!(mermaid.contains("[\"say #34;hi#34;<br>print\"]"), "{mermaid}");
    assert!(mermaid.contains(" -->|exe_done| "), "{mermaid}");
    let dot = printed(&place, &["graph", "-config", "config.yml", "--format", "dot"]);
    assert!(dot.starts_with("digraph heraldd {\n") && dot.ends_with("}\n"), "{dot}");
    assert!(dot.contains("[label=\"say \\\"hi\\\"\\nprint\", shape=box]"), "{dot}");
    for _ in 0..5 {
        assert_eq!(printed(&place, &["graph", "config.yml"]), mermaid, "the order is stable");
    }
}

#[test]
fn next_lists_what_is_due() {
    let place = Place::new();
    place.config(CONFIG);
    let due = printed_json(&place, &["next", "config.yml", "-n", "30", "--json"]);
    let times = due["due"].as_array().unwrap();
    assert_eq!(times.len(), 30);
    assert!(times.iter().any(|due| due["trigger"] == "nightly"), "{due}");
    let seconds: Vec<i64> = times.iter().map(|due| due["in_seconds"].as_i64().unwrap()).collect();
    assert!(seconds.is_sorted() && seconds[0] >= 0 && seconds[0] <= 3600, "{seconds:?}");
    assert_eq!(due["every"], serde_json::json!([{"trigger": "every2s", "every_seconds": 2.0}]));

    let table = printed(&place, &["next", "-config", "config.yml", "-n", "2", "--trigger", "nightly"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert_eq!(lines[0], ["TIME", "IN", "TRIGGER", "SCHEDULE"]);
    for line in &lines[1..] {
        assert!(line[0].contains("T02:30:00+0") || line[0].contains("T03:00:00+02:00"), "{table}");
        assert_eq!((line[1], line[line.len() - 6]), ("in", "nightly"), "{table}");
    }
    assert!(!table.contains('\u{1b}'), "no colour in a pipe");

    let ended = heraldd(&place, &["next", "config.yml", "--trigger", "manual"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), ""));
    assert!(ended.stderr.contains("nothing is due"), "{}", ended.stderr);
    let ended = heraldd(&place, &["next", "config.yml", "--trigger", "nigthly"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(4), ""));
    assert!(ended.stderr.contains("did you mean \"nightly\"?"), "{}", ended.stderr);
}

#[test]
fn completions_and_manual_pages() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&place, &["completions", shell]);
        for word in ["heraldd", "config", "check", "graph", "next", "schema"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    place.write("completions", &printed(&place, &["completions", "bash"]));
    let read = Command::new("bash").arg("-n").arg(place.path("completions")).status().unwrap();
    assert!(read.success());

    let page = printed(&place, &["man"]);
    assert!(page.contains(".TH heraldd 1") && page.contains("check"), "{page}");
    for command in ["check", "schema", "graph", "next", "completions", "man"] {
        let page = printed(&place, &["man", command]);
        assert!(page.contains(&format!(".TH heraldd-{command} 1")), "{page}");
        let help = printed(&place, &[command, "--help"]);
        let example = ["Example", "Examples"].map(|head| format!("{head}:\n  heraldd {command}"));
        assert!(example.iter().any(|example| help.contains(example)), "{help}");
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let place = Place::new();
    place.config(CONFIG);
    for arguments in [
        &["schema"][..],
        &["completions", "bash"],
        &["man"],
        &["check", "config.yml"],
        &["graph", "config.yml"],
        &["next", "config.yml", "-n", "10000"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = place.bare("heraldd").args(arguments).stdout(writer).output().unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!((ended.status.code(), &*stderr), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_one() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = Place::new().bare("heraldd").arg("schema").stdout(full).output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("could not be written"), "{stderr}");
}
