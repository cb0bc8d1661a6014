//! Nodes in network namespaces, each with an address of its own, so that links can be cut and slowed down. That takes
//! root; without, the tests say that they did not run.

use std::process::Command;

use e2e::daemon::{DONE, Daemon};
use e2e::place::Place;
use e2e::program::{Program, tool};
use e2e::runner::SECRET;
use serde_json::{Value, json};

use super::timed;

/// A bridge with a namespace for each node: 10.213.NET.1 is this side, 10.213.NET.2 and on are the nodes.
struct Net {
    net: u32,
    nodes: u32,
}

fn ip(arguments: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(arguments.split_whitespace());
    command
}

impl Net {
    /// `None` where it cannot be made.
    fn make(nodes: u32) -> Option<Self> {
        // A number of this process's own: tests run beside each other.
        let net = std::process::id() % 250;
        let made = Self { net, nodes };
        made.remove();
        let up = made.up();
        if up.is_none() {
            eprintln!("not run: network namespaces take root");
        }
        up.map(|()| made)
    }

    fn up(&self) -> Option<()> {
        let net = self.net;
        let run = |text: String| ip(&text).status().ok().filter(std::process::ExitStatus::success).map(drop);
        run(format!("link add hb{net} type bridge"))?;
        run(format!("addr add 10.213.{net}.1/24 dev hb{net}"))?;
        run(format!("link set hb{net} up"))?;
        for node in 2..self.nodes + 2 {
            run(format!("netns add hn{net}-{node}"))?;
            run(format!("link add hv{net}-{node} type veth peer name eth0 netns hn{net}-{node}"))?;
            run(format!("link set hv{net}-{node} master hb{net} up"))?;
            run(format!("netns exec hn{net}-{node} ip addr add 10.213.{net}.{node}/24 dev eth0"))?;
            run(format!("netns exec hn{net}-{node} ip link set eth0 up"))?;
            run(format!("netns exec hn{net}-{node} ip link set lo up"))?;
        }
        Some(())
    }

    fn remove(&self) {
        let net = self.net;
        for node in 2..self.nodes + 2 {
            let _ = ip(&format!("netns del hn{net}-{node}")).output();
        }
        let _ = ip(&format!("link del hb{net}")).output();
    }

    /// Lets the link of a node go down or up.
    fn link(&self, node: u32, state: &str) {
        tool(&mut ip(&format!("link set hv{}-{node} {state}", self.net)));
    }

    fn address(&self, node: u32) -> String {
        format!("10.213.{}.{node}", self.net)
    }

    /// A runner on this node.
    fn runner(&self, place: &Place, node: u32) -> Program {
        let config = format!("host: {}\nwork_dir: '@DIR@/runner'\nsecret: {SECRET}\n", self.address(node));
        let config = place.config_as("herald-runner.yml", &config);
        let mut command = ip("");
        e2e::program::clean(&mut command, &place.path(""));
        command.args(["netns", "exec", &format!("hn{}-{node}", self.net)]);
        command.arg(e2e::program::built("herald-runner")).arg("-config").arg(config);
        let runner = Program::start(&mut command);
        runner.wait_for(&["listening on"]);
        runner
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.remove();
    }
}

fn config(net: &Net, more: &str, script: &str) -> String {
    let node =
        |n: u32| format!("  n{}: {{host: 'http://{}:8124/', secret: {SECRET}}}\n", n - 1, net.address(n));
    let nodes: String = (2..5).map(node).collect();
    let job_param = json!({"cmd": "sh", "arg": ["-c", script]});
    format!(
        "trigger: {{manual: {{type: http, port: 0, respond: result, respond_timeout: 60s}}}}
executor: {{fleet: {{type: http_remote, nodes: [n1, n2, n3], data_dir: '@DIR@/data', connect_timeout: 2s, {more}}}}}
router:
  run: {{trigger: manual, selector: all, task: {{job: fleet}}, job_param: {job_param}}}
{DONE}
node:
{nodes}state_dir: '@DIR@/state'
"
    )
}

fn job(daemon: &Daemon) -> Value {
    daemon.try_post(&json!({})).json()["jobs"][0].clone()
}

