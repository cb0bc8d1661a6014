//! Nodes in network namespaces, each with an address of its own, so that links can be cut and slowed down. That takes
//! root; without, the tests say that they did not run.

use std::process::Command;
use std::time::Duration;

use e2e::daemon::{DONE, Daemon};
use e2e::http::post_json;
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

/// Three nodes and a daemon whose job takes a second on each and leaves a line in `ran`.
struct Rig {
    net: Net,
    places: Vec<Place>,
    runners: Vec<Program>,
    place: Place,
    daemon: Daemon,
}

impl Rig {
    fn make() -> Option<Self> {
        let net = Net::make(3)?;
        let places: Vec<Place> = (0..3).map(|_| Place::new()).collect();
        let runners = (2..5).map(|node| net.runner(&places[node as usize - 2], node)).collect();
        let place = Place::new();
        let script = format!("echo x >>{}; sleep 1; echo done", place.text_path("ran"));
        let daemon = Daemon::start(&place, &config(&net, "rejoin: 20s", &script));
        Some(Self { net, places, runners, place, daemon })
    }

    /// Runs the job, and does this once it runs on all nodes.
    fn meanwhile(&mut self, act: impl FnOnce(&mut Self)) -> Value {
        let wanted = self.place.count("ran") + 3;
        let address = self.daemon.address("manual");
        let running = std::thread::spawn(move || post_json(address, b"{}").json()["jobs"][0].clone());
        e2e::wait::until("the job on all nodes", || (self.place.count("ran") == wanted).then_some(()));
        act(self);
        let ended = running.join().unwrap();
        assert_eq!(self.place.count("ran"), wanted, "it ran once on each");
        ended
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let socket = ["--socket", "@DIR@/state/heraldd.sock"];
        self.place.run("heraldd", &[arguments, &socket].concat()).stdout
    }
}

fn status(ended: &Value, node: &str) -> Value {
    ended["result"]["node"][node]["status"].clone()
}

/// One test, since the namespaces take a while to make.
#[test]
fn nodes_with_addresses_of_their_own() {
    let Some(mut rig) = Rig::make() else { return };
    all_is_well(&mut rig);
    a_link_is_cut_and_comes_back(&mut rig);
    a_node_is_killed(&mut rig);
    a_node_is_slow(&mut rig);
    two_masters_at_once(&rig);
}

fn all_is_well(rig: &mut Rig) {
    let (ended, took) = timed(|| rig.meanwhile(|_| {}));
    assert_eq!(ended["status"], "succeeded", "{ended}\n{}", rig.daemon.log());
    assert!(took.as_secs_f32() < 3.0, "as long as the slowest: {took:?}");
}

/// In the middle of the job: it is joined again, and runs once.
fn a_link_is_cut_and_comes_back(rig: &mut Rig) {
    let ended = rig.meanwhile(|rig| {
        rig.net.link(3, "down");
        std::thread::sleep(Duration::from_secs(3));
        rig.net.link(3, "up");
    });
    assert_eq!(ended["status"], "succeeded", "{ended}\n{}", rig.daemon.log());
}

/// In the middle of the job: it is lost there, and the others are well.
fn a_node_is_killed(rig: &mut Rig) {
    let ended = rig.meanwhile(|rig| {
        rig.runners[1].signal("KILL");
        rig.runners[1] = rig.net.runner(&rig.places[1], 3);
    });
    let all = ["n1", "n2", "n3"].map(|node| status(&ended, node));
    assert_eq!(all, [json!("succeeded"), json!("lost"), json!("succeeded")], "{ended}");
    assert_eq!(ended["status"], "lost");
}

/// It delays only its own request: the others have finished long before.
fn a_node_is_slow(rig: &mut Rig) {
    let ended = rig.meanwhile(|rig| {
        rig.runners[1].signal("STOP");
        std::thread::sleep(Duration::from_secs(3));
        let jobs: Value = serde_json::from_str(&rig.ask(&["jobs", "--status", "running", "--json"])).unwrap();
        let written = rig.ask(&["logs", jobs["items"][0]["id"].as_str().expect("a running job")]);
        assert!(written.contains("[n1] done") && written.contains("[n3] done"), "{written}");
        assert!(!written.contains("[n2] done"), "{written}");
        rig.runners[1].signal("CONT");
    });
    assert_eq!(ended["status"], "succeeded", "{ended}\n{}", rig.daemon.log());
}

fn two_masters_at_once(rig: &Rig) {
    let second = Place::new();
    let other = Daemon::start(&second, &config(&rig.net, "rejoin: 20s", "sleep 1; echo second"));
    let (both, took) = timed(|| {
        std::thread::scope(|scope| {
            let (one, two) = (scope.spawn(|| job(&rig.daemon)), scope.spawn(|| job(&other)));
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
}
