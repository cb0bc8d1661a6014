//! Contract, section 10: nodes, strategies, heartbeats, the daemon that is a runner too, and `-id`.
//!
//! | sentence | test |
//! |---|---|
//! | `nodes: [names]`: one job with a child for each node; `result.node.NAME`; it succeeds when all did | `a_job_on_three_nodes_has_a_child_for_each` |
//! | files of every node land, by node | `files_of_every_node_land_by_node` |
//! | `tags: [names]` | `tags_choose_the_nodes` |
//! | `max_parallel` | `no_more_nodes_at_once_than_allowed` |
//! | `canary`, `stop_on_failure` | `a_failure_keeps_the_job_from_the_others` |
//! | `offline: fail, skip, wait` | `a_node_that_is_not_there` |
//! | heartbeats: state, since, version, running jobs, clock difference; `heraldd nodes`, `/v1/nodes` | `nodes_are_shown_and_node_state_tells_who_comes_and_goes` |
//! | a node that comes or goes activates `node_state` | the same |
//! | `runner` in the daemon's configuration; `-id` picks its own entry; any node can be asked | `one_file_serves_every_node_and_any_can_be_asked` |
//! | a request that a peer forwarded is run only here | the same |
//! | a daemon's restart in the middle of a job on many nodes | `a_restart_joins_the_job_on_every_node` |
//! | a daemon that is killed goes on from the record: nodes whose turn had not come, nodes that are waited for | [`restart`] |
//! | another attempt runs on the nodes that did not succeed (section 11) | [`restart`] |
//! | a drained node gets no new jobs (section 15) | [`drain`] |
//! | mistakes | `mistakes_are_found` |
//! | nodes with addresses of their own: killed, link cut, slow, two masters | [`network`] |

mod drain;
mod network;
mod restart;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::daemon::{DONE, Daemon};
use e2e::http::{Message, free_port, send};
use e2e::place::Place;
use e2e::runner::{Runner, SECRET};
use serde_json::{Value, json};

/// Three runners, and their section of a configuration.
struct Nodes {
    place: Place,
    runners: Vec<(Place, Runner)>,
}

impl Nodes {
    fn start() -> Self {
        let runners = (0..3).map(|_| {
            let place = Place::new();
            let runner = Runner::start(&place, "");
            (place, runner)
        });
        Self { place: Place::new(), runners: runners.collect() }
    }

    fn section(&self) -> String {
        let node = |(n, (_, runner)): (usize, &(Place, Runner))| {
            let tag = if n == 2 { "db" } else { "web" };
            format!(
                "  n{}: {{host: 'http://{}/', secret: {SECRET}, tags: [{tag}]}}\n",
                n + 1,
                runner.address()
            )
        };
        let nodes: String = self.runners.iter().enumerate().map(node).collect();
        format!("node:\n{nodes}")
    }

    /// A daemon whose trigger `manual` answers with the result of one job on these nodes.
    fn daemon(&self, executor: &str, job_param: &Value) -> Daemon {
        self.with(executor, job_param, "")
    }

    fn with(&self, executor: &str, job_param: &Value, more: &str) -> Daemon {
        let nodes = self.section();
        let config = format!(
            "trigger:
  manual: {{type: http, port: 0, respond: result, respond_timeout: 60s}}
executor:
  fleet: {{type: http_remote, data_dir: '@DIR@/data', {executor}}}
router:
  run: {{trigger: manual, selector: all, task: {{job: fleet}}, job_param: {job_param}}}
{DONE}
{nodes}
{more}"
        );
        Daemon::start(&self.place, &config)
    }
}

/// The one job of an event.
fn job(daemon: &Daemon, body: &Value) -> Value {
    let response = daemon.try_post(body);
    let answer = response.json();
    assert_eq!(answer["matched"], 1, "{answer}\n{}", daemon.log());
    answer["jobs"][0].clone()
}

fn sh(script: &str) -> Value {
    json!({"cmd": "sh", "arg": ["-c", script]})
}

/// What a script knows about its node.
const NODE: &str = "echo $(sed -n 's/.*\"node\": *\"\\([^\"]*\\)\".*/\\1/p' \"$HERALD_EXECUTE_PARAM_FILE\")";

