//! What fails, and where: before anything is changed, or with everything put back.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use e2e::fake::Fake;
use e2e::http::Message;
use e2e::wait::until;
use serde_json::{Map, Value, json};

use super::fixture::{NODES, OTHERS, SOME, Site, check_some, hook};
use super::origin::{Kind, tree};

/// A site with one good deployment of `a` = old.
fn with_old(kind: Kind, mode: &'static str, options: Value) -> Site {
    let site = Site::new(kind, mode, options);
    site.release(&tree(&[("a", "old")]));
    site
}

const HOOKS: [&str; 4] = ["before", "build", "once", "after"];

/// Hooks that run the file of their name where there is one.
fn scripted(timeout: &str) -> Value {
    let one = |name: &&str| {
        let mut hook = hook(&format!("[ ! -e @DIR@/{name}.sh ] || . @DIR@/{name}.sh"));
        hook["timeout"] = timeout.into();
        ((*name).to_owned(), hook)
    };
    HOOKS.iter().map(one).collect::<Map<String, Value>>().into()
}

/// Check 9.
#[test]
fn a_failing_before_leaves_all_untouched() {
    check_some(&SOME, |kind, mode| {
        let site = with_old(kind, mode, json!({"hooks": scripted("20s")}));
        site.place.write("before.sh", "test $HERALD_NODE != n2 || { echo no room for it; exit 3; }");
        site.origin.commit("new", &tree(&[("a", "new"), ("b", "new")]));
        let before: Vec<_> = (0..3).map(|node| site.stamps(node)).collect();
        let (code, record) = site.deploy(&[]);
        assert_eq!((code, &record["status"]), (1, &json!("failed")), "{record}");
        let error = record["error"].as_str().unwrap();
        assert!(error.contains("n2: hook `before` failed with exit code 3"), "{error}");
        assert_eq!(Site::statuses(&record), ["untouched", "failed", "untouched"], "{record}");
        let after: Vec<_> = (0..3).map(|node| site.stamps(node)).collect();
        assert_eq!(after, before, "{mode}");
    });
}

/// Checks 10 and 11: a hook that fails on the third of three nodes… and here on the second, so that one is never
/// touched.
#[test]
fn a_failing_after_and_what_becomes_of_the_others() {
    check_some(&OTHERS, |kind, mode| {
        for (on_failure, status, statuses, texts) in [
            ("rollback", "reverted", ["reverted", "reverted", "untouched"], ["old", "old", "old"]),
            ("stop", "partial", ["succeeded", "reverted", "untouched"], ["new", "old", "old"]),
            ("continue", "partial", ["succeeded", "reverted", "succeeded"], ["new", "old", "new"]),
        ] {
            let options =
                json!({"hooks": scripted("20s"), "on_failure": on_failure, "strategy": {"max_parallel": 1}});
            let site = with_old(kind, mode, options);
            site.place.write(
                "after.sh",
                "echo $HERALD_NODE $HERALD_ACTION >>@DIR@/log\ntest $HERALD_NODE$HERALD_ACTION != n2deploy",
            );
            site.origin.commit("new", &tree(&[("a", "new")]));
            let untouched = site.stamps(2);
            let (code, record) = site.deploy(&[]);
            assert_eq!((code, &record["status"]), (1, &json!(status)), "{on_failure} {record}");
            assert_eq!(Site::statuses(&record), statuses, "{on_failure} {record}");
            assert_eq!(site.texts("a"), texts, "{on_failure}");
            if on_failure != "continue" {
                assert_eq!(site.stamps(2), untouched, "{on_failure}");
            }
            if on_failure == "rollback" {
                let log = site.place.read("log").unwrap();
                assert_eq!(log, "n1 deploy\nn2 deploy\nn2 revert\nn1 revert\n");
            }
            let seen = site.refreshed();
            let state = |node: usize| match texts[node] == "new" {
                false => "in_sync",
                true => "outdated",
            };
            for (n, node) in NODES.iter().enumerate() {
                assert_eq!(seen["nodes"][node]["state"], state(n), "{on_failure} {seen}");
            }
        }
    });
}

/// Check 12.
#[test]
fn a_bad_canary_is_alone() {
    check_some(&SOME, |kind, mode| {
        let health = json!({"cmd": "sh", "arg": ["-c", "! grep -q new \"$HERALD_PATH/a\""], "within": "1s"});
        let options = json!({"health": health, "strategy": {"canary": 1, "max_parallel": 3}});
        let site = with_old(kind, mode, options);
        site.origin.commit("new", &tree(&[("a", "new")]));
        let (code, record) = site.deploy(&[]);
        assert_eq!((code, &record["status"]), (1, &json!("reverted")), "{record}");
        assert_eq!(Site::statuses(&record), ["reverted", "untouched", "untouched"], "{record}");
        assert_eq!(site.texts("a"), ["old"; 3]);
    });
}

