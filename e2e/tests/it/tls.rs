//! Contract, section 10: TLS and mutual TLS, with real certificates. Clients of the daemon's listeners are curl.
//!
//! | sentence | test |
//! |---|---|
//! | tls: {cert, key, client_ca} on every listener: http trigger, API | `the_trigger_and_the_api_speak_https`, `triggers_on_one_port_have_the_same_tls`, `only_clients_with_a_certificate_come_in` |
//! | the same on the runner; tls: {ca, client_cert, client_key} on http_remote | `a_job_over_mutual_tls`, `who_is_not_who_it_should_be_gets_nothing` |
//! | the same on nodes, and on the runner that a daemon is itself | `nodes_and_the_own_runner_speak_tls` |
//! | what section 4 says of jobs that are given up holds over TLS | `a_job_that_is_given_up_ends_over_tls_too` |
//! | changed certificates are loaded without a restart | `a_listener_takes_up_changed_files`, `a_runner_and_its_daemon_take_up_changed_files`, `a_reload_changes_the_tls_of_the_api` |
//! | unencrypted HTTP to an address that is not loopback gets a warning at start | `in_the_clear_earns_a_warning` |
//! | validation is total (section 2) | `what_is_wrong_is_told_at_its_place` |

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::daemon::Daemon;
use e2e::place::Place;
use e2e::program::{Ended, alive, run_to_end};
use e2e::runner::{Runner, remote_config};
use e2e::wait::until;
use herald_net::tls::testing::{Authority, Validity};
use serde_json::{Value, json};

const TOKEN: &str = "correct-horse-battery";

/// A place with an authority in `ca.crt`, and `server` and `client` certificates of it.
struct Papers {
    place: Place,
    good: Authority,
    other: Authority,
}

impl Papers {
    fn new() -> Self {
        let papers =
            Self { place: Place::new(), good: Authority::new("Good"), other: Authority::new("Other") };
        papers.good.write(&papers.place.path("ca.crt"));
        papers.other.write(&papers.place.path("other-ca.crt"));
        papers.issue(&papers.good, "server", &["127.0.0.1", "localhost"], Validity::Good);
        papers.issue(&papers.good, "client", &["daemon"], Validity::Good);
        papers
    }

    fn issue(&self, authority: &Authority, name: &str, names: &[&str], validity: Validity) {
        authority.issue(&self.place.path(""), name, names, validity);
    }

    /// `tls` of a listener, as YAML in a line.
    fn listener(name: &str, more: &str) -> String {
        format!("tls: {{cert: '@DIR@/{name}.crt', key: '@DIR@/{name}.key'{more}}}")
    }

    /// `tls` of a client that presents this certificate.
    fn client(name: &str) -> String {
        format!(
            "tls: {{ca: '@DIR@/ca.crt', client_cert: '@DIR@/{name}.crt', client_key: '@DIR@/{name}.key'}}"
        )
    }

    fn runner(&self, tls: &str) -> Runner {
        Runner::start(&self.place, tls)
    }

    /// A daemon that speaks HTTPS to this runner.
    fn daemon(&self, runner: SocketAddr, tls: &str) -> Daemon {
        let job = json!({"cmd": "sh", "arg": ["-c", "echo ran >>@DIR@/ran; echo '{\"a\": 1}'"]});
        let config = remote_config(runner, tls, &job).replace("http://", "https://");
        Daemon::start(&self.place, &self.place.fill(&config))
    }

    /// Sends a request with curl, which trusts this authority.
    fn curl(&self, ca: &str, args: &[&str], url: &str) -> Ended {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "20", "--noproxy", "*", "--cacert"]).arg(self.place.path(ca));
        curl.current_dir(self.place.path("")).args(args).arg(url);
        run_to_end(&mut curl)
    }

    /// Posts an event with curl.
    fn post(&self, ca: &str, args: &[&str], address: SocketAddr) -> Ended {
        let post = ["-H", "Content-Type: application/json", "-d", "{}"];
        self.curl(ca, &[&post[..], args].concat(), &format!("https://{address}/"))
    }
}

fn assert_taken(ended: &Ended) {
    assert!(ended.code == Some(0) && ended.stdout.contains("event_id"), "{}", ended.text());
}

fn assert_refused(ended: &Ended, says: &str) {
    assert!(ended.code != Some(0) && ended.stderr.contains(says), "{says}: {}", ended.text());
}