#[test]
fn a_job_on_three_nodes_has_a_child_for_each() {
    let nodes = Nodes::start();
    let script = format!("{NODE}; echo \"fine\"");
    let daemon = nodes.daemon("nodes: [n1, n2, n3]", &sh(&script));
    let ended = job(&daemon, &json!({}));
    assert_eq!(ended["status"], "succeeded", "{ended}");
    for node in ["n1", "n2", "n3"] {
        let child = &ended["result"]["node"][node];
        assert_eq!(
            (&child["output"], &child["exit_code"]),
            (&json!(format!("{node}\nfine\n")), &json!(0)),
            "{ended}"
        );
        assert_eq!(child["status"], "succeeded");
    }
    drop(daemon);
    let script = format!("echo out; test \"$({NODE})\" != n2 || exit 3");
    let daemon = nodes.daemon("nodes: [n1, n2, n3]", &sh(&script));
    let ended = job(&daemon, &json!({}));
    assert_eq!(ended["status"], "failed", "{ended}");
    assert!(ended["error"].as_str().unwrap().contains("on 1 of 3 nodes: n2 (exit code 3)"), "{ended}");
    assert_eq!(ended["result"]["node"]["n2"]["exit_code"], 3);
    assert_eq!(ended["result"]["node"]["n3"]["output"], "out\n");
}

#[test]
fn files_of_every_node_land_by_node() {
    let nodes = Nodes::start();
    let script = format!("{NODE} >name.txt; echo '{{\"file\": {{\"name\": \"name.txt\"}}}}'");
    let daemon = nodes.daemon("nodes: [n1, n3]", &sh(&script));
    let ended = job(&daemon, &json!({}));
    let id = ended["job_id"].as_str().unwrap();
    for node in ["n1", "n3"] {
        assert_eq!(
            nodes.place.read(&format!("data/{id}/{node}/name/name.txt")).as_deref(),
            Some(&*format!("{node}\n")),
            "{ended}"
        );
        let path = ended["result"]["node"][node]["file"]["name"].as_str().unwrap();
        assert!(path.ends_with(&format!("/data/{id}/{node}/name/name.txt")), "{path}");
    }
}

#[test]
fn tags_choose_the_nodes() {
    let nodes = Nodes::start();
    for (executor, expected) in [
        ("tags: web", vec!["n1", "n2"]),
        ("tags: [db]", vec!["n3"]),
        ("tags: [db, web]", vec!["n1", "n2", "n3"]),
    ] {
        let daemon = nodes.daemon(executor, &sh("echo x"));
        let ended = job(&daemon, &json!({}));
        let asked: Vec<&String> = ended["result"]["node"].as_object().unwrap().keys().collect();
        assert_eq!(asked, expected, "{executor}");
    }
}

#[test]
fn no_more_nodes_at_once_than_allowed() {
    let nodes = Nodes::start();
    let busy = nodes.place.path("busy");
    std::fs::create_dir(&busy).unwrap();
    let busy = busy.display();
    let script = format!("me={busy}/$({NODE}); touch $me; sleep 0.4; ls {busy} | wc -l; sleep 0.4; rm $me");
    for (strategy, most) in
        [("", 3), (", strategy: {max_parallel: 2}", 2), (", strategy: {max_parallel: 1}", 1)]
    {
        let daemon = nodes.daemon(&format!("nodes: [n1, n2, n3]{strategy}"), &sh(&script));
        let ended = job(&daemon, &json!({}));
        let seen = ended["result"]["node"].as_object().unwrap().values();
        let seen: Vec<u32> =
            seen.map(|child| child["output"].as_str().unwrap().trim().parse().unwrap()).collect();
        assert_eq!(seen.iter().max(), Some(&most), "{strategy}: {ended}");
    }
}

#[test]
fn a_failure_keeps_the_job_from_the_others() {
    let nodes = Nodes::start();
    let script = format!("test \"$({NODE})\" != n1 || exit 4");
    for (strategy, n2, n3) in [
        ("{canary: 1}", "not_run", "not_run"),
        ("{canary: 2}", "succeeded", "not_run"),
        ("{max_parallel: 1, stop_on_failure: true}", "not_run", "not_run"),
        ("{max_parallel: 1}", "succeeded", "succeeded"),
    ] {
        let daemon = nodes.daemon(&format!("nodes: [n1, n2, n3], strategy: {strategy}"), &sh(&script));
        let ended = job(&daemon, &json!({}));
        let status = |node: &str| ended["result"]["node"][node]["status"].clone();
        assert_eq!(
            (status("n1"), status("n2"), status("n3")),
            (json!("failed"), json!(n2), json!(n3)),
            "{strategy}: {ended}"
        );
        assert_eq!(ended["status"], "failed");
    }
    // A canary that is well lets the others follow.
    let daemon = nodes.daemon("nodes: [n2, n3], strategy: {canary: 1}", &sh(&script));
    assert_eq!(job(&daemon, &json!({}))["status"], "succeeded");
}

