//! Messages that are not run, or not any more: dead letters.

use super::*;

fn alarm(worker: &Node, part: &str) -> Value {
    let is_it = |job: &Value| {
        let reason = job["trigger_param"]["reason"].as_str().unwrap_or_default();
        job["trigger"] == "queue_dead" && reason.contains(part)
    };
    worker.wait_print(&format!("an alarm: {part}"), is_it)["trigger_param"].clone()
}

fn dead_letters(server: &RedisServer) -> i64 {
    server.ask(&["XLEN", "{herald:t}:dead"]).number()
}

/// Runs this script with the stream of the topic as `S`, and `e` as the fields of its first entry.
fn edit(server: &RedisServer, script: &str) {
    let text = format!(
        "local S = '{{herald:t}}:s'; local first = redis.call('XRANGE', S, '-', '+', 'COUNT', 1)[1]
         local e = first and first[2] or {{}}; {script}"
    );
    server.run(&["EVAL", &text, "0"]);
}

#[test]
fn unsigned_altered_and_replayed_messages_do_not_run() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "", ""));
    let worker = Node::start("b", &worker(&server, ""));
    until("the topic", || (worker.queue(&["pause", "t"]).code == Some(0)).then_some(()));
    let event = receiver.post(&traces.message("echo once >>@DIR@/ran"));
    assert_eq!(receiver.done(&event)["success"], true);
    // Kept for later; then copies of it: altered, with another id, with its signature removed.
    edit(&server, "redis.call('XADD', 'kept', '*', unpack(e))");
    let altered = "local m = string.gsub(e[4], 'once', 'evil')";
    edit(
        &server,
        &format!("{altered}; redis.call('XADD', S, '*', 'i', 'other1', 'm', m, 'g', e[6], 'q', '7')"),
    );
    edit(&server, "redis.call('XADD', S, '*', 'i', 'other2', 'm', e[4], 'g', e[6], 'q', '8')");
    edit(&server, "redis.call('XADD', S, '*', 'i', 'other3', 'm', e[4], 'q', '9')");
    edit(&server, "redis.call('XADD', S, '*', unpack(e))");
    assert_eq!(worker.queue(&["resume", "t"]).code, Some(0));
    assert_eq!(traces.wait(1), ["once"]);
    for part in ["signature mismatch", "unsigned"] {
        let alarm = alarm(&worker, part);
        assert_eq!((&alarm["queue"], &alarm["topic"]), (&json!("main"), &json!("t")));
    }
    wait_empty(&server, "t");
    assert_eq!(dead_letters(&server), 3);

    // A replay, once with its marker and once without.
    let replay =
        "local k = redis.call('XRANGE', 'kept', '-', '+')[1][2]; redis.call('XADD', S, '*', unpack(k))";
    edit(&server, replay);
    wait_empty(&server, "t");
    edit(
        &server,
        &format!(
            "redis.call('DEL', '{{herald:t}}:job:' .. redis.call('XRANGE', 'kept', '-', '+')[1][2][2]); {replay}"
        ),
    );
    wait_empty(&server, "t");
    let event = receiver.post(&traces.message("echo after >>@DIR@/ran"));
    receiver.done(&event);
    traces.wait(2);
    wait_empty(&server, "t");
    assert_eq!(traces.ran(), ["once", "after"]);
}