/// A daemon that does nothing, with these lines below its `http` trigger, and further sections.
fn daemon_config(trigger: &str, more: &str) -> String {
    format!(
        "trigger:\n  manual:\n    type: http\n    port: 0\n    {trigger}\nrouter:\n  r: {{trigger: manual, selector: \
         all, task: {{t: none}}}}\n{more}\n"
    )
}

fn api_address(daemon: &Daemon) -> SocketAddr {
    let marker = "the control API listens on ";
    daemon.wait_pick(marker, |line| line.split_once(marker)?.1.split_whitespace().next()?.parse().ok())
}

fn api_config(tls: &str) -> String {
    daemon_config("host: 127.0.0.1", &format!("api:\n  port: 0\n  token: {TOKEN}\n  {tls}"))
}

#[test]
fn the_trigger_and_the_api_speak_https() {
    let papers = Papers::new();
    let tls = Papers::listener("server", "");
    let daemon = Daemon::start(
        &papers.place,
        &daemon_config(&tls, &format!("api:\n  port: 0\n  token: {TOKEN}\n  {tls}")),
    );
    let (trigger, api) = (daemon.address("manual"), api_address(&daemon));
    assert_taken(&papers.post("ca.crt", &[], trigger));
    assert_taken(&papers.post("ca.crt", &["--tls-max", "1.2"], trigger));
    assert_refused(&papers.post("ca.crt", &["--tls-max", "1.1"], trigger), "");
    assert_refused(&papers.post("other-ca.crt", &[], trigger), "");
    let jobs = format!("https://{api}/v1/jobs");
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let ended = papers.curl("ca.crt", &["-H", &bearer], &jobs);
    assert!(ended.stdout.contains("\"router\":\"r\""), "{}", ended.text());
    assert!(papers.curl("ca.crt", &[], &jobs).stdout.contains("Bearer TOKEN"));
    for address in [trigger, api] {
        assert_ne!(papers.curl("ca.crt", &[], &format!("http://{address}/")).code, Some(0));
    }
    assert!(!daemon.said("WARN"), "{}", daemon.log());
}

#[test]
fn triggers_on_one_port_have_the_same_tls() {
    let papers = Papers::new();
    papers.issue(&papers.good, "second", &["127.0.0.1"], Validity::Good);
    let port = e2e::http::free_port();
    let trigger = |name: &str, tls: &str| {
        format!("  {name}:\n    type: http\n    port: {port}\n    path: /{name}\n    {tls}\n")
    };
    let config = |other: &str| {
        let (one, two) = (trigger("one", &Papers::listener("server", "")), trigger("two", other));
        format!("trigger:\n{one}{two}router:\n  r: {{trigger: one, selector: all, task: {{t: none}}}}\n")
    };
    for other in ["", &Papers::listener("second", "")] {
        let ended = papers.place.refused("heraldd", &config(other));
        assert_eq!(ended.code, Some(2), "{}", ended.text());
        assert!(ended.stderr.contains("another `tls`; give both the same"), "{}", ended.text());
    }
    let daemon = Daemon::start(&papers.place, &config(&Papers::listener("server", "")));
    daemon.wait_for(&["is ready"]);
    for name in ["one", "two"] {
        let post = ["-H", "Content-Type: application/json", "-d", "{}"];
        assert_taken(&papers.curl("ca.crt", &post, &format!("https://127.0.0.1:{port}/{name}")));
    }
}

#[test]
fn only_clients_with_a_certificate_come_in() {
    let papers = Papers::new();
    papers.issue(&papers.other, "foreign", &["x"], Validity::Good);
    papers.issue(&papers.good, "expired", &["x"], Validity::Expired);
    let tls = Papers::listener("server", ", client_ca: '@DIR@/ca.crt'");
    let daemon = Daemon::start(&papers.place, &daemon_config(&tls, ""));
    let address = daemon.address("manual");
    let shows = |name: &str| {
        let (cert, key) = (format!("{name}.crt"), format!("{name}.key"));
        papers.post("ca.crt", &["--cert", &cert, "--key", &key], address)
    };
    assert_taken(&shows("client"));
    assert_refused(&papers.post("ca.crt", &[], address), "alert");
    assert_refused(&shows("foreign"), "alert");
    assert_refused(&shows("expired"), "alert");
}