#[test]
fn a_node_that_is_not_there() {
    let mut nodes = Nodes::start();
    let (place, gone) = nodes.runners.remove(1);
    let port = gone.address().port();
    drop(gone);
    let more = format!("  gone: {{host: 'http://127.0.0.1:{port}/', secret: {SECRET}}}\n");
    for (offline, status, child) in [("fail", "failed", "failed"), ("skip", "succeeded", "skipped")] {
        let daemon =
            nodes.with(&format!("nodes: [n1, gone], strategy: {{offline: {offline}}}"), &sh("echo x"), &more);
        let ended = job(&daemon, &json!({}));
        assert_eq!(
            (&ended["status"], &ended["result"]["node"]["gone"]["status"]),
            (&json!(status), &json!(child)),
            "{ended}"
        );
        assert!(ended["result"]["node"]["gone"]["error"].as_str().unwrap().contains("cannot be reached"));
        assert_eq!(ended["result"]["node"]["n1"]["output"], "x\n");
    }
    let daemon = nodes.with("nodes: [n1, gone], strategy: {offline: wait}", &sh("echo x"), &more);
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| job(&daemon, &json!({})));
        daemon.wait_for(&["node offline; the job waits for it"]);
        let config = format!("port: {port}\nwork_dir: '@DIR@/runner'\nsecret: {SECRET}\n");
        let _back = Runner::configured(&place, &config);
        waiting.join().unwrap()
    });
    assert_eq!(waiting["result"]["node"]["gone"]["output"], "x\n", "{waiting}");
}

#[test]
fn nodes_are_shown_and_node_state_tells_who_comes_and_goes() {
    let mut nodes = Nodes::start();
    let more = "heartbeat: 300ms\nstate_dir: '@DIR@/state'\n";
    let config_router = "
  states: {trigger: node_state, selector: all, task: {states: print}, job_param: {print_key: trigger_param}}
";
    let config = format!(
        "trigger: {{manual: {{type: http, port: 0}}}}
executor: {{fleet: {{type: http_remote, nodes: [n1, n2, n3], data_dir: '@DIR@/data'}}}}
router:
  run: {{trigger: manual, selector: all, task: {{job: fleet}}, job_param: {{cmd: sleep, arg: 5}}}}{config_router}
{}{more}",
        nodes.section()
    );
    let daemon = Daemon::start(&nodes.place, &config);
    let shown = |wanted: &dyn Fn(&Value) -> bool| {
        e2e::wait::until("the nodes", || {
            let ended =
                nodes.place.run("heraldd", &["nodes", "--json", "--socket", "@DIR@/state/heraldd.sock"]);
            let nodes: Value = serde_json::from_str(&ended.stdout).ok()?;
            wanted(&nodes).then_some(nodes)
        })
    };
    let all = shown(&|nodes| {
        nodes.as_array().is_some_and(|all| all.len() == 3 && all.iter().all(|n| n["state"] == "online"))
    });
    assert_eq!(
        (&all[0]["name"], &all[0]["version"], &all[0]["tags"]),
        (&json!("n1"), &json!(env!("CARGO_PKG_VERSION")), &json!(["web"]))
    );
    let clock = all[0]["clock_difference_ms"].as_i64().unwrap();
    assert!(clock.abs() < 1000, "{clock}");
    daemon.post(&json!({}));
    shown(&|nodes| nodes[2]["running"] == 1);
    let table = nodes.place.run("heraldd", &["nodes", "--socket", "@DIR@/state/heraldd.sock"]);
    assert!(table.stdout.starts_with("NODE") && table.stdout.contains("online"), "{table:?}");
    let (place, runner) = nodes.runners.pop().unwrap();
    let port = runner.address().port();
    runner.signal("KILL");
    drop(runner);
    let changed_to = |state: &str| {
        daemon.wait_pick(state, |line| {
            (line.contains("\"before\"") && line.contains("\"n3\"") && line.contains(&format!("\"{state}\"")))
                .then_some(())
        })
    };
    changed_to("offline");
    // A runner with another secret is there, and rejects the daemon.
    let config = |secret: &str| format!("port: {port}\nwork_dir: '@DIR@/runner'\nsecret: {secret}\n");
    let other = Runner::configured(&place, &config("another-secret-of-some-length"));
    changed_to("rejected");
    let table = nodes.place.run("heraldd", &["nodes", "--socket", "@DIR@/state/heraldd.sock"]);
    assert!(table.stdout.contains("rejected") && table.stdout.contains("secrets differ"), "{table:?}");
    other.signal("TERM");
    assert_eq!(other.wait_end(), Some(0));
    drop(other);
    let _back = Runner::configured(&place, &config(SECRET));
    changed_to("online");
}

