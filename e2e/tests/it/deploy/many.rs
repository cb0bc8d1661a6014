//! Check 50: many nodes, each with a runner of its own. `bench -- --only deploy` measures it with 2,000 files.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use e2e::daemon::Daemon;
use e2e::http::{Message, free_port, send};
use e2e::place::Place;
use e2e::runner::{Runner, SECRET};
use e2e::wait::until_within;
use serde_json::Value;

use super::origin::{Kind, Origin, Tree, read_tree, tree};

const NODES: usize = 40;
const FILES: usize = 200;
/// Within what the page shows the end of it; a second where nothing else runs.
const LIVE: Duration = Duration::from_secs(5);
/// For 40 runners at work on a busy machine.
const LONG: Duration = Duration::from_secs(120);
/// What the daemon may need in a build for tests, in MiB.
const MEMORY: u64 = 256;

/// A daemon with a page, and `shop` on all nodes. Where its tree has a file `fail`, `after` fails on one of them.
struct ManyNodes {
    place: Place,
    origin: Origin,
    nodes: Vec<(Place, Runner)>,
    daemon: Daemon,
    page: SocketAddr,
}

fn name(n: usize) -> String {
    format!("n{n:02}")
}

impl ManyNodes {
    fn start() -> Self {
        let place = Place::in_memory();
        let origin = Origin::new(Kind::Git, &place);
        let nodes: Vec<(Place, Runner)> = (0..NODES)
            .map(|_| {
                let place = Place::in_memory();
                let runner = Runner::start(&place, "");
                (place, runner)
            })
            .collect();
        let page = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut config = format!(
            "state_dir: '@DIR@/state'\nheartbeat: 500ms\npage: {{port: {}}}\n\
             access: {{token: {{test: {{secret: {SECRET}, role: admin}}}}}}\nnode:\n",
            page.port()
        );
        for (n, (_, runner)) in nodes.iter().enumerate() {
            config.push_str(&format!(
                "  {}: {{host: 'http://{}/', secret: {SECRET}}}\n",
                name(n),
                runner.address()
            ));
        }
        let mut app = origin.options();
        app["mode"] = "releases".into();
        app["nodes"] = nodes
            .iter()
            .enumerate()
            .map(|(n, (place, _))| (name(n), serde_json::json!({"path": place.path("shop")})))
            .collect::<serde_json::Map<_, _>>()
            .into();
        app["strategy"] = serde_json::json!({"max_parallel": NODES});
        app["hooks"] = serde_json::json!({"after":
            {"cmd": "sh", "arg": ["-c", "test $HERALD_NODE != n20 || test $HERALD_ACTION = revert || test ! -e fail"]}});
        config.push_str(&format!("app:\n  shop: {app}\n"));
        let daemon = Daemon::start(&place, &config);
        daemon.wait_for(&["heraldd is ready"]);
        Self { place, origin, nodes, daemon, page }
    }

    fn get(&self, path: &str) -> String {
        let token = format!("Bearer {SECRET}");
        let host = self.page.to_string();
        let headers: &[(&str, &str)] = &[("Authorization", &token), ("Host", &host)];
        let answer = send(self.page, &Message::request("GET", path, headers, b""));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.text()
    }

    fn wait_online(&self) {
        until_within(LONG, "the nodes", || {
            let nodes: Value = serde_json::from_str(&self.get("/v1/nodes")).unwrap();
            let online = nodes.as_array().unwrap().iter().filter(|node| node["state"] == "online").count();
            (online == NODES).then_some(())
        });
    }

    fn live(&self, node: usize) -> PathBuf {
        self.nodes[node].0.path("shop/current")
    }

    /// `heraldd deploy shop --wait`: its exit code and the record.
    fn deploy(&self) -> (i32, Value) {
        let socket = ["--socket", "@DIR@/state/heraldd.sock", "--json", "--wait"];
        let ended = self.place.run("heraldd", &[&["deploy", "shop"], &socket[..]].concat());
        let record = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.text()));
        (ended.code.unwrap(), record)
    }

    /// The same, and meanwhile: how long after the last node had this text in `file-0` the page shows that all have
    /// this revision.
    fn deploy_and_look(&self, revision: &str, text: &str) -> (i32, Value, Duration) {
        let is_new = |n| fs::read_to_string(self.live(n).join("file-0")).is_ok_and(|found| found == text);
        std::thread::scope(|scope| {
            let deploying = scope.spawn(|| self.deploy());
            until_within(LONG, "the nodes to have it", || {
                (deploying.is_finished() || (0..NODES).all(is_new)).then_some(())
            });
            let switched = Instant::now();
            let shown = until_within(LONG, "the page to show it", || {
                let html = self.get("/apps/shop");
                let state = html.split("id=\"commits\"").next().unwrap();
                // Each node, and the application.
                let shown =
                    (state.matches("</span> in sync").count(), state.matches(&revision[..10]).count());
                (shown.0 == NODES && shown.1 > NODES).then(|| switched.elapsed())
            });
            let (code, record) = deploying.join().unwrap();
            (code, record, shown)
        })
    }
}

fn files(text: &str, more: &[(&str, &str)]) -> Tree {
    let names: Vec<String> = (0..FILES).map(|n| format!("file-{n}")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|name| (&**name, text)).collect();
    tree(&[&all, more].concat())
}

fn statuses(record: &Value, status: &str) -> usize {
    record["nodes"].as_object().unwrap().values().filter(|node| node["status"] == status).count()
}

/// Check 50, and what it is for: all nodes have the same files; one that fails takes all back; and the page shows it.
#[test]
fn forty_nodes_have_the_same_files_and_the_page_shows_it() {
    let site = ManyNodes::start();
    let first = files("first\n", &[]);
    let revision = site.origin.commit("first", &first);
    site.wait_online();
    let (code, record, shown) = site.deploy_and_look(&revision, "first\n");
    assert_eq!((code, statuses(&record, "succeeded")), (0, NODES), "{record}");
    for n in 0..NODES {
        assert_eq!(read_tree(&site.live(n)), first, "{}", name(n));
        let steps = record["nodes"][name(n)]["steps_ms"].as_object().unwrap();
        assert!(
            ["plan", "prepare", "switch", "verify"].iter().all(|step| steps.contains_key(*step)),
            "{record}"
        );
    }
    assert!(shown < LIVE, "the page shows it after {shown:?}");
    site.origin.commit("second", &files("second\n", &[("fail", "")]));
    let (code, record) = site.deploy();
    assert_eq!((code, &record["status"]), (1, &Value::from("reverted")), "{record}");
    assert_eq!(statuses(&record, "reverted"), NODES, "all had switched: {record}");
    for n in 0..NODES {
        assert_eq!(read_tree(&site.live(n)), first, "{} is back", name(n));
    }
    let peak = site.daemon.peak_mib();
    assert!(peak < MEMORY, "heraldd needed {peak} MiB");
}