#[test]
fn a_listener_takes_up_changed_files() {
    let papers = Papers::new();
    let daemon = Daemon::start(&papers.place, &daemon_config(&Papers::listener("server", ""), ""));
    let address = daemon.address("manual");
    assert_taken(&papers.post("ca.crt", &[], address));
    // A key that does not match yet changes nothing, and is reported once.
    let (cert, key) = papers.other.sign(&["127.0.0.1"], Validity::Good);
    papers.place.write("server.key", &key);
    until("a word on the key", || {
        assert_taken(&papers.post("ca.crt", &[], address));
        daemon.said("does not match the certificate").then_some(())
    });
    std::thread::sleep(Duration::from_millis(1100));
    assert_taken(&papers.post("ca.crt", &[], address));
    let lines = daemon.lines().iter().filter(|line| line.contains("does not match")).count();
    assert_eq!(lines, 1, "{}", daemon.log());
    papers.place.write("server.crt", &cert);
    until("the new pair", || (papers.post("other-ca.crt", &[], address).code == Some(0)).then_some(()));
    assert_refused(&papers.post("ca.crt", &[], address), "");
    assert!(daemon.said("changed files loaded"), "{}", daemon.log());
}

#[test]
fn a_reload_changes_the_tls_of_the_api() {
    let papers = Papers::new();
    papers.issue(&papers.other, "second", &["127.0.0.1"], Validity::Good);
    let daemon = Daemon::start(&papers.place, &api_config(""));
    let address = api_address(&daemon);
    let health = |ca: &str, scheme: &str| {
        let bearer = format!("Authorization: Bearer {TOKEN}");
        papers.curl(ca, &["-H", &bearer], &format!("{scheme}://{address}/healthz")).code == Some(0)
    };
    assert!(health("ca.crt", "http"));
    for (name, ca) in [("server", "ca.crt"), ("second", "other-ca.crt")] {
        papers.place.config_as("heraldd.yml", &api_config(&Papers::listener(name, "")));
        daemon.signal("HUP");
        until("the new TLS", || health(ca, "https").then_some(()));
        assert!(!health("ca.crt", "http"));
    }
    papers.place.config_as("heraldd.yml", &api_config(""));
    daemon.signal("HUP");
    until("none", || health("ca.crt", "http").then_some(()));
}

#[test]
fn a_job_over_mutual_tls() {
    let papers = Papers::new();
    let runner = papers.runner(&Papers::listener("server", ", client_ca: '@DIR@/ca.crt'"));
    runner.wait_for(&["listening on", "over TLS"]);
    papers.place.write("file.txt", "from the runner");
    let script = "echo '{\"file\": {\"f\": \"@DIR@/file.txt\"}}'";
    let job = json!({"cmd": "sh", "arg": ["-c", script]});
    let config = remote_config(runner.address(), &Papers::client("client"), &job);
    let config = papers.place.fill(&config.replace("http://", "https://"));
    let daemon = Daemon::start(&papers.place, &config);
    let ended = daemon.post_and_wait(&json!({}));
    assert_eq!(ended["success"], true, "{ended}");
    let file = ended["result"]["file"]["f"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "from the runner");
    for log in [daemon.log(), runner.log()] {
        assert!(!log.contains("WARN"), "{log}");
    }
}

#[test]
fn who_is_not_who_it_should_be_gets_nothing() {
    let papers = Papers::new();
    papers.issue(&papers.good, "expired", &["127.0.0.1"], Validity::Expired);
    papers.issue(&papers.good, "elsewhere", &["web1.example"], Validity::Good);
    papers.issue(&papers.other, "foreign", &["127.0.0.1"], Validity::Good);
    let mutual = |name: &str| Papers::listener(name, ", client_ca: '@DIR@/ca.crt'");
    let plain = String::new();
    let trusting = "tls: {ca: '@DIR@/ca.crt'}".to_owned();
    for (runner_tls, client_tls, says) in [
        (
            mutual("server"),
            trusting.clone(),
            "it wants a client certificate: give `tls: {client_cert, client_key}`",
        ),
        (
            mutual("server"),
            Papers::client("foreign"),
            "it refuses our client certificate, which is of an authority",
        ),
        (mutual("server"), Papers::client("expired"), "it refuses our client certificate as expired"),
        (mutual("foreign"), Papers::client("client"), "of an authority that is not trusted"),
        (mutual("expired"), Papers::client("client"), "its TLS certificate expired at 2001-01-01T00:00:00Z"),
        (mutual("elsewhere"), Papers::client("client"), "is for web1.example, not for 127.0.0.1"),
        // The machine does not know our authority.
        (
            mutual("server"),
            plain.clone(),
            "of an authority that is not trusted; name the authority's certificate in `tls: {ca}`",
        ),
        (plain.clone(), trusting, "it does not speak TLS: is its address http://"),
    ] {
        let runner = papers.runner(&runner_tls);
        let daemon = papers.daemon(runner.address(), &client_tls);
        let began = Instant::now();
        let ended = daemon.post_and_wait(&json!({}));
        let error = ended["error"].as_str().unwrap_or_default();
        assert_eq!(ended["success"], false, "{runner_tls} {client_tls}: {ended}");
        let at = format!("the runner https://{}/ cannot be reached: ", runner.address());
        assert!(error.starts_with(&at) && error.contains(says), "{runner_tls} {client_tls}: {error}");
        assert!(began.elapsed() < Duration::from_secs(10), "{error}");
        assert_eq!(papers.place.count("ran"), 0);
    }
}