/// A file for three nodes, as in seed 000: each has its `-id`, and each of them accepts requests.
#[test]
fn one_file_serves_every_node_and_any_can_be_asked() {
    let places = [Place::new(), Place::new(), Place::new()];
    let (runner_ports, hook_ports) =
        ([free_port(), free_port(), free_port()], [free_port(), free_port(), free_port()]);
    let config = |n: usize| {
        let node = |n: usize| {
            format!("  n{}: {{host: 'http://127.0.0.1:{}/', secret: {SECRET}}}\n", n + 1, runner_ports[n])
        };
        format!(
            "node:\n{}{}{}runner: {{work_dir: '@DIR@/work'}}
trigger:
  update: {{type: http, port: {}, path: /update, methods: [GET, POST], respond: result}}
executor:
  everywhere: {{type: http_remote, nodes: [n1, n2, n3], data_dir: '@DIR@/data'}}
router:
  update: {{trigger: update, selector: all, task: {{run: everywhere}}, job_param: {{cmd: sh, arg: [-c, 'echo \"$1\" >>@DIR@/ran; echo did $1', sh, '{{{{ trigger_param.tag }}}}']}}}}
state_dir: '@DIR@/state'
",
            node(0), node(1), node(2), hook_ports[n]
        )
    };
    let daemons: Vec<Daemon> = (0..3)
        .map(|n| {
            // `@DIR@` in the job is the folder of the node that was asked: one file for all of them.
            let file = places[n]
                .config_as("heraldd.yml", &config(n).replace("@DIR@/ran", &places[0].text_path("ran")));
            Daemon::run(places[n].bare("heraldd").args(["-id", &format!("n{}", n + 1), "-config"]).arg(file))
        })
        .collect();
    daemons.iter().for_each(|daemon| drop(daemon.wait_for(&["heraldd is ready"])));
    for (asked, port) in hook_ports.iter().enumerate() {
        let address = SocketAddr::from(([127, 0, 0, 1], *port));
        let all = send(address, &Message::request("GET", &format!("/update?tag=v{asked}"), &[], b""));
        let nodes = all.json()["jobs"][0]["result"]["node"].clone();
        for node in ["n1", "n2", "n3"] {
            assert_eq!(nodes[node]["output"], format!("did v{asked}\n"), "{all:?}\n{}", daemons[asked].log());
        }
        let here = send(address, &Message::request("GET", &format!("/update?tag=x{asked}&node=1"), &[], b""));
        let nodes = here.json()["jobs"][0]["result"]["node"].clone();
        assert_eq!(
            nodes.as_object().unwrap().keys().collect::<Vec<_>>(),
            [&format!("n{}", asked + 1)],
            "{here:?}"
        );
        let text =
            send(address, &Message::request("GET", "/update?tag=t", &[("Accept", "text/plain")], b"")).text();
        assert!(
            text.contains("== update/run on n1: succeeded\ndid t\n") && text.contains("on n3: succeeded"),
            "{text}"
        );
    }
    let ran = places[0].read("ran").unwrap();
    assert_eq!(ran.lines().filter(|line| *line == "v0").count(), 3, "{ran}");
    assert_eq!(ran.lines().filter(|line| *line == "x0").count(), 1, "{ran}");
    // A name that is not in the file.
    let file = places[0].config_as("other.yml", &config(0));
    let refused =
        e2e::program::run_to_end(places[0].bare("heraldd").args(["-id", "n9", "-config"]).arg(file));
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("there is no node \"n9\""), "{refused:?}");
}

#[test]
fn a_restart_joins_the_job_on_every_node() {
    let nodes = Nodes::start();
    let script = format!(
        "echo once >>{}/$({NODE}); sleep 2; echo done",
        nodes.place.text_path("").trim_end_matches('/')
    );
    let config = |respond: &str| {
        format!(
            "trigger: {{manual: {{type: http, port: 0{respond}}}}}
executor: {{fleet: {{type: http_remote, nodes: [n1, n2, n3], data_dir: '@DIR@/data'}}}}
router:
  run: {{trigger: manual, selector: all, task: {{job: fleet}}, job_param: {}}}
{DONE}
{}state_dir: '@DIR@/state'
",
            sh(&script),
            nodes.section()
        )
    };
    let daemon = Daemon::start(&nodes.place, &config(""));
    let event = daemon.post(&json!({}));
    e2e::wait::until("the job on all nodes", || {
        ["n1", "n2", "n3"].iter().all(|n| nodes.place.count(n) == 1).then_some(())
    });
    daemon.signal("KILL");
    drop(daemon);
    let daemon = Daemon::start(&nodes.place, &config(""));
    let ended = daemon.done(&event);
    assert_eq!(ended["success"], true, "{ended}");
    for node in ["n1", "n2", "n3"] {
        assert_eq!(ended["result"]["node"][node]["output"], "done\n", "{ended}");
        assert_eq!(nodes.place.count(node), 1, "it ran once");
    }
}

