//! What people see and do: `heraldd queue`, `/v1/queues`, metrics, `/readyz`, `status`, `check --probe`.

use super::*;

const HOLD: &str = "echo + >>@DIR@/ran; until test -e @DIR@/go; do sleep 0.05; done";

/// The value of a metric of the queue.
fn metric(node: &Node, name: &str, labels: &str) -> Option<u64> {
    let text = node.get("/metrics").text();
    let begin = format!("herald_queue_{name}{{{labels}}} ");
    text.lines().find_map(|line| line.strip_prefix(&begin)?.parse().ok())
}

const TOPIC: &str = "queue=\"main\",topic=\"t\"";

/// An origin, a worker and three messages, of which one runs until the file `go` exists.
struct ThreeMessages {
    _server: RedisServer,
    traces: Traces,
    receiver: Node,
    worker: Node,
    events: Vec<String>,
}

fn three_messages() -> ThreeMessages {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let none = receiver.queue(&[]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{}", none.text());
    let worker = Node::start("b", &worker(&server, ""));
    // Jobs of one server put their messages beside each other: the first one is known once it runs.
    let mut events = vec![receiver.post(&traces.message(HOLD))];
    traces.wait(1);
    events.extend((0..2).map(|_| receiver.post(&traces.message(HOLD))));
    until("two that wait", || {
        let topic = worker.topic("t");
        (topic["waiting"] == 2 && topic["unfinished"] == 1).then_some(())
    });
    ThreeMessages { _server: server, traces, receiver, worker, events }
}

#[test]
fn topics_are_shown() {
    let ThreeMessages { _server, receiver, worker, .. } = three_messages();
    let shown = worker.topic("t");
    assert_eq!(
        (&shown["mode"], &shown["paused"], &shown["dead"]),
        (&json!("compete"), &json!(false), &json!(0))
    );
    assert_eq!(shown["nodes"][0]["node"], "b", "{shown}");
    assert_eq!(worker.get("/v1/queues/main/topics/none").status, 404);
    assert_eq!(worker.get("/v1/queues/none/topics/t").status, 404);
    let all = worker.get("/v1/queues").json();
    assert_eq!(
        (&all["items"][0]["name"], &all["items"][0]["connected"]),
        (&json!("main"), &json!(true)),
        "{all}"
    );
    assert_eq!(all["items"][0]["topics"][0]["topic"], "t");
    for (name, value) in [("waiting", 2), ("unfinished", 1), ("dead", 0), ("redelivered", 0)] {
        assert_eq!(metric(&worker, name, TOPIC), Some(value), "{name}");
    }
    assert!(metric(&worker, "oldest_seconds", TOPIC).is_some());
    assert_eq!(metric(&worker, "connected", "queue=\"main\""), Some(1));

    let listed = receiver.queue(&[]);
    assert_eq!(listed.code, Some(0), "{}", listed.text());
    let row = listed.stdout.lines().nth(1).unwrap();
    assert!(row.split_whitespace().any(|word| word == "t") && row.contains("main"), "{}", listed.stdout);
    let listed = receiver.queue(&["t"]);
    assert!(listed.stdout.contains("\n  b  1 unfinished"), "{}", listed.stdout);
    let json: Value = serde_json::from_str(&receiver.queue(&["--json"]).stdout).unwrap();
    assert_eq!(json["items"][0]["topics"][0]["waiting"], 2);
    for arguments in
        [&["none"][..], &["--queue", "none"], &["show", "none"], &["requeue", "none"], &["forget", "none"]]
    {
        let ended = receiver.queue(arguments);
        assert_eq!(ended.code, Some(4), "{arguments:?}: {}", ended.text());
    }
}

#[test]
fn messages_are_shown() {
    let ThreeMessages { _server, traces, receiver, worker, events } = three_messages();
    let jobs = receiver.jobs("put");
    let of = |event: &String| {
        let job = jobs.iter().find(|job| job["event_id"] == **event || job["trigger_id"] == **event).unwrap();
        job["id"].as_str().unwrap().to_owned()
    };
    // The worker may be about to take it.
    let shown = until("its worker", || {
        let shown = worker.queue(&["show", &of(&events[0])]);
        (shown.code != Some(0) || shown.stdout.contains("Deliveries  1")).then_some(shown)
    });
    assert_eq!(shown.code, Some(0), "{}", shown.text());
    for part in ["Topic       t", "Worker      b", "Origin      a", "Deliveries  1", "until test -e"] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    // At the server that put it, as a job.
    let id = of(&events[2]);
    for part in [&id[..8], &id[24..], "last", "last:put"] {
        let found = receiver.queue(&["show", part]);
        if part.starts_with("last") || found.code == Some(0) {
            assert!(found.stdout.contains(&format!("Message     {id}")), "{part}: {}", found.text());
        } else {
            assert!(found.stderr.contains("ambiguous"), "{part}: {}", found.text());
        }
    }
    let shown = worker.queue(&["show", &of(&events[2])]);
    assert!(shown.stdout.contains("waiting") && shown.stdout.contains("Deliveries  0"), "{}", shown.stdout);
    traces.0.write("go", "");
    for event in &events {
        assert_eq!(receiver.done(event)["success"], true);
    }
    let shown = worker.queue(&["show", &of(&events[2])]);
    assert!(shown.stdout.contains("succeeded"), "{}", shown.stdout);
}

#[test]
fn a_topic_is_paused_for_all_workers() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "", ""));
    let workers = ["b", "c"].map(|name| Node::start(name, &worker(&server, "")));
    let event = receiver.post(&traces.message("echo 1 >>@DIR@/ran"));
    receiver.done(&event);
    traces.wait(1);
    let paused = receiver.queue(&["pause", "t", "--reason", "a test"]);
    assert_eq!((paused.code, paused.stdout.trim()), (Some(0), "t is paused"), "{}", paused.text());
    receiver.post(&traces.message("echo 2 >>@DIR@/ran"));
    stays(Duration::from_secs(2), "paused", || traces.ran().len() == 1);
    let topic = workers[0].topic("t");
    assert_eq!(
        (&topic["paused"], &topic["pause"]["by"]["reason"]),
        (&true.into(), &"a test".into()),
        "{topic}"
    );
    assert!(topic["pause"]["by"]["user"].is_string() && topic["pause"]["since"].is_string(), "{topic}");
    let listed = workers[1].queue(&[]);
    assert!(listed.stdout.contains(" ago by ") && listed.stdout.contains(": a test"), "{}", listed.stdout);
    let id = receiver.jobs("put")[0]["id"].as_str().unwrap().to_owned();
    let shown = receiver.queue(&["show", &id]);
    assert!(shown.stdout.contains("paused"), "{}", shown.stdout);
    // One that nobody knows is a misspelt one.
    for act in ["pause", "resume"] {
        let unknown = receiver.queue(&[act, "tt"]);
        assert_eq!(unknown.code, Some(4), "{}", unknown.text());
        assert!(
            unknown.stderr.contains("there is no topic \"tt\"; did you mean \"t\"?"),
            "{}",
            unknown.text()
        );
    }
    let resumed = receiver.queue(&["resume", "t"]);
    assert_eq!((resumed.code, resumed.stdout.trim()), (Some(0), "t is resumed"), "{}", resumed.text());
    traces.wait(2);
}

