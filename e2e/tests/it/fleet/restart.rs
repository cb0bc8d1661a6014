//! The daemon is killed in the middle of a job on many nodes, and the next one continues it.

use e2e::daemon::{DONE, Daemon};
use e2e::runner::{Runner, SECRET};
use e2e::wait::until;
use serde_json::Value;

use super::{NODE, Nodes, sh};

/// A daemon with one job on these nodes, with this strategy. The job runs until there is a file `go`, and appends on
/// each node a line to a file with the node's name.
fn daemon(nodes: &Nodes, names: &str, strategy: &str, section: &str) -> Daemon {
    let folder = nodes.place.text_path("");
    let folder = folder.trim_end_matches('/');
    let script = format!(
        "me=$({NODE}); echo once >>{folder}/$me; until test -e {folder}/go; do sleep 0.05; done; echo done"
    );
    let config = format!(
        "trigger: {{manual: {{type: http, port: 0}}}}
executor: {{fleet: {{type: http_remote, nodes: [{names}], strategy: {strategy}, data_dir: '@DIR@/data'}}}}
router:
  run: {{trigger: manual, selector: all, task: {{job: fleet}}, job_param: {}}}
{DONE}
{section}state_dir: '@DIR@/state'
",
        sh(&script)
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