#[test]
fn mistakes_are_found() {
    let node = "node: {web1: {host: 'http://127.0.0.1:1/', secret: a-secret-that-is-long-enough, tags: web}}";
    for (config, says) in [
        (format!("{node}\nexecutor: {{f: {{type: http_remote, nodes: [wbe1]}}}}"), "did you mean \"web1\"?"),
        (
            format!("{node}\nexecutor: {{f: {{type: http_remote, tags: [db]}}}}"),
            "no node bears the tag \"db\"",
        ),
        (format!("{node}\nexecutor: {{f: {{type: http_remote}}}}"), "name where jobs run"),
        (
            format!("{node}\nexecutor: {{f: {{type: http_remote, nodes: web1, host: 'http://x/'}}}}"),
            "give one of them",
        ),
        (
            format!("{node}\nexecutor: {{f: {{type: http_remote, nodes: web1, strategy: {{canry: 1}}}}}}"),
            "did you mean `canary`?",
        ),
        ("node: {web1: {host: 'http://127.0.0.1:1/'}}".to_owned(), "`secret` of `node` is missing"),
        ("node: {web1: {host: 'http://127.0.0.1:1/', secret: short}}".to_owned(), "secret"),
        (
            "node: {'../x': {host: 'http://127.0.0.1:1/', secret: a-secret-that-is-long-enough}}".to_owned(),
            "cannot be called that",
        ),
        ("runner: {}".to_owned(), "the runner has no secret"),
        ("trigger: {node_state: {type: tick, interval: 1}}".to_owned(), "reserved"),
    ] {
        let ended = Place::new().check(&format!("{config}\n"));
        assert_eq!(ended.code, Some(2), "{config}: {ended:?}");
        assert!(ended.stderr.contains(says), "{config}: {ended:?}");
        assert!(ended.stderr.contains("config.yml:"), "{ended:?}");
    }
}

/// A mistake is reported at its place, and nowhere else, and no part of the message is masked.
#[test]
fn a_mistake_is_told_once() {
    let node = |host: &str, secret: &str| {
        format!("node: {{web1: {{host: '{host}', secret: {secret}, tags: web}}}}\n")
    };
    let (here, good) = ("http://127.0.0.1:1/", "a-secret-that-is-long-enough");
    let short = "`secret`: the secret is too short (5 bytes; at least 16 are needed); make one with `openssl rand -hex 32`";
    let executor = "executor: {e: {type: http_remote, tags: web}, f: {type: http_remote, nodes: web1}}\n";
    for (nodes, more, id, expected) in [
        (
            node(here, "'${env:NOPE}'"),
            executor,
            "web1",
            &["1:52: the environment variable NOPE is not set"][..],
        ),
        (
            node(here, "'${env:NOPE}'"),
            "runner: {}\n",
            "web1",
            &["1:52: the environment variable NOPE is not set"],
        ),
        (node(here, "short"), executor, "web1", &[&format!("1:52: {short}")]),
        (node(here, "short"), "runner: {}\n", "web1", &[&format!("1:52: {short}")]),
        (node(here, good), "runner: {secret: short}\n", "web1", &[&format!("2:18: {short}")]),
        (node("nope", good), executor, "web1", &["1:21: `host`: this is not a valid URL"]),
        (
            node(here, good),
            "runner: {}\n",
            "wbe1",
            &["1:7: -id wbe1: there is no node \"wbe1\" under `node`"],
        ),
    ] {
        let place = Place::new();
        let router = "trigger: {t: {type: tick, interval: 9}}\nrouter: {r: {trigger: t, selector: all, task: {k: none}}}\n";
        let file = place.config_as("config.yml", &format!("{nodes}{more}{router}"));
        let ended = e2e::program::run_to_end(place.bare("heraldd").args(["-id", id, "-config"]).arg(file));
        let problems = ended
            .stderr
            .lines()
            .filter_map(|line| line.split_once("config.yml:").map(|(_, problem)| problem));
        assert_eq!(problems.collect::<Vec<_>>(), expected, "{more}{ended:?}");
    }
}

/// The time that something took, for tests that compare.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}