#[test]
fn dead_letters_are_listed_and_requeued() {
    let (server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "", ""));
    let worker = Node::start("b", &worker(&server, "requeue: {on: failed, max: 1, delay: 50ms}"));
    let none = worker.queue(&["dead", "t"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{}", none.text());
    for n in 0..4 {
        receiver.post(&traces.message(&format!("test -e @DIR@/go && echo {n} >>@DIR@/ran")));
    }
    until("four dead letters", || (worker.topic("t")["dead"] == 4).then_some(()));
    wait_empty(&server, "t");
    let listed = worker.queue(&["dead", "t"]);
    assert_eq!(listed.stdout.lines().filter(|line| line.contains(" yes ")).count(), 4, "{}", listed.stdout);
    let page = worker.get("/v1/queues/main/topics/t/dead?limit=3").json();
    assert_eq!(page["items"].as_array().unwrap().len(), 3, "{page}");
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = worker.get(&format!("/v1/queues/main/topics/t/dead?limit=3&cursor={cursor}")).json();
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &Value::Null), "{rest}");
    assert_eq!(metric(&worker, "dead", TOPIC), Some(4));

    traces.0.write("go", "");
    let id = page["items"][1]["id"].as_str().unwrap();
    let requeued = worker.queue(&["requeue", id]);
    assert_eq!((requeued.code, requeued.stdout.trim()), (Some(0), "1 requeued"), "{}", requeued.text());
    assert_eq!(traces.wait(1).len(), 1);
    let again = worker.queue(&["requeue", id]);
    assert_eq!(again.code, Some(4), "{}", again.text());
    let requeued = worker.queue(&["requeue", "--all", "t", "--limit", "2"]);
    assert_eq!(requeued.stdout.trim(), "2 requeued", "{}", requeued.text());
    traces.wait(3);
    let requeued = worker.queue(&["requeue", "--all", "t"]);
    assert_eq!(requeued.stdout.trim(), "1 requeued", "{}", requeued.text());
    let mut ran = traces.wait(4);
    ran.sort();
    assert_eq!(ran, ["0", "1", "2", "3"]);
    assert_eq!(worker.queue(&["requeue", "--all", "t"]).stdout.trim(), "0 requeued");
}