#[test]
fn nodes_and_the_own_runner_speak_tls() {
    let papers = Papers::new();
    let port = e2e::http::free_port();
    let config = |client: &str| {
        format!(
            "node:\n  me: {{host: 'https://127.0.0.1:{port}/', secret: a-secret-that-is-long-enough, {client}}}
runner: {{work_dir: '@DIR@/runner', {}}}
heartbeat: 200ms
state_dir: '@DIR@/state'
trigger: {{manual: {{type: http, port: 0, respond: result}}}}
executor: {{fleet: {{type: http_remote, nodes: me, data_dir: '@DIR@/data'}}}}
router: {{r: {{trigger: manual, selector: all, task: {{t: fleet}}, job_param: {{cmd: echo, arg: hello}}}}}}
",
            Papers::listener("server", ", client_ca: '@DIR@/ca.crt'")
        )
    };
    let start = |client: &str| {
        let config = papers.place.config_as("heraldd.yml", &papers.place.fill(&config(client)));
        let daemon = Daemon::run(papers.place.bare("heraldd").args(["-id", "me", "-config"]).arg(config));
        daemon.wait_for(&["heraldd is ready"]);
        daemon
    };
    let state = |wanted: &str| {
        until(wanted, || {
            let shown =
                papers.place.run("heraldd", &["nodes", "--json", "--socket", "@DIR@/state/heraldd.sock"]);
            let nodes: Value = serde_json::from_str(&shown.stdout).ok()?;
            (nodes[0]["state"] == wanted).then(|| nodes[0].clone())
        })
    };
    let daemon = start(&Papers::client("client"));
    let answer = daemon.try_post(&json!({})).json();
    assert_eq!(answer["jobs"][0]["result"]["node"]["me"]["output"], "hello\n", "{answer}\n{}", daemon.log());
    state("online");
    drop(daemon);
    // Without a certificate nobody comes in: no heartbeat, no job.
    let daemon = start("tls: {ca: '@DIR@/ca.crt'}");
    let answer = daemon.try_post(&json!({})).json();
    assert_eq!(answer["jobs"][0]["status"], "failed", "{answer}");
    assert!(state("offline")["error"].is_string());
}

#[test]
fn a_job_that_is_given_up_ends_over_tls_too() {
    for (wire, allow) in [("", ""), ("wire: 1\n", "allow_v1: true\n")] {
        let papers = Papers::new();
        let runner = papers.runner(&format!("{allow}{}", Papers::listener("server", "")));
        let options = format!("{wire}timeout: 1s\ntls: {{ca: '@DIR@/ca.crt'}}");
        let job = json!({"cmd": "sh", "arg": ["-c", "echo $$ >@DIR@/pid; exec sleep 60"]});
        let config = remote_config(runner.address(), &options, &job).replace("http://", "https://");
        let daemon = Daemon::start(&papers.place, &papers.place.fill(&config));
        let ended = daemon.post_and_wait(&json!({}));
        assert_eq!(ended["success"], false, "{ended}");
        let pid: u32 = papers.place.wait_file("pid").trim().parse().unwrap();
        until("the end of the process", || (!alive(pid)).then_some(()));
    }
}

#[test]
fn a_runner_and_its_daemon_take_up_changed_files() {
    let papers = Papers::new();
    papers.issue(&papers.good, "client", &["daemon"], Validity::Expired);
    let runner = papers.runner(&Papers::listener("server", ", client_ca: '@DIR@/ca.crt'"));
    let daemon = papers.daemon(runner.address(), &Papers::client("client"));
    // Said at the start already.
    daemon.wait_for(&["client.crt holds a certificate that expired at 2001-01-01T00:00:00Z"]);
    let ran = || daemon.post_and_wait(&json!({}))["success"] == true;
    assert!(!ran());
    papers.issue(&papers.good, "client", &["daemon"], Validity::Good);
    until("the daemon's new certificate", || ran().then_some(()));
    // Another authority for all, the runner first.
    papers.issue(&papers.other, "server", &["127.0.0.1"], Validity::Good);
    until("the runner's new certificate", || (!ran()).then_some(()));
    papers.place.write("ca.crt", &format!("{}{}", papers.good.pem(), papers.other.pem()));
    until("the authorities that the daemon trusts", || ran().then_some(()));
    assert!(runner.said("changed files loaded"), "{}", runner.log());
}

