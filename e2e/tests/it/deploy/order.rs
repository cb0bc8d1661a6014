//! Two deployments at once, two daemons, bursts of pushes, and nodes that are away.

use std::fs;

use e2e::daemon::Daemon;
use e2e::place::Place;
use e2e::program::Ended;
use e2e::wait::{until, until_within};
use serde_json::{Value, json};

use super::fixture::{LONG, OTHERS, SOME, Site, check_some, hook};
use super::origin::tree;

/// A trigger `manual` whose pushes deploy what they name; the newest of those that wait wins.
pub const PUSH: &str = "
trigger:
  manual: {type: http, port: 0}
router:
  push:
    trigger: manual
    selector: all
    task: {go: {executor: 'app:shop', job_param: {revision: '{{ trigger_param.after }}'}}}
    policy: {concurrency: {limit: 1, on_full: replace}}
";

/// While `block` is there, a hook waits; each leaves a line when it begins, and one when it ends.
const WAITS: &str = "echo $HERALD_REVISION $HERALD_NODE begins >>@DIR@/log; while [ -e @DIR@/block ]; do sleep 0.05; done; \
                     echo $HERALD_REVISION $HERALD_NODE ends >>@DIR@/log";

fn blocking(site_options: Value) -> Value {
    let mut options = json!({"hooks": {"before": hook(WAITS), "after": hook(WAITS)}});
    options.as_object_mut().unwrap().extend(site_options.as_object().unwrap().clone());
    options
}

/// Check 29.
#[test]
fn two_deployments_never_interleave() {
    check_some(&SOME, |kind, mode| {
        let site = Site::new(kind, mode, blocking(json!({})));
        let revisions: Vec<String> =
            ["1", "2"].iter().map(|text| site.origin.commit(text, &tree(&[("a", text)]))).collect();
        site.place.write("block", "");
        let jobs: Vec<Value> = revisions
            .iter()
            .map(|revision| {
                let (code, accepted) = site.json(&["deploy", "shop", revision]);
                assert_eq!(code, 0, "{accepted}");
                until("the first hook", || site.place.path("log").exists().then_some(()));
                accepted["job_id"].clone()
            })
            .collect();
        let log = || site.cli(&["logs", jobs[1].as_str().unwrap()]).text();
        let waiting = until("the second waits", || Some(log()).filter(|log| log.contains("waiting")));
        assert!(
            waiting.contains(&format!(
                "another deployment of shop is under way ({})",
                jobs[0].as_str().unwrap()
            )),
            "{waiting}"
        );
        let (code, busy) = site.json(&["deploy", "shop", "--fail-if-busy"]);
        assert_eq!(code, 1, "{busy}");
        assert!(busy.to_string().contains("under way"), "{busy}");
        fs::remove_file(site.place.path("block")).unwrap();
        site.wait_deployments(2);
        let log = site.place.read("log").unwrap();
        let mut order: Vec<&str> = log.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(order.len(), 24, "{log}");
        order.dedup();
        assert_eq!(order, [&revisions[0], &revisions[1]], "{log}");
        assert_eq!(site.texts("a"), ["2"; 3]);
    });
}

/// Check 30.
#[test]
fn another_daemon_is_refused_on_the_same_path() {
    check_some(&OTHERS, |kind, mode| {
        let site = Site::new(kind, mode, blocking(json!({})));
        site.origin.commit("1", &tree(&[("a", "1")]));
        site.place.write("block", "");
        assert_eq!(site.json(&["deploy", "shop"]).0, 0);
        until("all hooks", || (site.place.count("log") == 3).then_some(()));
        let other = Place::new();
        let config = site.written(json!({}), "");
        let daemon = Daemon::start(&other, &config);
        daemon.wait_for(&["heraldd is ready"]);
        let deploy = || -> Ended {
            other.run("heraldd", &["deploy", "shop", "--wait", "--socket", "@DIR@/state/heraldd.sock"])
        };
        let refused = deploy();
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let pid = site.machines[0].runner.as_ref().unwrap().pid();
        let who = format!("is locked by another deployment (process {pid})");
        assert!(refused.stdout.contains(&who), "{refused:?}");
        fs::remove_file(site.place.path("block")).unwrap();
        let record = site.wait_deployments(1);
        assert_eq!(record["status"], "succeeded", "{record}");
        let ended = deploy();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    });
}

/// Check 31.
#[test]
fn of_a_burst_the_first_and_the_last_run() {
    check_some(&SOME, |kind, mode| {
        let site = Site::with(kind, mode, blocking(json!({})), PUSH);
        let revisions: Vec<String> =
            (1..=5).map(|n| site.origin.commit(&n.to_string(), &tree(&[("a", &n.to_string())]))).collect();
        site.place.write("block", "");
        for (n, revision) in revisions.iter().enumerate() {
            // Subversion's revisions are numbers.
            let after = revision.parse::<u64>().map_or_else(|_| json!(revision), |number| json!(number));
            site.daemon().post(&json!({"after": after}));
            if n == 0 {
                until("the first hook", || site.place.path("log").exists().then_some(()));
            }
        }
        fs::remove_file(site.place.path("block")).unwrap();
        let last = site.wait_deployments(2);
        assert_eq!(
            (&last["status"], &last["to"], &last["automatic"]),
            (&json!("succeeded"), &json!(revisions[4]), &json!(true)),
            "{last}"
        );
        let all = site.deployments();
        assert_eq!((all.len(), &all[1]["to"]), (2, &json!(revisions[0])), "{all:?}");
        assert_eq!(site.texts("a"), ["5"; 3]);
    });
}

