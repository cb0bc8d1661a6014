//! Crashes and stops of workers, of the origin and of Redis.

use super::*;

/// A worker that requeues what is lost after a moment.
fn requeueing(server: &RedisServer) -> String {
    worker(server, "process: 4, requeue: {on: lost, delay: 0, max: 10}")
}

/// Runs until the file `go` exists.
const HOLD: &str =
    "echo + $0 $1 $2 >>@DIR@/ran; until test -e @DIR@/go; do sleep 0.05; done; echo - $0 >>@DIR@/ran";

fn lines<'a>(ran: &'a [String], begin: &str) -> Vec<&'a String> {
    ran.iter().filter(|line| line.starts_with(begin)).collect()
}

#[test]
fn a_worker_that_is_killed_loses_its_job_once() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let mut worker_b = Node::start("b", &worker(&server, ""));
    let event = receiver.post(&traces.message(HOLD));
    traces.wait(1);
    worker_b.kill();
    let worker_c = Node::start("c", &worker(&server, ""));
    let done = receiver.done(&event);
    assert_eq!((&done["success"], &done["status"]), (&json!(false), &json!("lost")), "{done}");
    assert!(done["error"].as_str().unwrap().contains("worker b"), "{done}");
    assert_eq!(traces.ran().len(), 1, "it does not run again");
    wait_empty(&server, "t");
    worker_b.start_again();
    stays(Duration::from_secs(1), "one exe_done", || {
        let of_it = |job: &Value| job["trigger_param"]["trigger_id"] == *event;
        receiver.printed().iter().filter(|job| of_it(job)).count() == 1
    });
    assert_eq!(lines(&traces.ran(), "+").len(), 1);
    assert_eq!(worker_c.jobs("run").iter().map(|job| job["status"].clone()).collect::<Vec<_>>(), ["lost"]);
}

#[test]
fn a_worker_that_is_killed_is_replaced_where_lost_is_requeued() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let worker_b = Node::start("b", &requeueing(&server));
    let event = receiver.post(&traces.message(HOLD));
    assert_eq!(traces.wait(1), ["+ b 1 1"]);
    worker_b.kill();
    let worker_c = Node::start("c", &requeueing(&server));
    assert_eq!(traces.wait(2)[1], "+ c 2 2");
    traces.0.write("go", "");
    let done = receiver.done(&event);
    assert_eq!(done["success"], true, "{done}");
    assert_eq!(done["result"]["node"]["c"]["attempt"], 2, "{done}");
    wait_empty(&server, "t");
    assert_eq!(lines(&traces.ran(), "+").len(), 2);
    drop(worker_c);
}

#[test]
fn a_worker_that_stood_still_is_fenced() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let worker_b = Node::start("b", &requeueing(&server));
    let event =
        receiver.post(&traces.message("echo $$ >>@DIR@/ran; until test -e @DIR@/go; do sleep 0.05; done"));
    let pid: u32 = traces.wait(1)[0].parse().unwrap();
    worker_b.signal("STOP");
    let worker_c = Node::start("c", &requeueing(&server));
    let second: u32 = traces.wait(2)[1].parse().unwrap();
    worker_b.signal("CONT");
    until("the end of the first process", || (!e2e::program::alive(pid)).then_some(()));
    assert!(e2e::program::alive(second));
    worker_b.wait_for(&["worker c", "has it now", "its job is ended"]);
    let lost = until("the lost job", || worker_b.jobs("run").into_iter().find(|job| job["status"] == "lost"));
    assert!(lost["error"].as_str().unwrap().contains("worker c has it now"), "{lost}");
    traces.0.write("go", "");
    let done = receiver.done(&event);
    assert_eq!(done["success"], true, "{done}");
    assert!(done["result"]["node"]["c"].is_object() && done["result"]["node"]["b"].is_null(), "{done}");
    assert_eq!(traces.ran().len(), 2);
    drop(worker_c);
}

#[test]
fn a_redis_that_stands_still_takes_no_lease() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let workers = ["b", "c"].map(|name| Node::start(name, &requeueing(&server)));
    let event = receiver.post(&traces.message(HOLD));
    traces.wait(1);
    server.freeze();
    std::thread::sleep(Duration::from_secs(5));
    server.thaw();
    stays(Duration::from_secs(3), "one run", || traces.ran().len() == 1);
    traces.0.write("go", "");
    let done = receiver.done(&event);
    assert_eq!(done["success"], true, "{done}");
    assert_eq!(lines(&traces.ran(), "+").len(), 1);
    drop(workers);
}