#[test]
fn a_queue_that_cannot_be_reached_is_named_everywhere() {
    let mut server = RedisServer::start(&[]);
    server.kill();
    let node = Node::start("a", &origin(&server, "", ""));
    let named = |part: &str| {
        until(part, || {
            let ready = node.get("/readyz");
            assert_eq!(ready.status, 200, "{ready:?}");
            ready.text().contains(part).then_some(())
        });
    };
    named("queue main: unreachable");
    let status = node.command(&["status"]);
    assert_eq!(status.code, Some(0), "{}", status.text());
    let words: Vec<&str> = status.stdout.split_whitespace().collect();
    assert!(words.join(" ").contains("queue main: unreachable"), "{}", status.text());
    let shown = node.queue(&[]);
    assert_eq!(shown.code, Some(1), "{}", shown.text());
    assert!(shown.stderr.contains("queue main cannot be used since"), "{}", shown.text());
    assert_eq!(metric(&node, "connected", "queue=\"main\""), Some(0));
    until("a second", || {
        metric(&node, "unreachable_seconds", "queue=\"main\"").filter(|seconds| *seconds > 0)
    });
    let lines = |node: &Node| node.lines().iter().filter(|line| line.contains("queue")).count();
    stays(Duration::from_secs(2), "it is logged once", || lines(&node) <= 3);
    server.start_again();
    until("the queue", || (metric(&node, "connected", "queue=\"main\"") == Some(1)).then_some(()));
    until("no problem", || (!node.get("/readyz").text().contains("queue main")).then_some(()));
    assert_eq!(metric(&node, "unreachable_seconds", "queue=\"main\""), Some(0));
}

#[test]
fn a_redis_that_is_not_fit_is_not_used() {
    let sync = |server: &RedisServer| origin(server, "", "").replace("sign:", "durable: sync, sign:");
    let plain = |server: &RedisServer| origin(server, "", "");
    type Config<'a> = &'a dyn Fn(&RedisServer) -> String;
    let cases: [(&[&str], Config<'_>, &str); 3] = [
        (&["--maxmemory-policy", "allkeys-lru"], &plain, "maxmemory-policy is allkeys-lru"),
        (&["--appendonly", "no"], &sync, "the server has `appendonly no`"),
        (&[], &sync, "the server has `appendfsync everysec`"),
    ];
    for (flags, config, reason) in cases {
        let (server, place) = (RedisServer::start(flags), Place::new());
        let path = place.config(&config(&server));
        let ended = place.run("heraldd", &["check", "--probe", path.to_str().unwrap()]);
        assert_eq!(ended.code, Some(2), "{}", ended.text());
        assert!(ended.text().contains(reason), "{}", ended.text());
        let ended = place.run("heraldd", &["check", path.to_str().unwrap()]);
        assert_eq!(ended.code, Some(0), "{}", ended.text());
        let ended = place.run("heraldd", &["-config", path.to_str().unwrap()]);
        assert_eq!(ended.code, Some(1), "{}", ended.text());
        assert!(ended.text().contains("queue main") && ended.text().contains(reason), "{}", ended.text());
    }
    let server = RedisServer::start(&["--appendonly", "no"]);
    let node = Node::start("a", &plain(&server));
    node.wait_for(&["appendonly no", "loses messages"]);
    let path = node.config.to_str().unwrap();
    let probed = Place::new().run("heraldd", &["check", "--probe", path]);
    assert!(
        probed.text().contains("probe: warning: queue.main: the server has `appendonly no`"),
        "{}",
        probed.text()
    );
    assert_eq!(probed.code, Some(0), "{}", probed.text());
    let always = RedisServer::start(&["--appendfsync", "always"]);
    Node::start("a", &sync(&always));
}

#[test]
fn a_redis_that_is_not_fit_any_more_is_named() {
    let (mut server, traces) = (RedisServer::start(&[]), Traces::new());
    let receiver = Node::start("a", &origin(&server, "wait: result", ""));
    let worker = Node::start("b", &worker(&server, ""));
    let event = receiver.post(&traces.message("true"));
    receiver.done(&event);
    // It comes back as another one.
    server.kill();
    server.delete_data();
    server.add_flags(&["--maxmemory-policy", "allkeys-lru"]);
    server.start_again();
    let event = receiver.post(&traces.message("echo ran >>@DIR@/ran"));
    until("the problem", || receiver.get("/readyz").text().contains("allkeys-lru").then_some(()));
    stays(Duration::from_secs(2), "not used", || traces.ran().is_empty());
    server.run(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    assert_eq!(receiver.done(&event)["success"], true);
    assert_eq!(traces.ran(), ["ran"]);
    drop(worker);
}

#[test]
fn a_sign_is_required() {
    let server = RedisServer::start(&[]);
    for (sign, part) in [("sign: short", "16 bytes"), ("durable: write", "sign")] {
        let config = origin(&server, "", "").replace(&format!("sign: {SIGN}"), sign);
        let ended = Place::new().check(&config);
        assert_eq!(ended.code, Some(2), "{}", ended.text());
        assert!(ended.text().contains(part) && !ended.text().contains("sign: short"), "{}", ended.text());
    }
}
