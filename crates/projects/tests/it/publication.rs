//! A publication from etcd to the disk: what runs, what is written, what is reported.

use std::time::{Duration, Instant};

use herald_projects::ProjectState;
use serde_json::{Value, json};

use crate::site::{Site, ended};

#[tokio::test(flavor = "multi_thread")]
async fn a_first_publication_keeps_what_is_of_others_and_adopts_what_is_the_same() {
    let site = Site::new();
    for (name, content) in [("p/foreign", "x"), ("p/same", "1")] {
        site.write(name, content);
    }
    // In whichever order they come: without a policy nothing happens yet.
    site.put("p/config.d/same", "1");
    assert_eq!(ended(&site.publish("p").await), ("pending".to_owned(), String::new(), false));
    // Who asks for it gets an error that says so.
    let asked = ended(&site.publish_as("p", "manual", &json!({})).await);
    assert_eq!(asked.1, "the project has no policy: etcd has no key \"/w/h/p/config\"");
    assert_eq!(site.standing("p"), (ProjectState::Pending, false));
    site.policy("p", &json!({"afterCmd": site.noting("after")}));
    let first = site.publish("p").await;
    assert_eq!(ended(&first), ("in_sync".to_owned(), String::new(), false));
    assert_eq!(first.unwrap()["foreign"], json!(["foreign"]));
    assert_eq!(site.ran(), [""; 0], "nothing changed");
    site.put("p/config.d/new", "2");
    let second = site.publish("p").await.unwrap();
    let files: Vec<&Value> = second["files"].as_array().unwrap().iter().map(|file| &file["file"]).collect();
    assert_eq!((files, site.ran()), (vec![&json!("new")], vec!["after".to_owned()]));
    // What was adopted is deleted with its key; what is of others stays.
    site.delete("p/config.d/same");
    site.publish("p").await.unwrap();
    assert_eq!((site.read("p/same"), site.read("p/foreign")), (None, Some("x".to_owned())));
    // Also where nothing of the project was ever written.
    site.write("q/same", "1");
    site.policy("q", &json!({}));
    site.put("q/config.d/same", "1");
    assert_eq!(ended(&site.publish("q").await).0, "in_sync");
    site.delete("q/config.d/same");
    site.publish("q").await.unwrap();
    assert_eq!(site.read("q/same"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn forced_everything_is_published_and_otherwise_only_what_differs() {
    let mut site = Site::new();
    site.policy("p", &json!({"beforeCmd": site.noting("before"), "afterCmd": site.noting("after")}));
    for name in ["a", "b"] {
        site.put(&format!("p/config.d/{name}"), "1");
    }
    site.publish("p").await.unwrap();
    assert_eq!(site.ran(), ["before", "after"]);
    for (reason, files, ran, state) in [
        ("start", 0, &[][..], "in_sync"),
        ("change", 0, &[], "in_sync"),
        ("resync", 0, &[], "in_sync"),
        ("force", 2, &["before", "after"], "published"),
    ] {
        site.restart();
        let outcome = site.publish_as("p", reason, &json!({})).await;
        let is_reported = state == "published";
        assert_eq!(ended(&outcome).0, state, "{reason}");
        assert_eq!(outcome.unwrap()["files"].as_array().unwrap().len(), files, "{reason}");
        assert_eq!((site.ran(), is_reported), (strings(ran), files > 0), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_changes_nothing_and_runs_again_only_for_a_change() {
    let site = Site::new();
    let callback = json!("http://127.0.0.1:1/");
    site.policy("p", &json!({"callback": callback}));
    site.put("p/config.d/x", "1");
    site.publish("p").await.unwrap();
    let note = |name: &str| site.noting(name);
    for (policy, error, state, ran) in [
        (
            json!({"checkCmd": format!("{}; grep -q 1 {{{{ stage }}}}/x", note("check")), "beforeCmd": note("before")}),
            "checkCmd: exit status 1; nothing was changed",
            "failed",
            &["check"][..],
        ),
        (
            json!({"checkCmd": note("check"), "beforeCmd": "false", "afterCmd": note("after")}),
            "beforeCmd: exit status 1; nothing was changed",
            "failed",
            &["check"],
        ),
        (
            json!({"beforeCmd": note("before"), "verifyCmd": "false", "afterCmd": note("after")}),
            "verifyCmd: exit status 1; rolled back",
            "rolled_back",
            // For the previous files.
            &["before", "after"],
        ),
        (
            json!({"afterCmd": format!("{}; grep -q 1 $HERALD_DEPLOY_PATH/x", note("after"))}),
            "afterCmd: exit status 1; rolled back",
            "rolled_back",
            &["after", "after"],
        ),
        (
            json!({"afterCmd": format!("{}; false", note("after"))}),
            "afterCmd: exit status 1; rolled back, but afterCmd failed again: exit status 1",
            "rolled_back",
            &["after", "after"],
        ),
    ] {
        let mut policy = policy;
        policy["callback"] = callback.clone();
        site.policy("p", &policy);
        site.put("p/config.d/x", "2");
        assert_eq!(ended(&site.publish("p").await), (state.to_owned(), error.to_owned(), true), "{policy}");
        assert_eq!((site.read("p/x").as_deref(), site.ran()), (Some("1"), strings(ran)), "{policy}");
        assert_eq!(site.standing("p"), (ProjectState::Failed, false), "{policy}");
        // Nothing changed, so it is not tried again, and not reported again.
        let again = site.publish_as("p", "resync", &json!({})).await;
        assert_eq!(ended(&again), ("failed".to_owned(), String::new(), false), "{policy}");
        assert_eq!(site.ran(), [""; 0], "{policy}");
    }
    site.policy("p", &json!({"afterCmd": note("after")}));
    site.publish("p").await.unwrap();
    assert_eq!((site.read("p/x").as_deref(), site.ran()), (Some("2"), vec!["after".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_policy_the_files_stay() {
    let site = Site::new();
    let policy = json!({"callback": "http://127.0.0.1:1/", "afterCmd": site.noting("after")});
    site.policy("p", &policy);
    site.put("p/config.d/x", "1");
    let good = site.publish("p").await.unwrap()["callback"].clone();
    assert_eq!(site.ran(), ["after"]);
    for (config, error) in [
        (Some("{\"deployPath\": 5}"), "policy: deployPath"),
        (Some("no JSON"), "is not a JSON object"),
        (None, "its policy is gone; the files stay as they are until there is one again"),
    ] {
        match config {
            Some(config) => site.put("p/config", config),
            None => site.delete("p/config"),
        }
        site.put("p/config.d/x", "2");
        let outcome = site.publish("p").await;
        let (state, found, is_reported) = ended(&outcome);
        assert!(state == "failed" && found.contains(error) && is_reported, "{state} {found}");
        // The last good URL is where etcd had it then.
        let callback = &outcome.unwrap_err().result["callback"];
        assert!(callback["key"] == good["key"] && callback["revision"].is_i64(), "{callback}");
        assert_eq!((site.read("p/x").as_deref(), site.ran()), (Some("1"), vec![]));
    }
    site.policy("p", &policy);
    site.publish("p").await.unwrap();
    assert_eq!((site.read("p/x").as_deref(), site.ran()), (Some("2"), vec!["after".to_owned()]));
    // The whole project goes: by its last policy.
    site.server.change_all(
        &["p/config", "p/config.d/x"].map(|name| e2e::etcd::EtcdChange { key: Site::key(name), value: None }),
    );
    assert_eq!(ended(&site.publish("p").await), ("published".to_owned(), String::new(), true));
    assert_eq!(
        (site.read("p/x"), site.backups("p"), site.ran()),
        (None, vec!["1".to_owned(), "2".to_owned()], vec!["after".to_owned()])
    );
    assert!(!site.top.join("p").exists(), "a folder that Herald made goes when it is empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_nothing_left_is_removed_without_a_check_of_an_empty_folder() {
    let checks = |site: &Site| {
        json!({
            "checkCmd": format!("{}; test -s {{{{ stage }}}}/x", site.noting("check")),
            "verifyCmd": format!("{}; test -s $HERALD_DEPLOY_PATH/x", site.noting("verify")),
            "beforeCmd": site.noting("before"),
            "afterCmd": site.noting("after"),
        })
    };
    for (swap, gone) in [
        ("files", &["p/config", "p/config.d/x", "p/config.d/y"][..]),
        ("files", &["p/config.d/x", "p/config.d/y"]),
        ("directory", &["p/config", "p/config.d/x", "p/config.d/y"]),
    ] {
        let site = Site::with(json!({"swap": swap}));
        site.policy("p", &checks(&site));
        site.put("p/config.d/x", "1");
        site.put("p/config.d/y", "1");
        site.publish("p").await.unwrap();
        assert_eq!(site.ran(), ["check", "before", "verify", "after"], "{swap} {gone:?}");
        let changes: Vec<_> =
            gone.iter().map(|name| e2e::etcd::EtcdChange { key: Site::key(name), value: None }).collect();
        site.server.change_all(&changes);
        assert_eq!(ended(&site.publish("p").await).0, "published", "{swap} {gone:?}");
        assert_eq!((site.read("p/x"), site.read("p/y")), (None, None), "{swap} {gone:?}");
        assert_eq!(site.ran(), ["before", "after"], "{swap} {gone:?}");
    }
    // Something is left: the check decides, as always.
    let site = Site::new();
    site.policy("p", &checks(&site));
    site.put("p/config.d/x", "1");
    site.put("p/config.d/y", "1");
    site.publish("p").await.unwrap();
    site.delete("p/config.d/x");
    let (state, error, _) = ended(&site.publish("p").await);
    assert_eq!((&*state, &*error), ("failed", "checkCmd: exit status 1; nothing was changed"));
    assert_eq!(site.read("p/x").as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_runs_nothing_unless_files_move() {
    let site = Site::new();
    let commands = json!({"beforeCmd": site.noting("before"), "afterCmd": site.noting("after")});
    site.policy("p", &json!({}));
    site.put("p/config.d/x", "1");
    site.publish("p").await.unwrap();
    site.policy("p", &commands);
    assert_eq!(ended(&site.publish("p").await), ("in_sync".to_owned(), String::new(), false));
    assert_eq!(site.ran(), [""; 0], "other commands, and the same files");
    let mut moved = commands;
    moved["deployPath"] = json!(site.top.join("elsewhere"));
    site.policy("p", &moved);
    assert_eq!(ended(&site.publish("p").await).0, "published");
    assert_eq!((site.read("p/x"), site.read("elsewhere/x").as_deref()), (None, Some("1")));
    assert_eq!(
        (site.backups("p"), site.ran()),
        (vec!["1".to_owned()], vec!["before".to_owned(), "after".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_reported_or_repaired() {
    for (drift, state, content, backups) in [
        ("report", "drifted", "by hand", &[][..]),
        ("repair", "published", "1", &["by hand"]),
        ("ignore", "in_sync", "by hand", &[]),
    ] {
        let site = Site::with(json!({"drift": drift}));
        site.policy("p", &json!({"afterCmd": site.noting("after")}));
        site.put("p/config.d/x", "1");
        site.publish("p").await.unwrap();
        let _ = site.ran();
        site.write("p/x", "by hand");
        let outcome = site.publish_as("p", "resync", &json!({})).await;
        assert_eq!(ended(&outcome).0, state, "{drift}");
        assert_eq!(site.read("p/x").as_deref(), Some(content), "{drift}");
        assert_eq!(site.backups("p"), backups, "{drift}");
        assert_eq!(site.ran().len(), usize::from(drift == "repair"), "{drift}");
        // Who asks for it gets it.
        site.publish_as("p", "manual", &json!({})).await.unwrap();
        assert_eq!(site.read("p/x").as_deref(), Some("1"), "{drift}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_command_is_ended_and_delays_its_own_project_alone() {
    let site = Site::with(json!({"command_timeout": "2s"}));
    site.policy("slow", &json!({"beforeCmd": "sleep 61.7"}));
    site.policy("quick", &json!({}));
    for project in ["slow", "quick"] {
        site.put(&format!("{project}/config.d/x"), "1");
    }
    let began = Instant::now();
    let slow = async {
        let outcome = site.publish("slow").await;
        (ended(&outcome), began.elapsed())
    };
    let quick = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        site.publish("quick").await.unwrap();
        began.elapsed()
    };
    let ((slow, after), quick) = tokio::join!(slow, quick);
    assert!(quick < Duration::from_secs(2), "{quick:?}");
    assert!(after < Duration::from_secs(6), "{after:?}");
    assert!(slow.1.starts_with("beforeCmd: signal: killed (timed out after 2s)"), "{slow:?}");
    assert_eq!((site.read("slow/x"), site.read("quick/x").as_deref()), (None, Some("1")));
}

fn strings(given: &[&str]) -> Vec<String> {
    given.iter().map(|text| (*text).to_owned()).collect()
}