/// One test, since the namespaces take a while to make.
#[test]
fn nodes_with_addresses_of_their_own() {
    let Some(net) = Net::make(3) else { return };
    let places: Vec<Place> = (0..3).map(|_| Place::new()).collect();
    let mut runners: Vec<Program> = (2..5).map(|node| net.runner(&places[node as usize - 2], node)).collect();
    let place = Place::new();
    let mark = place.text_path("ran");
    let daemon =
        Daemon::start(&place, &config(&net, "rejoin: 20s", &format!("echo x >>{mark}; sleep 1; echo done")));

    // All is well: as long as the slowest.
    let (ended, took) = timed(|| job(&daemon));
    assert_eq!(ended["status"], "succeeded", "{ended}\n{}", daemon.log());
    assert!(took.as_secs_f32() < 3.0, "{took:?}");
    assert_eq!(place.count("ran"), 3);

    // The link of a node is cut in the middle of the job, and comes back: the job is joined again and runs once.
    let ended = std::thread::scope(|scope| {
        let running = scope.spawn(|| job(&daemon));
        e2e::wait::until("the job on all nodes", || (place.count("ran") == 6).then_some(()));
        net.link(3, "down");
        std::thread::sleep(std::time::Duration::from_secs(3));
        net.link(3, "up");
        running.join().unwrap()
    });
    assert_eq!(ended["status"], "succeeded", "{ended}\n{}", daemon.log());
    assert_eq!(place.count("ran"), 6, "it ran once on each");

    // A node is killed in the middle of the job: it is lost there, and the others are well.
    let ended = std::thread::scope(|scope| {
        let running = scope.spawn(|| job(&daemon));
        e2e::wait::until("the job on all nodes", || (place.count("ran") == 9).then_some(()));
        runners[1].signal("KILL");
        runners[1] = net.runner(&places[1], 3);
        running.join().unwrap()
    });
    let status = |node: &str| ended["result"]["node"][node]["status"].clone();
    assert_eq!(
        (status("n1"), status("n2"), status("n3")),
        (json!("succeeded"), json!("lost"), json!("succeeded")),
        "{ended}"
    );
    assert_eq!(ended["status"], "lost");

    // A slow node delays its own child alone: the others have ended long before.
    let before = place.count("ran");
    let (ended, took) = timed(|| {
        std::thread::scope(|scope| {
            let running = scope.spawn(|| job(&daemon));
            e2e::wait::until("the job on all nodes", || (place.count("ran") == before + 3).then_some(()));
            runners[1].signal("STOP");
            std::thread::sleep(std::time::Duration::from_secs(3));
            let log = place.run(
                "heraldd",
                &["jobs", "--status", "running", "--json", "--socket", "@DIR@/state/heraldd.sock"],
            );
            let jobs: Value = serde_json::from_str(&log.stdout).unwrap();
            let id = jobs["items"][0]["id"].as_str().expect("a running job").to_owned();
            let written = place.run("heraldd", &["logs", &id, "--socket", "@DIR@/state/heraldd.sock"]).stdout;
            assert!(
                written.contains("[n1] done")
                    && written.contains("[n3] done")
                    && !written.contains("[n2] done"),
                "{written}"
            );
            runners[1].signal("CONT");
            running.join().unwrap()
        })
    });
    assert_eq!(ended["status"], "succeeded", "{ended}\n{}", daemon.log());
    assert!(took.as_secs_f32() < 12.0, "{took:?}");

    // Two masters at once share the nodes.
    let second = Place::new();
    let other = Daemon::start(
        &second,
        &config(&net, "rejoin: 20s", &format!("echo y >>{mark}.2; sleep 1; echo second")),
    );
    let (both, took) = timed(|| {
        std::thread::scope(|scope| {
            let (one, two) = (scope.spawn(|| job(&daemon)), scope.spawn(|| job(&other)));
            (one.join().unwrap(), two.join().unwrap())
        })
    });
    assert_eq!(
        (&both.0["status"], &both.1["status"]),
        (&json!("succeeded"), &json!("succeeded")),
        "{both:?}"
    );
    assert_eq!(both.1["result"]["node"]["n2"]["output"], "second\n");
    assert!(took.as_secs_f32() < 4.0, "{took:?}");
    drop(runners);
}