/// Ten messages run at two workers and twenty wait; then `fault` happens. Every message runs once, and its end comes.
fn nothing_is_lost_when(put_again: bool, fault: impl FnOnce(&mut RedisServer)) {
    let (mut server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let config = worker(&server, "process: 2");
    let workers = ["b", "c"].map(|name| Node::start(name, &config));
    let hold = "echo + $0 {n} >>@DIR@/ran; until test -e @DIR@/go; do sleep 0.05; done";
    let message = |n: usize| traces.message(&hold.replace("{n}", &n.to_string()));
    let events: Vec<String> = (0..24).map(|n| receiver.post(&message(n))).collect();
    traces.wait(4);
    until("all puts", || (server.ask(&["XLEN", "{herald:t}:s"]).number() == 24).then_some(()));
    let logged = [&receiver, &workers[0], &workers[1]].map(|node| node.lines().len());
    fault(&mut server);
    // Long enough for the workers to renew, and for others to wait for their leases.
    stays(Duration::from_secs(3), "the same four run", || traces.ran().len() == 4);
    for (node, before) in [&receiver, &workers[0], &workers[1]].iter().zip(logged) {
        let lines = node.lines().len() - before;
        assert!(lines < 20, "{lines} lines:\n{}", node.log());
    }
    traces.0.write("go", "");
    let within = Duration::from_secs(60);
    let ended =
        |event: &String| receiver.printed().iter().any(|job| job["trigger_param"]["trigger_id"] == **event);
    e2e::wait::until_within(within, "all ends", || events.iter().all(ended).then_some(()));
    for event in &events {
        let done = receiver.done(event);
        assert_eq!(done["success"], true, "{done}");
    }
    assert_eq!(
        receiver.said("the queue lost messages, which are put again"),
        put_again,
        "{}",
        receiver.log()
    );
    let mut ran: Vec<String> =
        traces.ran().iter().map(|line| line.split(' ').nth(2).unwrap().to_owned()).collect();
    ran.sort();
    ran.dedup();
    assert_eq!((ran.len(), traces.ran().len()), (24, 24), "each once: {:?}", traces.ran());
    wait_empty(&server, "t");
}

#[test]
fn a_flush_loses_nothing() {
    nothing_is_lost_when(true, |server| server.run(&["FLUSHALL"]));
}

#[test]
fn deleted_keys_lose_nothing() {
    // There are no consumer groups that could be destroyed; these keys have their place.
    nothing_is_lost_when(false, |server| {
        server.run(&["DEL", "{herald:t}:m", "{herald:t}:u", "{herald:t}:d"])
    });
}

#[test]
fn a_deleted_stream_loses_nothing() {
    nothing_is_lost_when(true, |server| server.run(&["DEL", "{herald:t}:s"]));
}

#[test]
fn a_restart_of_redis_loses_nothing() {
    nothing_is_lost_when(false, |server| {
        server.kill();
        server.start_again();
    });
}

#[test]
fn an_empty_redis_after_a_restart_loses_nothing() {
    nothing_is_lost_when(true, |server| {
        server.kill();
        server.delete_data();
        server.start_again();
    });
}

#[test]
fn forgotten_scripts_are_loaded_again() {
    nothing_is_lost_when(false, |server| server.run(&["SCRIPT", "FLUSH"]));
}

#[test]
fn an_origin_that_is_killed_after_a_put_puts_nothing_twice() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let worker = Node::start("b", &worker(&server, "process: 4"));
    // Its lease is known: what is put again is held back for half of it.
    until("the topic", || (worker.topic("t")["topic"] == "t").then_some(()));
    for wait in ["accepted", "result"] {
        assert_eq!(worker.queue(&["pause", "t"]).code, Some(0));
        let mut receiver = Node::start("a", &origin(&server, &format!("wait: {wait}"), ""));
        let before = traces.ran().len();
        for n in 0..5 {
            receiver.post(&traces.message(&format!("echo {wait} {n} >>@DIR@/ran")));
        }
        receiver.kill();
        receiver.start_again();
        assert_eq!(worker.queue(&["resume", "t"]).code, Some(0));
        traces.wait(before + 5);
        wait_empty(&server, "t");
        stays(Duration::from_secs(1), "five runs", || traces.ran().len() == before + 5);
    }
}

#[test]
fn an_origin_that_restarts_joins_its_messages() {
    for signal in ["KILL", "TERM"] {
        let (server, traces) = (RedisServer::start(&[]), Traces::new());
        let mut receiver =
            Node::start("a", &format!("shutdown_grace: 1s\n{}", origin(&server, "wait: result", "")));
        let worker = Node::start("b", &worker(&server, ""));
        let event = receiver.post(&traces.message(HOLD));
        traces.wait(1);
        let begun = Instant::now();
        receiver.signal(signal);
        let code = receiver.wait_end();
        assert_eq!(code, if signal == "TERM" { Some(0) } else { None }, "{}", receiver.log());
        assert!(begun.elapsed() < Duration::from_secs(10));
        receiver.start_again();
        traces.0.write("go", "");
        let done = receiver.done(&event);
        assert_eq!(done["success"], true, "{signal}: {done}");
        assert_eq!(done["result"]["node"]["b"]["exit_code"], 0, "{done}");
        assert_eq!(lines(&traces.ran(), "+").len(), 1);
        drop(worker);
    }
}

#[test]
fn an_end_that_came_while_the_origin_was_away_is_used() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let mut receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let worker = Node::start("b", &worker(&server, ""));
    let event = receiver.post(&traces.message(HOLD));
    traces.wait(1);
    receiver.kill();
    traces.0.write("go", "");
    wait_empty(&server, "t");
    receiver.start_again();
    let done = receiver.done(&event);
    assert_eq!(done["success"], true, "{done}");
    assert_eq!(lines(&traces.ran(), "+").len(), 1);
    drop(worker);
}

#[test]
fn an_end_while_redis_is_away_is_reported_once() {
    let (mut server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let workers = ["b", "c"].map(|name| Node::start(name, &requeueing(&server)));
    let event = receiver.post(&traces.message(HOLD));
    traces.wait(1);
    server.kill();
    traces.0.write("go", "");
    traces.wait(2);
    std::thread::sleep(Duration::from_secs(3));
    server.start_again();
    let done = receiver.done(&event);
    assert_eq!(done["success"], true, "{done}");
    wait_empty(&server, "t");
    assert_eq!(lines(&traces.ran(), "+").len(), 1);
    assert_eq!(
        receiver.printed().iter().filter(|job| job["trigger_param"]["trigger_id"] == *event).count(),
        1
    );
    drop(workers);
}
