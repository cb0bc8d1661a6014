//! Drained nodes: what runs there finishes, and what is new waits, over a restart, until somebody resumes them.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::daemon::Daemon;
use e2e::http::{Message, send};
use e2e::program::Ended;
use e2e::wait::{stays, until};
use serde_json::{Value, json};

use super::{NODE, Nodes, sh};

fn start(nodes: &Nodes) -> Daemon {
    let folder = nodes.place.text_path("");
    let script =
        sh(&format!("me=$({NODE}); echo once >>{folder}$me; until test -e {folder}go; do sleep 0.05; done"));
    let config = format!(
        "state_dir: '@DIR@/state'
api: {{port: 0}}
access: {{token: {{eye: {{secret: viewer-0123456789, role: viewer}}}}}}
heartbeat: 300ms
trigger: {{one: {{type: cron, cron: '@yearly'}}, all: {{type: cron, cron: '@yearly'}}}}
executor:
  first: {{type: http_remote, data_dir: '@DIR@/data', nodes: [n1]}}
  fleet:
    {{type: http_remote, data_dir: '@DIR@/data', nodes: [n1, n2, n3], strategy: {{max_parallel: 1, offline: wait}}}}
router:
  one: {{trigger: one, selector: all, task: {{job: first}}, job_param: {script}}}
  all: {{trigger: all, selector: all, task: {{job: fleet}}, job_param: {script}}}
{}",
        nodes.section()
    );
    let daemon = Daemon::start(&nodes.place, &config);
    daemon.wait_for(&["heraldd is ready"]);
    daemon
}

impl Nodes {
    fn cli(&self, arguments: &[&str]) -> Ended {
        self.place.run("heraldd", &[arguments, &["-c", &self.place.text_path("heraldd.yml")]].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.cli(&[arguments, &["--json"]].concat()).stdout).unwrap()
    }

    fn fire(&self, trigger: &str) {
        assert_eq!(self.cli(&["trigger", trigger]).code, Some(0));
    }

    fn says(&self, arguments: &[&str], code: i32, what: &str) {
        let ended = self.cli(arguments);
        assert!(ended.code == Some(code) && ended.text().contains(what), "{arguments:?}: {}", ended.text());
    }

    /// Of the newest job of each router.
    fn statuses(&self) -> [String; 2] {
        let jobs = self.json(&["jobs"]);
        ["one", "all"].map(|router| {
            let jobs = jobs["items"].as_array().unwrap().iter().find(|job| job["router"] == router);
            jobs.unwrap()["status"].as_str().unwrap().to_owned()
        })
    }

    /// Those of each node are listed with how they ended there.
    fn shows_last_jobs(&self) {
        for (node, routers) in [("n1", &["all", "one", "one"][..]), ("n2", &["all"])] {
            let shown = self.json(&["nodes", node]);
            let mut last: Vec<_> =
                shown["last_jobs"].as_array().unwrap().iter().map(|job| &job["router"]).collect();
            last.sort_by_key(|router| router.as_str());
            assert_eq!(last, routers, "{shown}");
            assert!(
                shown["last_jobs"].as_array().unwrap().iter().all(|job| job["here"] == "succeeded"),
                "{shown}"
            );
        }
    }

    fn ran(&self) -> [usize; 3] {
        ["n1", "n2", "n3"].map(|node| self.place.count(node))
    }
}

#[test]
fn a_drained_node_gets_nothing_new_over_a_restart_until_it_is_resumed() {
    let nodes = Nodes::start();
    let daemon = start(&nodes);
    nodes.fire("one");
    until("the first job", || (nodes.ran() == [1, 0, 0]).then_some(()));
    nodes.says(&["drain", "n1", "--reason", "a new kernel"], 0, "n1 is drained");
    for (arguments, code, what) in [
        (&["drain", "n11"][..], 4, "did you mean \"n1\"?"),
        (&["undrain", "x"], 4, "there is no node \"x\""),
        (&["undrain", "n2"], 0, "n2 was not drained"),
        (&["status"], 0, "node n1, "),
        (&["nodes"], 0, ", drained"),
        (&["nodes", "n1"], 0, "a new kernel"),
        (&["nodes", "n11"], 4, "did you mean \"n1\"?"),
    ] {
        nodes.says(arguments, code, what);
    }
    let n1 = nodes.json(&["nodes", "n1"]);
    assert_eq!((&n1["running_jobs"][0]["router"], &n1["last_jobs"]), (&json!("one"), &json!([])), "{n1}");
    assert_eq!(n1["executors"], json!(["first", "fleet"]), "{n1}");
    std::fs::write(nodes.place.path("go"), "").unwrap();
    until("the end of what runs", || {
        let jobs = nodes.json(&["jobs"]);
        (jobs["items"][0]["status"] == "succeeded").then_some(())
    });
    nodes.fire("one");
    nodes.fire("all");
    until("the other nodes", || (nodes.ran() == [1, 1, 1]).then_some(()));
    stays(Duration::from_millis(300), "the drained node gets nothing", || nodes.ran() == [1, 1, 1]);
    assert_eq!(nodes.statuses(), ["queued", "running"], "for this node alone it waits in the queue");
    daemon.signal("KILL");
    drop(daemon);
    let daemon = start(&nodes);
    stays(Duration::from_millis(300), "nor after a restart", || nodes.ran() == [1, 1, 1]);
    let drained = nodes.json(&["nodes"])[0]["drained"].clone();
    assert_eq!(
        (&drained["node"], &drained["by"]["reason"]),
        (&json!("n1"), &json!("a new kernel")),
        "{drained}"
    );
    let marker = "the control API listens on ";
    let api = daemon.wait_pick(marker, |line| line.split_once(marker)?.1.trim().parse::<SocketAddr>().ok());
    let ask = |method: &str, path: &str| {
        send(api, &Message::request(method, path, &[("Authorization", "Bearer viewer-0123456789")], b""))
    };
    assert!(ask("GET", "/metrics").text().contains("herald_node_drained{node=\"n1\"} 1"));
    assert_eq!(ask("POST", "/v1/nodes/n1/resume").status, 403, "a viewer");
    // A reload keeps it.
    assert_eq!(nodes.cli(&["reload"]).code, Some(0));
    stays(Duration::from_millis(300), "nor after a reload", || nodes.ran() == [1, 1, 1]);
    nodes.says(&["undrain", "n1"], 0, "n1 gets jobs again");
    until("what waited", || (nodes.ran() == [3, 1, 1]).then_some(()));
    until("both jobs", || (nodes.statuses() == ["succeeded", "succeeded"]).then_some(()));
    nodes.shows_last_jobs();
    nodes.says(&["nodes", "n1"], 0, "ID        STATUS     HERE       ROUTER");
    let audit = nodes.json(&["audit"]);
    let acts = audit["items"].as_array().unwrap().iter().filter_map(|entry| entry["act"].as_str());
    let acts: Vec<&str> = acts.filter(|act| act.ends_with("drain")).collect();
    assert_eq!(acts.len(), 4, "two, one for n2, and one refused: {audit}");
}
