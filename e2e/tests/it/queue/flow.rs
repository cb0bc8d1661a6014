//! Messages from one server to others, while nothing fails.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

use e2e::http::send;

use super::*;

/// What `heraldd import go-git-webhooks` prints for these flags, with the server and port of the test.
fn imported(server: &RedisServer, flags: &[&str]) -> String {
    let place = Place::new();
    let ended = place.run("heraldd", &[&["import", "go-git-webhooks", "--"], flags].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    assert!(ended.stdout.contains("redis://localhost:6379"), "{}", ended.stdout);
    let text = ended.stdout.replace("redis://localhost:6379", &server.url());
    text.replace("port: 8888", "port: 0")
}

pub(super) fn with_sign(name: &str, config: &str) -> Node {
    let place = Place::new();
    let config = place.config(config);
    let mut command = place.command("heraldd", &config);
    let daemon = Daemon::run(command.arg("-id").arg(name).env("HERALD_QUEUE_SIGN", SIGN));
    daemon.wait_for(&["heraldd is ready"]);
    Node { name: name.to_owned(), place, config, daemon }
}

/// Its trigger `hook`, which listens on all addresses.
pub(super) fn address_of(receiver: &Node) -> SocketAddr {
    let marker = "http trigger hook listening on 0.0.0.0:";
    let port =
        receiver.wait_pick(marker, |line| line.split_once(marker)?.1.strip_suffix('/')?.parse::<u16>().ok());
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The query of a `curl -G --data-urlencode`.
pub(super) fn escaped(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

#[test]
fn the_lines_of_the_seed_work_through_the_queue() {
    use base64::Engine;
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver =
        with_sign("a", &imported(&server, &["-server", "http", "-port", "8888", "-sign", "123456"]));
    let worker = with_sign("b", &imported(&server, &["-server", "cli", "-process", "4"]));
    let address = address_of(&receiver);
    let get = |query: &str| send(address, &Message::request("GET", &format!("/?{query}"), &[], b"")).status;

    let d = traces.message("cd @DIR@/ && echo plain >>ran").to_string();
    assert_eq!(get(&format!("sign=123456&d={}", escaped(&d))), 200);
    assert_eq!(traces.wait(1), ["plain"]);
    let d = traces.message("cd @DIR@/ && echo base64 >>ran").to_string();
    let d = base64::prelude::BASE64_STANDARD.encode(d);
    assert_eq!(get(&format!("sign=123456&d={d}")), 200);
    assert_eq!(traces.wait(2), ["plain", "base64"]);
    wait_empty(&server, "go_git_webhooks_key");

    assert_eq!(worker.queue(&["pause", "go_git_webhooks_key"]).code, Some(0));
    for query in [format!("sign=654321&d={d}"), format!("d={d}")] {
        assert_eq!(get(&query), 401);
    }
    assert_eq!(server.ask(&["XLEN", "{herald:go_git_webhooks_key}:s"]).number(), 0);
    assert_eq!(traces.ran().len(), 2);
}

#[test]
fn a_request_while_redis_is_away_runs_later() {
    let (mut server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "", ""));
    let worker = Node::start("b", &worker(&server, ""));
    server.kill();
    let begun = Instant::now();
    let event = receiver.post(&traces.message("echo $0 >>@DIR@/ran"));
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    until("the unreachable queue", || {
        let ready = receiver.get("/readyz");
        assert_eq!(ready.status, 200, "{ready:?}");
        ready.text().contains("queue main: unreachable").then_some(())
    });
    let begun = Instant::now();
    server.start_again();
    assert_eq!(traces.wait(1), ["b"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(receiver.done(&event)["success"], true);
    wait_empty(&server, "t");
    stays(Duration::from_millis(500), "one run", || traces.ran().len() == 1);
    drop(worker);
}

#[test]
fn each_message_runs_once_and_all_workers_are_used() {
    const MESSAGES: usize = 200;
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "", ""));
    let workers: Vec<Node> =
        ["x", "y", "z"].map(|name| Node::start(name, &worker(&server, "process: 4"))).into();
    for n in 0..MESSAGES {
        receiver.post(
            &traces.message(&format!("echo + $0 {n} >>@DIR@/ran; sleep 0.05; echo - $0 {n} >>@DIR@/ran")),
        );
    }
    let ran = until("all ends", || Some(traces.ran()).filter(|ran| ran.len() >= 2 * MESSAGES));
    wait_empty(&server, "t");
    let (mut running, mut most, mut starts) = (0_i32, 0, HashMap::new());
    for line in &ran {
        let words: Vec<&str> = line.split(' ').collect();
        running += if words[0] == "+" { 1 } else { -1 };
        most = most.max(running);
        if words[0] == "+" {
            starts.entry(words[1].to_owned()).or_insert_with(Vec::new).push(words[2].to_owned());
        }
    }
    assert!(most <= 12, "{most} at once");
    assert_eq!(starts.len(), workers.len(), "{starts:?}");
    let mut all: Vec<String> = starts.into_values().flatten().collect();
    all.sort();
    all.dedup();
    assert_eq!((all.len(), ran.len()), (MESSAGES, 2 * MESSAGES), "each once");
}

#[test]
fn one_process_runs_in_the_order_of_the_puts() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "", ""));
    for n in 0..20 {
        let event = receiver.post(&traces.message(&format!("echo {n} >>@DIR@/ran")));
        receiver.done(&event);
    }
    let worker = Node::start("b", &worker(&server, "process: 1"));
    let expected: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(traces.wait(20), expected);
    drop(worker);
}

