//! A daemon and three runners, and an application `shop` on them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread::scope;
use std::time::Duration;

use e2e::daemon::Daemon;
use e2e::http::{Message, Response, free_port, send_unix};
use e2e::place::Place;
use e2e::program::Ended;
use e2e::runner::{Runner, SECRET};
use e2e::wait::until_within;
use serde_json::{Value, json};

use super::origin::{KINDS, Kind, Origin, Tree, read_tree};

pub const MODES: [&str; 3] = ["in_place", "releases", "exchange"];
pub const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// For deployments, on a busy machine.
pub const LONG: Duration = Duration::from_secs(40);
/// How many sites of a test are there at once.
const AT_ONCE: usize = 2;

/// A kind of repository and a mode.
pub type Case = (Kind, &'static str);

/// For what happens in the fleet: each kind and each mode, but not each with each. `HERALD_E2E_ALL` is all of them.
pub const SOME: [Case; 3] = [(Kind::Svn, "in_place"), (Kind::Git, "releases"), (Kind::Git, "exchange")];
/// The same, with the others.
pub const OTHERS: [Case; 3] = [(Kind::Git, "in_place"), (Kind::Svn, "releases"), (Kind::Svn, "exchange")];

/// Runs a test with every kind of repository and each of these modes.
pub fn check(modes: &[&'static str], test: impl Fn(Kind, &'static str) + Sync) {
    let all: Vec<Case> = modes.iter().flat_map(|mode| KINDS.map(|kind| (kind, *mode))).collect();
    check_all(&all, test);
}

/// Runs a test with these; with all where that is asked for.
pub fn check_some(some: &[Case], test: impl Fn(Kind, &'static str) + Sync) {
    match std::env::var_os("HERALD_E2E_ALL") {
        Some(_) => check(&MODES, test),
        None => check_all(some, test),
    }
}

/// Several at once, because most of the time is waiting.
pub fn check_all(cases: &[Case], test: impl Fn(Kind, &'static str) + Sync) {
    let next = std::sync::Mutex::new(cases.iter());
    let test = &test;
    let work = || {
        let mut failed = Vec::new();
        while let Some(&(kind, mode)) = { next.lock().unwrap().next() } {
            let one = std::panic::AssertUnwindSafe(|| test(kind, mode));
            failed.extend(std::panic::catch_unwind(one).err().map(|_| format!("{kind:?} {mode}")));
        }
        failed
    };
    let failed: Vec<String> = scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "failed with {failed:?}; the panics are above");
}

/// A hook that runs a shell script.
pub fn hook(script: &str) -> Value {
    json!({"cmd": "sh", "arg": ["-c", script]})
}

/// A node's machine.
pub struct Machine {
    pub place: Place,
    port: u16,
    pub runner: Option<Runner>,
}

impl Machine {
    pub fn start(&mut self) {
        let config = format!("port: {}\nsecret: {SECRET}\nwork_dir: '@DIR@/runner'\n", self.port);
        self.runner = Some(Runner::configured(&self.place, &config));
    }

    /// Ends its runner.
    pub fn stop(&mut self) {
        let runner = self.runner.take().unwrap();
        runner.signal("KILL");
        let _ = runner.wait_end();
    }
}

/// All of it.
pub struct Site {
    pub mode: &'static str,
    pub place: Place,
    pub machines: Vec<Machine>,
    pub origin: Origin,
    pub daemon: Option<Daemon>,
    pub config: String,
}

impl Site {
    /// With these options of `shop`, over those that every test has.
    pub fn new(kind: Kind, mode: &'static str, options: Value) -> Self {
        Self::with(kind, mode, options, "")
    }

    /// With further sections.
    pub fn with(kind: Kind, mode: &'static str, options: Value, more: &str) -> Self {
        let mut site = Self::prepared(kind, mode);
        site.configure(options, more);
        site
    }

    /// Without a daemon.
    pub fn prepared(kind: Kind, mode: &'static str) -> Self {
        let place = Place::in_memory();
        let origin = Origin::new(kind, &place);
        let machines = NODES.map(|_| {
            let mut machine = Machine { place: Place::in_memory(), port: free_port(), runner: None };
            fs::create_dir(machine.place.path("www")).unwrap();
            machine.start();
            machine
        });
        let machines = machines.into_iter().collect();
        Self { mode, place, machines, origin, daemon: None, config: String::new() }
    }

    /// (Re)starts the daemon with these options of `shop`; null takes one away.
    pub fn configure(&mut self, options: Value, more: &str) {
        drop(self.daemon.take());
        self.config = self.written(options, more);
        self.start();
    }

    pub fn start(&mut self) {
        let daemon = Daemon::start(&self.place, &self.config);
        daemon.wait_for(&["heraldd is ready"]);
        self.daemon = Some(daemon);
        self.wait_online(
            &NODES
                .iter()
                .enumerate()
                .filter(|(n, _)| self.machines[*n].runner.is_some())
                .map(|(_, name)| *name)
                .collect::<Vec<_>>(),
        );
    }

    fn wait_online(&self, names: &[&str]) {
        until_within(LONG, "the nodes", || {
            let nodes: Value = serde_json::from_str(&self.cli(&["nodes", "--json"]).stdout).ok()?;
            let is_online = |name: &&str| {
                nodes.as_array().is_some_and(|all| {
                    all.iter().any(|node| node["name"] == **name && node["state"] == "online")
                })
            };
            names.iter().all(is_online).then_some(())
        });
    }

    /// A configuration with these options of `shop`.
    pub fn written(&self, options: Value, more: &str) -> String {
        let mut app = self.origin.options();
        let node = |(n, name): (usize, &&str)| json!({*name: {"path": self.path(n)}});
        let nodes: Vec<Value> = NODES.iter().enumerate().map(node).collect();
        let all = json!({"mode": self.mode, "nodes": nodes, "timeout": "60s"});
        for given in [all, options] {
            for (key, value) in given.as_object().unwrap() {
                app[key] = value.clone();
            }
        }
        app.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let node = |(n, name): (usize, &&str)| {
            format!("  {name}: {{host: 'http://127.0.0.1:{}/', secret: {SECRET}}}\n", self.machines[n].port)
        };
        let nodes: String = NODES.iter().enumerate().map(node).collect();
        format!("node:\n{nodes}\napp:\n  shop: {app}\nheartbeat: 300ms\nstate_dir: '@DIR@/state'\n{more}\n")
    }

    /// Where `shop` is on a node.
    pub fn path(&self, node: usize) -> PathBuf {
        self.machines[node].place.path("www/shop")
    }

    /// Where it is served from.
    pub fn served(&self, node: usize) -> PathBuf {
        match self.mode {
            "releases" => self.path(node).join("current"),
            _ => self.path(node),
        }
    }

    /// What is live on a node.
    pub fn live(&self, node: usize) -> Tree {
        read_tree(&self.served(node))
    }

    /// What is recorded beside the tree of a node.
    pub fn side(&self, node: usize) -> PathBuf {
        self.machines[node].place.path("www/shop.herald")
    }

    /// The text of a file on each node.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let text = |node| fs::read_to_string(self.served(node).join(name)).unwrap_or_else(|_| "-".to_owned());
        (0..NODES.len()).map(text).collect()
    }

    pub fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    /// A command of `heraldd`.
    pub fn cli(&self, args: &[&str]) -> Ended {
        self.with_options(&[], args)
    }

    /// The same with `--json`, as its exit code and what it wrote.
    pub fn json(&self, args: &[&str]) -> (i32, Value) {
        let ended = self.with_options(&["--json"], args);
        let said = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| Value::String(ended.text()));
        (ended.code.unwrap(), said)
    }

    /// Options come before what might be after `--`.
    fn with_options(&self, options: &[&str], args: &[&str]) -> Ended {
        let (command, rest) = args.split_at(1);
        let socket = ["--socket", "@DIR@/state/heraldd.sock"];
        self.place.run("heraldd", &[command, &socket, options, rest].concat())
    }

    /// `heraldd deploy shop ARGS --wait`: its exit code and the record.
    pub fn deploy(&self, args: &[&str]) -> (i32, Value) {
        self.json(&[&["deploy", "shop", "--wait"], args].concat())
    }

    pub fn rollback(&self, args: &[&str]) -> (i32, Value) {
        self.json(&[&["rollback", "shop", "--wait"], args].concat())
    }

    /// One that must succeed, on every node that is there.
    pub fn must_deploy(&self, args: &[&str]) -> Value {
        let (code, record) = self.deploy(args);
        assert_eq!((code, &record["status"]), (0, &json!("succeeded")), "{record}\n{}", self.log());
        record
    }

    /// Commits these files, deploys them, and returns the revision.
    pub fn release(&self, entries: &Tree) -> String {
        let revision = self.origin.commit("a release", entries);
        self.must_deploy(&[]);
        revision
    }

    /// A request to the API over the socket.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        let bytes = body.map(Value::to_string).unwrap_or_default();
        let headers: &[(&str, &str)] = match body {
            Some(_) => &[("Content-Type", "application/json")],
            None => &[],
        };
        let request = Message::request(method, path, headers, bytes.as_bytes());
        send_unix(&self.place.path("state/heraldd.sock"), &request)
    }

    /// What the API says of `shop`.
    pub fn app(&self) -> Value {
        self.api("GET", "/v1/apps/shop", None).json()
    }

    /// The same, once the nodes were asked.
    pub fn refreshed(&self) -> Value {
        self.api("GET", "/v1/apps/shop?refresh=true", None).json()
    }

    /// The newest first.
    pub fn deployments(&self) -> Vec<Value> {
        let page = self.api("GET", "/v1/apps/shop/deployments?limit=200", None).json();
        page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
    }

    /// The newest deployment, once there are so many.
    pub fn wait_deployments(&self, count: usize) -> Value {
        until_within(LONG, "a deployment", || {
            let all = self.deployments();
            (all.len() >= count).then(|| all[0].clone())
        })
    }

    pub fn log(&self) -> String {
        let runners: String = self
            .machines
            .iter()
            .filter_map(|machine| Some(machine.runner.as_ref()?.log()))
            .collect::<Vec<_>>()
            .join("\n");
        format!("{}\n{runners}", self.daemon.as_ref().map(|daemon| daemon.log()).unwrap_or_default())
    }

    /// Everything that must not change on a node: all paths below its `www`, with their inodes and times.
    pub fn stamps(&self, node: usize) -> Vec<(PathBuf, u64, i64, i64)> {
        stamps(&self.machines[node].place.path("www/shop"))
    }

    /// The status of each node in a record.
    pub fn statuses(record: &Value) -> Vec<&str> {
        NODES.iter().map(|node| record["nodes"][node]["status"].as_str().unwrap_or("-")).collect()
    }
}

/// All paths below a folder, with their inodes and times.
pub fn stamps(root: &Path) -> Vec<(PathBuf, u64, i64, i64)> {
    let mut found = Vec::new();
    let mut paths = vec![root.to_owned()];
    while let Some(path) = paths.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
        }
        // A tree beside the live one comes and goes.
        if !path.ends_with("shop/releases") {
            found.push((path, meta.ino(), meta.mtime(), meta.mtime_nsec()));
        }
    }
    found.sort();
    found
}

impl Drop for Site {
    /// All end at the same time.
    fn drop(&mut self) {
        let runners = self.machines.iter().filter_map(|machine| machine.runner.as_deref());
        let running = runners.chain(self.daemon.as_deref()).filter(|program| program.ended().is_none());
        running.for_each(|program| program.signal("TERM"));
    }
}
