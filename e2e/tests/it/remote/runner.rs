//! Contract, section 4: herald-runner as a program.
//!
//! | sentence | test |
//! |---|---|
//! | herald-runner -config config.yml: log_level, log_output, host, port, unix_socket, secret, work_dir | `the_configuration_of_the_runner`, `a_unix_socket` |
//! | A missing, empty or short (< 16 bytes) secret is refused at start | `a_missing_empty_or_short_secret_is_refused` |
//! | (its configuration is validated as totally as the daemon's) | `mistakes_in_its_configuration_are_found` |
//! | Exit codes, signals, arguments of section 6 | `arguments_exit_codes_and_signals` |
//! | No name, filename or id can lead outside | `no_id_leads_outside_of_the_work_dir` |

use e2e::http::{send, send_unix};
use e2e::place::Place;
use e2e::program::run_to_end;
use e2e::runner::{Runner, SECRET};
use e2e::sign::v1_request;
use e2e::wait::until;
use serde_json::json;

#[test]
fn the_configuration_of_the_runner() {
    let place = Place::new();
    let port = e2e::http::free_port();
    let config = format!(
        "log_level: INFO\nlog_output: '@DIR@/runner.log'\nhost: 127.0.0.1\nport: {port}\nsecret: {SECRET}\nwork_dir: '@DIR@/w'\nallow_v1: true\n"
    );
    let runner = place.start("herald-runner", &config);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    until("the log file", || {
        place.read("runner.log").filter(|text| text.contains(&format!("listening on {address}")))
    });
    let body =
        json!({"id": "1", "job_id": "1", "job_param": {"cmd": "pwd"}, "trigger_param": {}}).to_string();
    let answer = send(address, &v1_request(SECRET, body.as_bytes()));
    assert_eq!(answer.status, 200, "{answer:?} {:?}", place.read("runner.log"));
    assert!(answer.json()["output"].as_str().unwrap().contains("/w/run"), "{answer:?}");
    assert!(!runner.said("listening"), "the log goes to the file: {}", runner.log());
}

#[test]
fn a_unix_socket() {
    let place = Place::new();
    let config =
        format!("unix_socket: '@DIR@/r.sock'\nsecret: {SECRET}\nwork_dir: '@DIR@/w'\nallow_v1: true\n");
    let _runner = place.start("herald-runner", &config);
    until("the socket", || std::os::unix::net::UnixStream::connect(place.path("r.sock")).ok());
    let body =
        json!({"id": "1", "job_id": "1", "job_param": {"cmd": "echo", "arg": "{\"a\":1}"}}).to_string();
    let answer = send_unix(&place.path("r.sock"), &v1_request(SECRET, body.as_bytes()));
    assert_eq!(answer.json(), json!({"a": 1, "exit_code": 0}), "{answer:?}");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(place.path("r.sock")).unwrap().permissions().mode() & 0o777, 0o600);
    // A live one is not stolen.
    let ended = place.refused("herald-runner", &config);
    assert_eq!(ended.code, Some(1), "{}", ended.text());
}

#[test]
fn a_missing_empty_or_short_secret_is_refused() {
    let place = Place::new();
    place.write("short", "123456789012345\n");
    for secret in [
        "",
        "secret:\n",
        "secret: ''\n",
        "secret: short\n",
        "secret: 123456789012345\n",
        "secret: []\n",
        "secret: [a-secret-that-is-long-enough, short]\n",
        "secret: '${file:@DIR@/short}'\n",
    ] {
        let ended = place.refused("herald-runner", &format!("port: 0\nwork_dir: '@DIR@/w'\n{secret}"));
        assert_eq!(ended.code, Some(2), "{secret}: {}", ended.text());
        assert!(ended.text().contains("secret"), "{secret}: {}", ended.text());
        assert!(!ended.text().contains("123456789012345"), "{}", ended.text());
    }
    place.write("long", "1234567890123456\n");
    for secret in ["1234567890123456x", "'${file:@DIR@/long}'"] {
        let _runner = Runner::with(&place, &format!("secret: {secret}\n"));
    }
}

