//! Stops, reloads, and topics that are full.

use super::*;

const HOLD: &str =
    "echo + $0 {n} >>@DIR@/ran; until test -e @DIR@/go; do sleep 0.05; done; echo - $0 {n} >>@DIR@/ran";

fn hold(traces: &Traces, n: usize) -> Value {
    traces.message(&HOLD.replace("{n}", &n.to_string()))
}

fn count(traces: &Traces, begin: &str) -> usize {
    traces.ran().iter().filter(|line| line.starts_with(begin)).count()
}

/// Runs four at once. With a lease that is longer than the test.
fn four_at_once(server: &RedisServer, process: usize) -> String {
    let config = worker_of(server, &format!("topic: t, lease: 60s, process: {process}"));
    config.replace("'@DIR@/work'}", "'@DIR@/work', max_jobs: 4}")
}

#[test]
fn sigterm_gives_back_what_has_not_started() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let first = Node::start("b", &four_at_once(&server, 12));
    let events: Vec<String> = (0..12).map(|n| receiver.post(&hold(&traces, n))).collect();
    until("four jobs at the first", || (count(&traces, "+ b") == 4).then_some(()));
    until("twelve messages at the first", || (receiver.topic("t")["unfinished"] == 12).then_some(()));
    let seconds = ["c", "d"].map(|name| Node::start(name, &four_at_once(&server, 4)));
    let begun = Instant::now();
    first.signal("TERM");
    until("eight jobs elsewhere", || (count(&traces, "+ c") + count(&traces, "+ d") == 8).then_some(()));
    // At once; the machine can be busy.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(first.ended().is_none(), "it waits for its four jobs:\n{}", first.log());
    traces.0.write("go", "");
    for event in &events {
        let done = receiver.done(event);
        assert_eq!(done["success"], true, "{done}");
    }
    assert_eq!(first.wait_end(), Some(0), "{}", first.log());
    let mut ran: Vec<String> = traces
        .ran()
        .iter()
        .filter_map(|line| line.strip_prefix("- ")?.split(' ').next_back().map(str::to_owned))
        .collect();
    ran.sort();
    ran.dedup();
    assert_eq!((ran.len(), traces.ran().len()), (12, 24), "each once: {:?}", traces.ran());
    wait_empty(&server, "t");
    drop(seconds);
}

#[test]
fn a_job_that_outlives_the_grace_is_lost() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let config = worker(&server, "").replace("shutdown_grace: 5s", "shutdown_grace: 500ms");
    let mut worker = Node::start("b", &config);
    let event = receiver.post(&hold(&traces, 1));
    traces.wait(1);
    worker.signal("TERM");
    assert_eq!(worker.wait_end(), Some(0), "{}", worker.log());
    let done = receiver.done(&event);
    assert_eq!((&done["success"], &done["status"]), (&json!(false), &json!("lost")), "{done}");
    worker.start_again();
    wait_empty(&server, "t");
    stays(Duration::from_millis(500), "one run", || traces.ran().len() == 1);
}

#[test]
fn a_reload_keeps_the_messages_that_run() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let config = worker(&server, "process: 1");
    let worker = Node::start("b", &config);
    let events: Vec<String> = (0..3).map(|n| receiver.post(&hold(&traces, n))).collect();
    traces.wait(1);
    worker.place.config(&config.replace("process: 1", "process: 2").replace("@NAME@", "b"));
    worker.signal("HUP");
    worker.wait_for(&["configuration reloaded"]);
    until("the new ones", || (count(&traces, "+") >= 2).then_some(()));
    // Longer than a lease.
    stays(Duration::from_secs(3), "each once", || {
        let ran = traces.ran();
        let mut once = ran.clone();
        once.sort();
        once.dedup();
        once.len() == ran.len()
    });
    traces.0.write("go", "");
    for event in &events {
        let done = receiver.done(event);
        assert_eq!(done["success"], true, "{done}");
    }
    assert_eq!(traces.ran().len(), 6, "{:?}", traces.ran());
    wait_empty(&server, "t");
}

#[test]
fn a_removed_trigger_finishes_what_it_runs() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let config = worker(&server, "").replace("@NAME@", "b");
    let worker = Node::start("b", &config);
    let event = receiver.post(&hold(&traces, 1));
    traces.wait(1);
    let start = config.find("trigger:").unwrap();
    let rest = "trigger:\n  other: {type: tick, interval: 1h}\nrouter:\n  r: {trigger: other, selector: all, task: {p: print}}\n";
    worker.place.config(&format!("{}{rest}", &config[..start]));
    worker.signal("HUP");
    worker.wait_for(&["configuration reloaded"]);
    let second = receiver.post(&hold(&traces, 2));
    stays(Duration::from_secs(3), "the first runs, the second waits", || traces.ran().len() == 1);
    traces.0.write("go", "");
    let done = receiver.done(&event);
    assert_eq!(done["success"], true, "{done}");
    worker.place.config(&config);
    worker.signal("HUP");
    assert_eq!(receiver.done(&second)["success"], true);
}

#[test]
fn a_full_topic_holds_back_its_origins() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let config = format!("max_queue: 8\n{}", origin(&server, "max_length: 2, max_jobs: 2", ""));
    let receiver = Node::start("a", &config);
    let mut accepted = 0;
    let refused = until("a refusal", || {
        let answer = receiver.try_post(&traces.message(&format!("echo {accepted} >>@DIR@/ran")));
        accepted += usize::from(answer.status == 200);
        (answer.status != 200).then_some(answer)
    });
    // 429 once its trigger has the half that one may have, 503 once all is full.
    assert!([429, 503].contains(&refused.status), "{refused:?}");
    assert!(refused.get("retry-after").is_some(), "{refused:?}");
    assert!((4..=16).contains(&accepted), "{accepted}");
    stays(Duration::from_millis(700), "no more than max_length", || waiting(&server) == 2);
    let worker = Node::start("b", &worker(&server, "process: 2"));
    traces.wait(accepted);
    wait_empty(&server, "t");
    assert_eq!(receiver.try_post(&traces.message("true")).status, 200);
    let mut ran = traces.ran();
    ran.sort();
    ran.dedup();
    assert_eq!((ran.len(), traces.ran().len()), (accepted, accepted));
    drop(worker);
}

#[test]
fn a_redis_without_memory_delays_messages() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let worker = Node::start("b", &worker(&server, ""));
    let running = receiver.post(&hold(&traces, 1));
    traces.wait(1);
    server.run(&["CONFIG", "SET", "maxmemory", "1"]);
    let delayed = receiver.post(&traces.message("echo late >>@DIR@/ran"));
    // What runs is renewed, and its end is taken.
    stays(Duration::from_secs(3), "the one that runs", || traces.ran().len() == 1);
    traces.0.write("go", "");
    assert_eq!(receiver.done(&running)["success"], true);
    assert_eq!(traces.ran().len(), 2, "{:?}", traces.ran());
    server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(receiver.done(&delayed)["success"], true);
    assert_eq!(traces.wait(3)[2], "late");
    drop(worker);
}
