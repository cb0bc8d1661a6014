//! Contract, section 13, and issue 15: a herald-runner without an open port takes its jobs from a queue.
//!
//! | sentence | test |
//! |---|---|
//! | `queue: {url, topic, process, sign}` of herald-runner, `http_remote: {via: QUEUE}` | `jobs_and_files_come_through_the_queue` |
//! | files come back up to 8 MiB each, else the job fails with a sentence | `jobs_and_files_come_through_the_queue` |
//! | the daemon gives up on a job: the runner stops it | `a_cancel_reaches_the_runner` |
//! | … and where no runner has it, it is never run | `a_cancel_before_a_runner_has_the_job` |
//! | … while Redis is away as well | `a_cancel_while_redis_is_away` |
//! | a job survives the daemon's restart | `a_restart_of_the_daemon_joins_the_job` |
//! | a runner that dies: `lost`, and not run again | `a_runner_that_is_killed` |

use std::time::Duration;

use e2e::daemon::Daemon;
use e2e::place::Place;
use e2e::program::Program;
use e2e::redis::RedisServer;
use e2e::wait::until_within;
use serde_json::{Value, json};

const SIGN: &str = "a-key-of-the-queue-in-tests";
const LONG: Duration = Duration::from_secs(60);

fn runner(place: &Place, server: &RedisServer) -> Program {
    let queue = format!("{{url: '{}', sign: {SIGN}, topic: jobs, process: 2}}", server.url());
    let config = place.config_as("runner.yml", &format!("work_dir: '@DIR@/runner'\nqueue: {queue}\n"));
    let runner = Program::start(&mut place.command("herald-runner", &config));
    runner.wait_for(&["herald-runner listens nowhere"]);
    runner
}

fn daemon(place: &Place, server: &RedisServer) -> Daemon {
    let config = format!(
        "
state_dir: '@DIR@/state'
shutdown_grace: 10s
queue: {{main: {{url: '{}', sign: {SIGN}}}}}
trigger: {{manual: {{type: http, port: 0}}}}
executor: {{far: {{type: http_remote, via: main, topic: jobs, data_dir: '@DIR@/data'}}}}
router:
  far: {{trigger: manual, selector: all, task: {{k: far}}, job_param: {{cmd: sh, arg: [-c, '{{{{ trigger_param.shell }}}}']}}}}
  done: {{trigger: exe_done, selector: match_map, select_param: {{match_key: router, match_value: far}}, task: {{p: print}}}}
",
        server.url()
    );
    let daemon = Daemon::start(place, &config);
    daemon.wait_for(&["heraldd is ready"]);
    daemon
}

/// The end of the only job of this event.
fn end(daemon: &Daemon, shell: &str) -> Value {
    let event = daemon.post(&json!({ "shell": shell }));
    let of_event = move |job: &Value| job["trigger_param"]["trigger_id"] == event;
    daemon.wait_print("the end of the job", of_event)["trigger_param"].clone()
}

#[test]
fn jobs_and_files_come_through_the_queue() {
    let (server, place) = (RedisServer::start(&[]), Place::new());
    let (_runner, daemon) = (runner(&place, &server), daemon(&place, &server));
    let plain = end(&daemon, "echo hello; echo there >&2");
    assert_eq!((&plain["success"], &plain["result"]["output"]), (&json!(true), &json!("hello\n")), "{plain}");
    let failed = end(&daemon, "echo disk full >&2; exit 3");
    assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &json!("exit code 3: disk full")));
    let large = end(&daemon, "head -c 200000 /dev/zero | tr '\\0' x");
    assert_eq!(large["result"]["output"].as_str().unwrap().len(), 200_000);
    let file =
        end(&daemon, "head -c 3000000 /dev/urandom >b; sha256sum b >&2; echo '{\"file\": {\"b\": \"b\"}}'");
    let path = file["result"]["file"]["b"].as_str().unwrap_or_else(|| panic!("{file}"));
    let sum = e2e::program::sh("sha256sum", &[&path]);
    assert_eq!(sum.split(' ').next(), file["result"]["stderr"].as_str().unwrap().split(' ').next());
    let too_large = end(&daemon, "head -c 9000000 /dev/zero >c; echo '{\"file\": {\"c\": \"c\"}}'");
    assert!(too_large["error"].as_str().unwrap().contains("larger than 8 MiB"), "{too_large}");
    // Secrets of the job are not in Redis, and nothing is left but markers.
    let log = server.append_only_file();
    assert!(!log.windows(9).any(|part| part == b"disk full"));
    assert_eq!(server.ask(&["KEYS", "herald:piece*"]).list().len(), 0);
}