/// Check 13.
#[test]
fn exit_codes_of_hooks_count_and_what_hangs_is_ended() {
    check_some(&OTHERS, |kind, mode| {
        let site = with_old(kind, mode, json!({"hooks": scripted("3s")}));
        HOOKS
            .iter()
            .for_each(|name| drop(site.place.write(&format!("{name}.sh"), "echo warning >&2; exit 0")));
        site.release(&tree(&[("a", "live")]));
        HOOKS.iter().for_each(|name| fs::remove_file(site.place.path(&format!("{name}.sh"))).unwrap());
        site.origin.commit("new", &tree(&[("a", "new")]));
        for name in HOOKS {
            // In a copy, `build` and `once` run when the update is done.
            let late = name == "after" || (name != "before" && mode == "in_place");
            for (script, early) in [("exit 1", "failed"), (HANGS, "timed_out")] {
                let script = format!("[ $HERALD_ACTION = deploy ] || return 0\n{script}");
                site.place.write(&format!("{name}.sh"), &script);
                let (code, record) = site.deploy(&[]);
                let status = if late { "reverted" } else { early };
                assert_eq!((code, &record["status"]), (1, &json!(status)), "{name}: {record}");
                assert_eq!(site.texts("a"), ["live"; 3], "{name}");
                let error = record["error"].as_str().unwrap();
                assert!(error.contains(&format!("hook `{name}`")), "{error}");
            }
            fs::remove_file(site.place.path(&format!("{name}.sh"))).unwrap();
        }
        for pid in site.place.read("pids").unwrap().lines() {
            assert!(!e2e::program::alive(pid.parse().unwrap()), "a hook still runs");
        }
    });
}

const HANGS: &str = "echo $$ >>@DIR@/pids\nsleep 3607 &\necho $! >>@DIR@/pids\nwait";

/// Check 14.
#[test]
fn health_by_url() {
    check_some(&SOME, |kind, mode| {
        let asked = AtomicUsize::new(0);
        let at = PathFile::default();
        let seen = at.clone();
        // It answers what the node serves: right from the start, at the third time, or never.
        let fake = Fake::start(move |_| {
            let n = asked.fetch_add(1, Ordering::SeqCst);
            let text = seen.lock().unwrap().as_ref().and_then(|path| fs::read_to_string(path).ok());
            let is_up = match text.as_deref() {
                Some("never") => false,
                Some("third") => n % 3 == 2,
                _ => true,
            };
            Some(Message::response(if is_up { 200 } else { 500 }, &[], b""))
        });
        let health = json!({"url": format!("http://{}/up", fake.address()), "within": "6s"});
        let site = with_old(kind, mode, json!({"health": health}));
        *at.lock().unwrap() = Some(site.served(0).join("a"));
        site.release(&tree(&[("a", "third")]));
        site.origin.commit("never", &tree(&[("a", "never")]));
        let (code, record) = site.deploy(&[]);
        assert_eq!((code, &record["status"]), (1, &json!("reverted")), "{record}");
        assert!(
            record["error"].as_str().unwrap().contains("answered 500, not 200-299, within 6s"),
            "{record}"
        );
        assert_eq!(site.texts("a"), ["third"; 3]);
    });
}

/// The file that decides.
type PathFile = Arc<Mutex<Option<PathBuf>>>;

/// Check 15: also where the daemon is killed while it runs.
#[test]
fn once_runs_on_one_node_once() {
    check_some(&OTHERS, |kind, mode| {
        let mut site = with_old(kind, mode, json!({"hooks": scripted("40s")}));
        site.place.write(
            "once.sh",
            "cp a @DIR@/seen; echo $HERALD_NODE >>@DIR@/once; while [ ! -e @DIR@/go ]; do sleep 0.05; done",
        );
        let new = site.origin.commit("new", &tree(&[("a", "new")]));
        assert_eq!(site.json(&["deploy", "shop"]).0, 0);
        until("once", || (site.place.count("once") == 1).then_some(()));
        // It sees the new revision: with `in_place` the first node is updated for it.
        let first = if mode == "in_place" { "new" } else { "old" };
        assert_eq!(site.texts("a"), [first, "old", "old"], "nobody else has switched");
        assert_eq!(site.place.read("seen").unwrap(), "new");
        let daemon = site.daemon.take().unwrap();
        daemon.signal("KILL");
        let _ = daemon.wait_end();
        drop(daemon);
        site.start();
        site.place.write("go", "");
        let record = site.wait_deployments(2);
        assert_eq!((&record["status"], &record["to"]), (&json!("succeeded"), &json!(new)), "{record}");
        assert_eq!(site.place.read("once").unwrap(), "n1\n");
        assert_eq!(site.texts("a"), ["new"; 3]);
    });
}
