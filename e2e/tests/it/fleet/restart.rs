//! The daemon is killed in the middle of a job on many nodes, or between two attempts at it, and the next one continues
//! it.

use e2e::daemon::{DONE, Daemon};
use e2e::runner::{Runner, SECRET};
use e2e::wait::until;
use serde_json::Value;

use super::{NODE, Nodes, sh};

/// A daemon with one job on these nodes, with this strategy. The job runs until there is a file `go`, and appends on
/// each node a line to a file with the node's name.
fn daemon(nodes: &Nodes, names: &str, strategy: &str, section: &str) -> Daemon {
    let executor = format!("nodes: [{names}], strategy: {strategy}");
    start(nodes, &FleetJob { executor: &executor, section, policy: "{}", script: WAIT })
}

/// Waits for the file.
const WAIT: &str = "until test -e $at/go; do sleep 0.05; done; echo done";

/// A job, and the nodes that there are.
struct FleetJob<'a> {
    executor: &'a str,
    section: &'a str,
    policy: &'a str,
    script: &'a str,
}

/// A daemon with one job. On each node it appends a line to `$at/$me`, a file with the node's name, and then it runs
/// the script.
fn start(nodes: &Nodes, job: &FleetJob<'_>) -> Daemon {
    let FleetJob { executor, section, policy, script } = job;
    let folder = nodes.place.text_path("");
    let folder = folder.trim_end_matches('/');
    let script = sh(&format!("at={folder}; me=$({NODE}); echo once >>$at/$me; {script}"));
    let config = format!(
        "trigger: {{manual: {{type: http, port: 0}}}}
executor: {{fleet: {{type: http_remote, {executor}, data_dir: '@DIR@/data'}}}}
router:
  run: {{trigger: manual, selector: all, task: {{job: fleet}}, job_param: {script}, policy: {policy}}}
{DONE}
{section}state_dir: '@DIR@/state'
"
    );
    Daemon::start(&nodes.place, &config)
}

/// Kills the daemon once the job runs on these nodes.
fn kill(nodes: &Nodes, daemon: Daemon, on: &[&str]) {
    until("the job", || on.iter().all(|node| nodes.place.count(node) == 1).then_some(()));
    daemon.signal("KILL");
    drop(daemon);
}

fn ran_once_on_each(nodes: &Nodes, ended: &Value) {
    assert_eq!(ended["success"], true, "{ended}");
    for node in ["n1", "n2", "n3"] {
        assert_eq!(ended["result"]["node"][node]["output"], "done\n", "{ended}");
        assert_eq!(nodes.place.count(node), 1, "{node}: {ended}");
    }
}

#[test]
fn a_rolling_job_goes_on_with_the_nodes_whose_turn_had_not_come() {
    for strategy in ["{max_parallel: 1}", "{canary: 1}"] {
        let nodes = Nodes::start();
        let start = || daemon(&nodes, "n1, n2, n3", strategy, &nodes.section());
        let first = start();
        let event = first.post(&serde_json::json!({}));
        kill(&nodes, first, &["n1"]);
        let second = start();
        std::fs::write(nodes.place.path("go"), "").unwrap();
        ran_once_on_each(&nodes, &second.done(&event));
    }
}

#[test]
fn a_node_that_was_waited_for_is_waited_for_again() {
    let mut nodes = Nodes::start();
    let section = nodes.section();
    let (place, gone) = nodes.runners.pop().unwrap();
    let port = gone.address().port();
    drop(gone);
    let start = || daemon(&nodes, "n1, n2, n3", "{offline: wait}", &section);
    let waits = &["node offline; the job waits for it"][..];
    let first = start();
    let event = first.post(&serde_json::json!({}));
    first.wait_for(waits);
    kill(&nodes, first, &["n1", "n2"]);
    let second = start();
    second.wait_for(waits);
    std::fs::write(nodes.place.path("go"), "").unwrap();
    let _back =
        Runner::configured(&place, &format!("port: {port}\nwork_dir: '@DIR@/runner'\nsecret: {SECRET}\n"));
    ran_once_on_each(&nodes, &second.done(&event));
}

/// If a node is removed from the configuration, the job is reported as not done.
#[test]
fn a_node_that_the_configuration_has_no_more_is_not_forgotten() {
    let nodes = Nodes::start();
    let first = daemon(&nodes, "n1, n2, n3", "{max_parallel: 2}", &nodes.section());
    let event = first.post(&serde_json::json!({}));
    kill(&nodes, first, &["n1", "n2"]);
    let second = daemon(&nodes, "n1, n3", "{max_parallel: 2}", &nodes.section());
    std::fs::write(nodes.place.path("go"), "").unwrap();
    let ended = second.done(&event);
    assert_eq!(ended["success"], false, "{ended}");
    let status = ["n1", "n2", "n3"].map(|node| ended["result"]["node"][node]["status"].clone());
    assert_eq!(status, ["succeeded", "lost", "succeeded"], "{ended}");
    assert!(
        ended["error"].as_str().unwrap().contains("the node was removed from the configuration"),
        "{ended}"
    );
}

/// Killed between two attempts, and again in the second one: what succeeded does not run again, and its files stay.
#[test]
fn another_attempt_is_for_those_that_did_not_succeed_after_a_restart_too() {
    let nodes = Nodes::start();
    // The second node fails at first, and then takes its time.
    let script = format!(
        "echo $me >name; if test $me = n2; then test $(grep -c once $at/$me) -gt 1 || exit 3; {WAIT} >/dev/null; fi; \
         echo '{{\"file\": {{\"name\": \"name\"}}}}'"
    );
    let section = nodes.section();
    let job = FleetJob {
        executor: "nodes: [n1, n2, n3]",
        section: &section,
        policy: "{retry: {max: 3, delay: 3s}}",
        script: &script,
    };
    let first = start(&nodes, &job);
    let event = first.post(&serde_json::json!({}));
    first.wait_for(&["the next one in"]);
    first.signal("KILL");
    drop(first);
    let second = start(&nodes, &job);
    until("the second attempt", || (nodes.place.count("n2") == 2).then_some(()));
    second.signal("KILL");
    drop(second);
    let third = start(&nodes, &job);
    std::fs::write(nodes.place.path("go"), "").unwrap();
    let ended = third.done(&event);
    assert_eq!((&ended["success"], &ended["attempt"]), (&true.into(), &2.into()), "{ended}");
    for (node, attempt, ran) in [("n1", 1, 1), ("n2", 2, 2), ("n3", 1, 1)] {
        let entry = &ended["result"]["node"][node];
        assert_eq!((&entry["status"], &entry["attempt"]), (&"succeeded".into(), &attempt.into()), "{ended}");
        assert_eq!(nodes.place.count(node), ran, "{node}: {ended}");
        let file = entry["file"]["name"].as_str().unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), format!("{node}\n"), "{ended}");
    }
}