#[test]
fn in_the_clear_earns_a_warning() {
    let place = Place::new();
    let host = "host: http://runner.example.com:8124/";
    let far =
        format!("executor:\n  far:\n    type: http_remote\n    secret: {}\n    {host}", e2e::runner::SECRET);
    let daemon = Daemon::start(&place, &daemon_config("host: 0.0.0.0", &far));
    daemon.wait_for(&["is ready"]);
    for (place, says) in [
        (
            "heraldd.yml:5:11: ",
            "other machines can connect to 0.0.0.0, and without `tls` requests are not encrypted",
        ),
        ("heraldd.yml:5:11: ", "without `auth` anybody there can fire this trigger"),
        ("heraldd.yml:12:11: ", "signed but not encrypted"),
    ] {
        let lines = daemon.lines().iter().filter(|line| line.contains(place) && line.contains(says)).count();
        assert_eq!(lines, 1, "{place}: {}", daemon.log());
    }
    let place = Place::new();
    let runner = Runner::start(&place, "host: 0.0.0.0\n");
    runner.wait_for(&["0.0.0.0", "signed but not encrypted"]);
    let place = Place::new();
    assert!(!Runner::start(&place, "host: 127.0.0.1\n").said("not encrypted"));
}

#[test]
fn what_is_wrong_is_told_at_its_place() {
    let papers = Papers::new();
    papers.issue(&papers.other, "foreign", &["x"], Validity::Good);
    let place = &papers.place;
    let refused = |program: &str, config: &str, says: &[&str]| {
        let ended = place.refused(program, config);
        assert_eq!(ended.code, Some(2), "{}", ended.text());
        for says in says {
            assert!(ended.stderr.contains(says), "{says}: {}", ended.text());
        }
    };
    for (tls, says) in [
        ("tls: {cert: '@DIR@/server.crt'}", &["config.yml:5:5: the option `key` of `tls` is missing"][..]),
        (
            "tls: {cert: a, key: b, clientca: c}",
            &["config.yml:5:28: unknown option `clientca` of `tls`", "did you mean `client_ca`?"],
        ),
        ("tls: {cert: 5, key: b}", &["config.yml:5:17: `cert`: expected a string"]),
        ("tls: yes", &["config.yml:5:10: `tls`: expected a map"]),
        ("tls: {key: '@DIR@/server.key', cert: /none}", &["/none: cannot be read: no such file"]),
        (
            "tls: {cert: '@DIR@/server.crt', key: '@DIR@/foreign.key'}",
            &["foreign.key: the key does not match"],
        ),
        ("tls: {cert: '@DIR@/server.key', key: '@DIR@/server.key'}", &["server.key: holds no certificate"]),
    ] {
        refused("heraldd", &daemon_config(tls, ""), says);
        refused("heraldd", &api_config(tls), &[says[0].split_once(": ").unwrap().1]);
        refused(
            "herald-runner",
            &format!("secret: {}\nport: 0\nwork_dir: '@DIR@/w'\n{tls}\n", e2e::runner::SECRET),
            &["config.yml:4:"],
        );
    }
    let executor = |tls: &str, scheme: &str| {
        let config = remote_config(SocketAddr::from(([127, 0, 0, 1], 1)), tls, &Value::Null);
        config.replace("http://", scheme).replace("job_param: null", "job_param: {cmd: x}")
    };
    for (tls, scheme, says) in [
        ("tls: {client_cert: '@DIR@/client.crt'}", "https://", "`client_cert`: its `client_key` is missing"),
        ("tls: {}", "https://", "`tls`: it names nothing"),
        ("tls: {ca: '@DIR@/ca.crt', key: x}", "https://", "unknown option `key` of `tls`"),
        ("tls: {ca: '@DIR@/client.key'}", "https://", "holds no certificate"),
        ("tls: {ca: '@DIR@/ca.crt'}", "http://", "`host`: it begins with http://, so `tls` has no effect"),
    ] {
        refused("heraldd", &executor(tls, scheme), &[says]);
    }
}