/// Check 32: `fail`, `skip` and `wait`.
#[test]
fn a_node_that_is_away() {
    check_some(&OTHERS, |kind, mode| {
        let mut site = Site::new(kind, mode, json!({"strategy": {"offline": "fail"}}));
        let first = site.release(&tree(&[("a", "1")]));
        site.machines[1].stop();
        site.origin.commit("2", &tree(&[("a", "2")]));
        let (code, record) = site.deploy(&[]);
        assert_eq!((code, &record["status"]), (1, &json!("failed")), "{record}");
        assert!(record["error"].as_str().unwrap().starts_with("n2: "), "{record}");
        assert_eq!(site.texts("a"), ["1"; 3], "nothing is touched anywhere");
        assert_eq!(site.app()["revision"], *first);

        site.configure(json!({"strategy": {"offline": "skip"}}), "");
        let record = site.must_deploy(&[]);
        assert_eq!(Site::statuses(&record), ["succeeded", "skipped", "succeeded"], "{record}");
        assert_eq!(site.texts("a"), ["2", "1", "2"]);
        site.machines[1].start();
        let state = until_within(LONG, "the node", || {
            let app = site.refreshed();
            (app["nodes"]["n2"]["online"] == true).then(|| app["nodes"]["n2"]["state"].clone())
        });
        assert_eq!(state, "outdated");

        site.machines[1].stop();
        site.configure(json!({"strategy": {"offline": "wait"}}), "");
        site.origin.commit("3", &tree(&[("a", "3")]));
        assert_eq!(site.json(&["deploy", "shop"]).0, 0);
        until("it waits", || site.app()["running"].is_string().then_some(()));
        site.machines[1].start();
        let record = site.wait_deployments(4);
        assert_eq!(record["status"], "succeeded", "{record}");
        assert_eq!(site.texts("a"), ["3"; 3]);
    });
}

/// Check 32: `catch_up` brings what is recorded, though HEAD moved on.
#[test]
fn a_node_catches_up_when_it_is_back() {
    check_some(&SOME, |kind, mode| {
        let options = json!({"strategy": {"offline": "catch_up"}, "drift_interval": "5s"});
        let mut site = Site::new(kind, mode, options);
        site.release(&tree(&[("a", "1")]));
        site.machines[1].stop();
        let second = site.origin.commit("2", &tree(&[("a", "2")]));
        let record = site.must_deploy(&[]);
        assert_eq!(Site::statuses(&record), ["succeeded", "catch_up", "succeeded"], "{record}");
        assert_eq!(
            (&site.app()["revision"], &site.app()["nodes"]["n2"]["catch_up"]),
            (&json!(second), &json!(second))
        );
        site.origin.commit("3", &tree(&[("a", "3")]));
        site.machines[1].start();
        let record = site.wait_deployments(3);
        assert_eq!((&record["status"], &record["to"]), (&json!("succeeded"), &json!(second)), "{record}");
        assert_eq!((&record["automatic"], &record["reason"]), (&json!(true), &json!("catch up")), "{record}");
        assert_eq!(Site::statuses(&record), ["-", "succeeded", "-"], "{record}");
        assert_eq!(site.texts("a"), ["2"; 3]);
        let app = site.app();
        assert_eq!(
            (&app["revision"], &app["nodes"]["n2"]["catch_up"]),
            (&json!(second), &Value::Null),
            "{app}"
        );
    });
}

/// A drained node is to a deployment as one that is away, with the reason; it catches up when it is resumed.
#[test]
fn a_drained_node_is_left_out_and_catches_up() {
    check_some(&SOME[1..2], |kind, mode| {
        let options = json!({"strategy": {"offline": "catch_up"}, "drift_interval": "5s"});
        let site = Site::new(kind, mode, options);
        site.release(&tree(&[("a", "1")]));
        assert_eq!(site.cli(&["drain", "n2"]).code, Some(0));
        let second = site.origin.commit("2", &tree(&[("a", "2")]));
        let record = site.must_deploy(&[]);
        assert_eq!(Site::statuses(&record), ["succeeded", "catch_up", "succeeded"], "{record}");
        assert!(record.to_string().contains("the node is drained"), "{record}");
        assert_eq!(site.texts("a"), ["2", "1", "2"]);
        assert_eq!(site.cli(&["undrain", "n2"]).code, Some(0));
        let record = site.wait_deployments(3);
        assert_eq!((&record["status"], &record["to"]), (&json!("succeeded"), &json!(second)), "{record}");
        assert_eq!(site.texts("a"), ["2"; 3]);
    });
}