#[test]
fn messages_with_one_key_run_one_at_a_time_and_in_order() {
    const EACH: usize = 60;
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "", "key: '{{ trigger_param.key }}', delay: 0s"));
    let workers = ["x", "y", "z"].map(|name| Node::start(name, &worker(&server, "process: 2")));
    for n in 0..EACH {
        for key in ["k1", "k2"] {
            let mut message =
                traces.message(&format!("echo + {n} >>@DIR@/{key}; sleep 0.01; echo - {n} >>@DIR@/{key}"));
            message["key"] = key.into();
            receiver.post(&message);
        }
    }
    let expected: Vec<String> = (0..EACH).flat_map(|n| [format!("+ {n}"), format!("- {n}")]).collect();
    for key in ["k1", "k2"] {
        until(key, || (traces.0.count(key) >= 2 * EACH).then_some(()));
        assert_eq!(traces.0.read(key).unwrap().lines().collect::<Vec<_>>(), expected);
    }
    drop(workers);
}

#[test]
fn a_job_runs_longer_than_its_lease() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let workers =
        ["x", "y"].map(|name| Node::start(name, &worker(&server, "requeue: {on: lost, delay: 0s}")));
    let event = receiver.post(&traces.message("echo $0 $1 >>@DIR@/ran; sleep 6"));
    let done = receiver.done(&event);
    assert_eq!(done["success"], true, "{done}");
    let ran = traces.ran();
    assert_eq!(ran.len(), 1, "{ran:?}");
    let (node, deliveries) = ran[0].split_once(' ').unwrap();
    assert_eq!(deliveries, "1");
    assert_eq!(done["result"]["node"][node]["exit_code"], 0, "{done}");
    assert_eq!(done["result"]["node"][node]["status"], "succeeded");
    drop(workers);
}

#[test]
fn a_delayed_message_survives_every_worker() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "", "delay: 3s"));
    let mut worker = Node::start("b", &worker(&server, ""));
    let begun = Instant::now();
    let event = receiver.post(&traces.message("echo ran >>@DIR@/ran"));
    receiver.done(&event);
    // It was seen, and waits.
    until("the delayed message", || (worker.topic("t")["delayed"] == 1).then_some(()));
    worker.kill();
    worker.start_again();
    traces.wait(1);
    let elapsed = begun.elapsed();
    assert!(elapsed >= Duration::from_secs(3), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(8), "{elapsed:?}");
}

#[test]
fn an_old_message_does_not_run() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver =
        Node::start("a", &origin(&server, "wait: result", "max_age: 1s, message: '{{ trigger_param }}'"));
    let event = receiver.post(&traces.message("echo ran >>@DIR@/ran"));
    until("the put", || (waiting(&server) == 1).then_some(()));
    std::thread::sleep(Duration::from_millis(1200));
    let worker = Node::start("b", &worker(&server, ""));
    let alarm = worker.wait_print("the alarm", |job| job["trigger"] == "queue_dead");
    assert_eq!(alarm["trigger_param"]["topic"], "t");
    assert!(alarm["trigger_param"]["reason"].as_str().unwrap().contains("too old"), "{alarm}");
    let done = receiver.done(&event);
    assert_eq!(done["success"], false);
    assert!(done["error"].as_str().unwrap().contains("dead letter: too old"), "{done}");
    assert_eq!(traces.ran().len(), 0);
}