#[test]
fn mistakes_in_its_configuration_are_found() {
    let place = Place::new();
    let good = format!("port: 0\nwork_dir: '@DIR@/w'\nsecret: {SECRET}\n");
    for (line, says) in [
        ("prot: 5", "port"),
        ("port: abc", "port"),
        ("log_level: LOUD", "log_level"),
        ("host: [1]", "host"),
        ("allow_v1: 'yes'", "allow_v1"),
    ] {
        let base = good.lines().filter(|known| !line.starts_with(known.split(':').next().unwrap()));
        let config: String = base.chain([line]).map(|line| format!("{line}\n")).collect();
        let number = config.lines().count();
        let ended = place.refused("herald-runner", &config);
        assert_eq!(ended.code, Some(2), "{line}: {}", ended.text());
        assert!(
            ended.text().contains(says) && ended.text().contains(&format!("config.yml:{number}:")),
            "{line}: {}",
            ended.text()
        );
    }
    let duplicate = place.refused("herald-runner", &format!("{good}secret: {SECRET}\n"));
    assert_eq!(duplicate.code, Some(2), "{}", duplicate.text());
    assert!(!duplicate.text().contains(SECRET), "{}", duplicate.text());
}

#[test]
fn arguments_exit_codes_and_signals() {
    let place = Place::new();
    let config = place.config(&format!("port: 0\nwork_dir: '@DIR@/w'\nsecret: {SECRET}\n"));
    for spelling in ["-config", "--config", "-c"] {
        for signal in ["TERM", "INT"] {
            let mut command = place.bare("herald-runner");
            let runner = e2e::program::Program::start(command.arg(spelling).arg(&config));
            runner.wait_for(&["listening on 127.0.0.1:"]);
            runner.signal(signal);
            assert_eq!(runner.wait_end(), Some(0), "{spelling} {signal}: {}", runner.log());
        }
    }
    for spelling in ["-version", "--version"] {
        let ended = run_to_end(place.bare("herald-runner").arg(spelling));
        assert_eq!(ended.code, Some(0), "{}", ended.text());
        assert!(ended.stdout.contains("herald-runner") && ended.stdout.contains("0.1.0"), "{}", ended.stdout);
    }
    for args in [vec!["-nonsense"], vec!["-config"], vec!["--config", "/nonexistent.yml"]] {
        let ended = run_to_end(place.bare("herald-runner").args(&args));
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.text());
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let ended =
        place.refused("herald-runner", &format!("port: {port}\nwork_dir: '@DIR@/w'\nsecret: {SECRET}\n"));
    assert_eq!(ended.code, Some(1), "{}", ended.text());
    assert!(ended.text().contains(&port.to_string()), "{}", ended.text());
    let lines = ended.text().lines().filter(|line| line.contains("the port is in use")).count();
    assert_eq!(lines, 1, "the reason is printed once: {}", ended.text());
}

#[test]
fn a_configuration_can_be_checked_without_a_start() {
    let place = Place::new();
    let good = place.config(&format!("host: 0.0.0.0\nwork_dir: '@DIR@/w'\nsecret: {SECRET}\n"));
    for arguments in [vec!["check", "-config"], vec!["check"]] {
        let ended = run_to_end(place.bare("herald-runner").args(&arguments).arg(&good));
        assert_eq!(ended.code, Some(0), "{}", ended.text());
        assert!(ended.stdout.trim_end().ends_with("config.yml: ok"), "{}", ended.text());
        assert!(
            ended.stderr.contains("config.yml:1:7: warning: other machines can connect to 0.0.0.0"),
            "{}",
            ended.text()
        );
    }
    assert!(!place.path("w").exists(), "nothing is started");
    let bad = place.config(&format!("prot: 1\nsecret: {SECRET}\nmax_jobs: 0\n"));
    let ended = run_to_end(place.bare("herald-runner").arg("check").arg(&bad));
    assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{}", ended.text());
    for says in
        ["config.yml:1:1: unknown option `prot`", "did you mean `port`?", "config.yml:3:11: `max_jobs`"]
    {
        assert!(ended.stderr.contains(says), "{says}: {}", ended.text());
    }
}

#[test]
fn no_id_leads_outside_of_the_work_dir() {
    let place = Place::new();
    let runner = Runner::start(&place, "allow_v1: true\n");
    for id in ["../../escaped", "/tmp/herald-e2e-escaped", "..", "", "a/b", "x\u{0}y", "\n"] {
        let script = "echo x >f.dat; echo '{\"file\": {\"f\": \"f.dat\"}}'";
        let body =
            json!({"id": id, "job_id": id, "job_param": {"cmd": "sh", "arg": ["-c", script]}}).to_string();
        let answer = send(runner.address(), &v1_request(SECRET, body.as_bytes()));
        assert!([200, 400, 500].contains(&answer.status), "{id:?}: {answer:?}");
        for file in super::files_below(&place.path("")) {
            let fine = file.starts_with("runner/") || file.ends_with(".yml") || file.starts_with("state/");
            assert!(fine, "{id:?} made {file}");
        }
        assert!(!std::path::Path::new("/tmp/herald-e2e-escaped").exists());
    }
    assert!(runner.ended().is_none());
}