#[test]
fn a_cancel_reaches_the_runner() {
    let (server, place) = (RedisServer::start(&[]), Place::new());
    let (_runner, daemon) = (runner(&place, &server), daemon(&place, &server));
    daemon
        .post(&json!({"shell": "echo $$ >@DIR@/pid; exec sleep 100".replace("@DIR@", &place.text_path(""))}));
    let pid: u32 = place.wait_file("pid").trim().parse().unwrap();
    let socket = place.text_path("state/heraldd.sock");
    let cancelled = place.run("heraldd", &["cancel", "last", "--socket", &socket]);
    assert_eq!(cancelled.code, Some(0), "{}", cancelled.text());
    until_within(LONG, "the end of the program", || (!e2e::program::exists(pid)).then_some(()));
    let ended = daemon.wait_print("the end of the job", |job| job["trigger_param"]["status"] == "cancelled");
    assert_eq!(ended["trigger_param"]["success"], false);
}

fn cancel_last(place: &Place) {
    let socket = place.text_path("state/heraldd.sock");
    let cancelled = place.run("heraldd", &["cancel", "last", "--socket", &socket]);
    assert_eq!(cancelled.code, Some(0), "{}", cancelled.text());
}

#[test]
fn a_cancel_before_a_runner_has_the_job() {
    let (server, place) = (RedisServer::start(&[]), Place::new());
    let daemon = daemon(&place, &server);
    daemon.post(&json!({"shell": "echo ran >@DIR@/ran".replace("@DIR@", &place.text_path(""))}));
    let waiting = || server.ask(&["XLEN", "{herald:jobs}:s"]).number();
    until_within(LONG, "the message", || (waiting() == 1).then_some(()));
    cancel_last(&place);
    let ended = daemon.wait_print("the end of the job", |job| job["trigger_param"]["router"] == "far");
    let ended = &ended["trigger_param"];
    assert_eq!(
        (&ended["status"], &ended["error"]),
        (&json!("cancelled"), &json!("cancelled before a runner had the job"))
    );
    assert_eq!((waiting(), server.ask(&["KEYS", "herald:piece*"]).list().len()), (0, 0));
    let _runner = runner(&place, &server);
    let again = end(&daemon, "echo again");
    assert_eq!(again["result"]["output"], "again\n");
    assert_eq!(place.read("ran"), None);
}

#[test]
fn a_cancel_while_redis_is_away() {
    let (mut server, place) = (RedisServer::start(&[]), Place::new());
    let (_runner, daemon) = (runner(&place, &server), daemon(&place, &server));
    daemon.post(&json!({"shell": "echo x >@DIR@/ran; sleep 100".replace("@DIR@", &place.text_path(""))}));
    place.wait_file("ran");
    server.kill();
    cancel_last(&place);
    let ended = daemon.wait_print("the end of the job", |job| job["trigger_param"]["router"] == "far");
    let ended = &ended["trigger_param"];
    assert_eq!(ended["status"], "cancelled", "{ended}");
    let error = ended["error"].as_str().unwrap();
    assert!(error.starts_with("cancelled; the runner may still run the job: queue main: "), "{error}");
}

#[test]
fn a_restart_of_the_daemon_joins_the_job() {
    for signal in ["TERM", "KILL"] {
        let (server, place) = (RedisServer::start(&[]), Place::new());
        let (_runner, first) = (runner(&place, &server), daemon(&place, &server));
        let shell = "echo x >>@DIR@/ran; sleep 3; echo joined".replace("@DIR@/", &place.text_path(""));
        first.post(&json!({ "shell": shell }));
        place.wait_file("ran");
        first.signal(signal);
        let _ = first.wait_end();
        drop(first);
        let second = daemon(&place, &server);
        let ended = second.wait_print("the end of the job", |job| job["trigger_param"]["router"] == "far");
        assert_eq!(ended["trigger_param"]["result"]["output"], "joined\n", "{signal}: {ended}");
        assert_eq!(place.read("ran").unwrap(), "x\n", "{signal}");
    }
}

#[test]
fn a_runner_that_is_killed() {
    let (server, place) = (RedisServer::start(&[]), Place::new());
    let (first, daemon) = (runner(&place, &server), daemon(&place, &server));
    let shell = "echo x >>@DIR@/ran; sleep 5".replace("@DIR@/", &place.text_path(""));
    daemon.post(&json!({ "shell": shell }));
    place.wait_file("ran");
    first.signal("KILL");
    let _ = first.wait_end();
    drop(first);
    let _second = runner(&place, &server);
    let ended = daemon.wait_print("the end of the job", |job| job["trigger_param"]["router"] == "far");
    assert_eq!(ended["trigger_param"]["status"], "lost", "{ended}");
    assert_eq!(place.read("ran").unwrap(), "x\n");
}