#[test]
fn the_result_is_that_of_the_worker() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let worker = Node::start("b", &worker(&server, "process: 3"));
    for (shell, success, error) in [("exit 0", true, ""), ("echo no >&2; exit 3", false, "b: ")] {
        let event = receiver.post(&traces.message(shell));
        let done = receiver.done(&event);
        assert_eq!(done["success"], success, "{done}");
        assert!(done["error"].as_str().unwrap_or_default().contains(error), "{done}");
        let result = &done["result"]["node"]["b"];
        assert_eq!(result["exit_code"], if success { 0 } else { 3 }, "{done}");
        assert_eq!(result["status"], if success { "succeeded" } else { "failed" });
    }
    let event = receiver.post(&json!({"other": 1}));
    let done = receiver.done(&event);
    assert_eq!(done["success"], false, "no command: {done}");
    drop(worker);
}

#[test]
fn redis_holds_no_secret() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let message = format!(
        "message: {{shell: '{}', token: '${{env:HERALD_TEST_SECRET}}'}}",
        traces.0.fill("echo ran >>@DIR@/ran; exit 3")
    );
    let place = Place::new();
    let path = place.config(&origin(&server, "wait: result", &message));
    let mut command = place.command("heraldd", &path);
    let secret = "hunter2hunter2";
    command.args(["-id", "a"]).env("HERALD_TEST_SECRET", secret);
    let receiver = Daemon::run(&mut command);
    receiver.wait_for(&["heraldd is ready"]);
    let shell = "{{ trigger_param.shell }}";
    let told = format!("echo {{{{ trigger_param.token }}}} >>@DIR@/saw; cat @DIR@/saw >&2; {shell}");
    let worker = Node::start("b", &worker(&server, "").replace(shell, &told));
    let event = receiver.post(&json!({}));
    let done = receiver.done(&event);
    assert_eq!(done["success"], false, "{done}");
    assert_eq!(traces.ran(), ["ran"]);
    assert_eq!(worker.place.read("saw").unwrap().trim(), secret, "the worker gets it");
    server.run(&["CONFIG", "SET", "appendfsync", "always"]);
    server.run(&["SET", "after", "it"]);
    let bytes = server.append_only_file();
    let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("herald:t"));
    assert!(!holds(secret), "secrets are sealed");
    assert!(!receiver.log().contains(secret));
}

#[test]
fn finished_messages_leave_only_what_expires() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", "key: '{{ trigger_param.key }}'"));
    let worker = Node::start("b", &worker(&server, "process: 3"));
    for n in 0..6 {
        let mut message = traces.message("true");
        message["key"] = (n % 2).into();
        let event = receiver.post(&message);
        assert_eq!(receiver.done(&event)["success"], true);
    }
    wait_empty(&server, "t");
    let mut left: Vec<String> = Vec::new();
    for key in server.ask(&["KEYS", "*"]).list() {
        if server.ask(&["PTTL", key.text()]).number() < 0 {
            left.push(key.text().to_owned());
        }
    }
    // The name of the topic, its counters, the empty stream, and the entry that wakes.
    let stays = ["herald:topics", "{herald:t}:m", "{herald:t}:s", "{herald:t}:w"];
    left.retain(|key| !stays.contains(&key.as_str()));
    assert!(left.is_empty(), "{left:?}");
    drop(worker);
}

#[test]
fn a_cancelled_job_that_no_worker_has_never_runs() {
    for (job_param, is_delayed) in [("", false), ("delay: 2s", true)] {
        let (server, traces) = (RedisServer::start(&[]), Traces::new());
        let receiver = Node::start("a", &origin(&server, "wait: result", job_param));
        let first = is_delayed.then(|| Node::start("b", &worker(&server, "")));
        let event = receiver.post(&traces.message("echo ran >>@DIR@/ran"));
        until("the message", || (waiting(&server) == 1).then_some(()));
        let cancelled = receiver.command(&["cancel", "last"]);
        assert_eq!(cancelled.code, Some(0), "{}", cancelled.text());
        let done = receiver.done(&event);
        assert_eq!(
            (&done["status"], &done["error"]),
            (&json!("cancelled"), &json!("cancelled before a worker had the message"))
        );
        assert_eq!(waiting(&server), 0);
        let worker = first.unwrap_or_else(|| Node::start("b", &worker(&server, "")));
        let shown = receiver.queue(&["show", done["job_id"].as_str().unwrap()]);
        assert!(shown.stdout.contains("withdrawn"), "{}", shown.text());
        stays(Duration::from_millis(2500), "no run", || traces.ran().is_empty());
        drop(worker);
    }
}