#[test]
fn what_is_no_message_does_not_end_the_worker() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver =
        Node::start("a", &origin(&server, "wait: result", "message: '{{ trigger_param.message }}'"));
    let worker = Node::start("b", &worker(&server, ""));
    for script in [
        "redis.call('XADD', S, '*', 'i', 'array', 'm', '[1]', 'g', 'x')",
        "redis.call('XADD', S, '*', 'i', 'large', 'm', string.rep('x', 2097152), 'g', 'x')",
        "redis.call('XADD', S, '*', 'i', 'binary\\255', 'm', '\\0\\255\\1', 'g', '\\255', 'q', '\\255', 'k', '\\255')",
        "redis.call('XADD', S, '*', 'what', 'ever')",
        "redis.call('XADD', S, '*', 'i', '', 'm', '', 'k', '7')",
    ] {
        edit(&server, script);
    }
    until("five dead letters", || (dead_letters(&server) == 5).then_some(()));
    wait_empty(&server, "t");
    // Signed, and not a map.
    let event = receiver.post(&json!({"message": [1, 2]}));
    let done = receiver.done(&event);
    assert_eq!(done["success"], false, "{done}");
    let reason = "the message is not a map (a JSON object)";
    assert!(done["error"].as_str().unwrap().contains(reason), "{done}");
    assert_eq!(alarm(&worker, reason)["topic"], "t");
    // Larger than a message may be: it does not leave the origin.
    let event = receiver.post(&json!({"message": {"shell": "true", "large": "x".repeat(1 << 20)}}));
    let done = receiver.done(&event);
    assert!(done["error"].as_str().unwrap().contains("too large"), "{done}");
    let event = receiver.post(&json!({"message": traces.message("echo ran >>@DIR@/ran")}));
    assert_eq!(receiver.done(&event)["success"], true);
    assert_eq!(traces.ran(), ["ran"]);
    let listed = worker.queue(&["dead", "t"]);
    assert_eq!(listed.code, Some(0), "{}", listed.text());
    assert_eq!(listed.stdout.lines().filter(|line| line.contains(" no ")).count(), 5, "{}", listed.stdout);
}

#[test]
fn a_message_that_kills_its_worker_becomes_a_dead_letter() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let config = worker(&server, "max_deliveries: 3, requeue: {on: lost, max: 10, delay: 100ms}");
    let mut worker = Node::start("b", &config);
    let event = receiver.post(&traces.message("echo $1 >>@DIR@/ran; kill -9 $PPID"));
    let good = receiver.post(&traces.message("echo good >>@DIR@/good"));
    for n in 1..=3 {
        traces.wait(n);
        assert_eq!(worker.wait_end(), None, "killed by its job");
        worker.start_again();
    }
    let alarm = alarm(&worker, "started 3 times without an end");
    assert_eq!(alarm["topic"], "t");
    let done = receiver.done(&event);
    assert_eq!(done["success"], false);
    assert!(done["error"].as_str().unwrap().contains("dead letter: started 3 times"), "{done}");
    assert_eq!(done["result"]["node"]["b"]["deliveries"], 3, "{done}");
    assert_eq!(traces.ran(), ["1", "2", "3"]);
    // One after the other, so that the other message does not die with it.
    let done = receiver.done(&good);
    assert_eq!(done["success"], true, "{done}");
    let event = receiver.post(&traces.message("exit 0"));
    assert_eq!(receiver.done(&event)["success"], true);
}

#[test]
fn requeued_messages_wait_longer_each_time_and_end_as_dead_letters() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let requeue = "requeue: {on: [failed, timed_out], max: 2, delay: 500ms, backoff: 2}";
    let workers = ["b", "c"].map(|name| Node::start(name, &worker(&server, requeue)));
    let shell = "date +%s%N >>@DIR@/at; echo $1 $2 >>@DIR@/ran; echo attempt $2 is broken >&2; exit 3";
    let event = receiver.post(&traces.message(shell));
    let done = receiver.done(&event);
    assert_eq!(traces.ran(), ["1 1", "2 2", "3 3"]);
    let error = done["error"].as_str().unwrap();
    assert!(error.contains("failed after 2 requeues"), "{error}");
    assert!(error.contains('3'), "the last error: {error}");
    let times = traces.0.read("at").unwrap();
    let times: Vec<u64> = times.lines().map(|line| line.parse::<u64>().unwrap() / 1_000_000).collect();
    for (pair, least) in times.windows(2).zip([500, 1000]) {
        let waited = pair[1] - pair[0];
        assert!((least..least + 4000).contains(&waited), "{times:?}");
    }
    assert_eq!(dead_letters(&server), 1);
    wait_empty(&server, "t");
    drop(workers);
}
