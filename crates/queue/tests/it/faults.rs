//! Redis is restarted, emptied, cut off or full: nothing is lost that its origin knows, and nothing runs twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use e2e::redis::{RedisReply, RedisServer};
use herald_queue::{
    ConsumerSettings, Delivery, EndStatus, HoldAnswer, KnownMessage, MessageState, NewMessage, PutAnswer,
    Queue, QueueConsumer, QueueError, RedisQueue, ResultReader,
};

use crate::fixture::{
    LEASE, STREAM, consumer_settings, end, message, messages, next, nothing, one, pause, put, queue,
    renew_one, run, until, worker,
};

/// Puts again what is missing, as an origin does.
async fn put_missing(origin: &RedisQueue, ids: &[String]) {
    let known = origin.compare("t", ids).await.unwrap();
    let missing = |known: &&KnownMessage| known.state == MessageState::Missing;
    for known in known.iter().filter(missing) {
        let again = NewMessage { again: true, reply: true, ..message(&known.id) };
        assert_eq!(origin.put(&again).await.unwrap(), PutAnswer::Accepted);
    }
}

struct Running {
    server: RedisServer,
    origin: RedisQueue,
    results: Box<dyn ResultReader>,
    worker: Box<dyn QueueConsumer>,
    held: Vec<Delivery>,
    ids: Vec<String>,
}

/// Hundred messages, four of which run.
async fn hundred() -> Running {
    let server = RedisServer::start(&[]);
    let (origin, node) = (queue(&server, "origin"), queue(&server, "web1"));
    let ids: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    for id in &ids {
        put(&origin, &NewMessage { reply: true, ..message(id) }).await;
    }
    let worker = worker(&node);
    let mut held = Vec::new();
    while held.len() < 4 {
        held.extend(messages(next(&*worker, 4 - held.len()).await));
    }
    for delivery in &held {
        assert_eq!(worker.start(&delivery.token).await.unwrap(), HoldAnswer::Done);
    }
    let results = origin.results(&["t".to_owned()]).unwrap();
    Running { server, origin, results, worker, held, ids }
}

/// After the fault: everything ends once, by this worker or another.
async fn everything_ends_once(running: Running) {
    let Running { server, origin, results, worker, held, ids } = running;
    let other = queue(&server, "web2");
    let other = crate::fixture::worker(&other);
    let mut runs: BTreeMap<String, u32> = BTreeMap::new();
    let mut ended: BTreeMap<String, u32> = BTreeMap::new();
    let began = Instant::now();
    let mut held = held;
    while ended.len() < 100 {
        assert!(began.elapsed() < Duration::from_secs(30), "{} of 100 ended", ended.len());
        if held.len() == 4 {
            let tokens: Vec<_> = held.iter().map(|delivery| delivery.token.clone()).collect();
            let answers = worker.renew(&tokens).await.unwrap();
            assert!(answers.iter().all(HoldAnswer::is_done), "{answers:?}");
        }
        put_missing(&origin, &ids).await;
        for delivery in messages(other.receive(50).await.unwrap()) {
            assert_eq!(delivery.started_by, None, "{}", delivery.message.id);
            *runs.entry(delivery.message.id.clone()).or_default() += 1;
            run(&*other, &delivery).await;
        }
        if runs.len() > 20 {
            for delivery in held.drain(..) {
                *runs.entry(delivery.message.id.clone()).or_default() += 1;
                let done = worker.done(&delivery.token, &end(EndStatus::Succeeded)).await.unwrap();
                assert_eq!(done, HoldAnswer::Done);
            }
        }
        for result in results.next().await.unwrap() {
            *ended.entry(result.end.id.clone()).or_default() += 1;
            results.acknowledge(&[result.receipt]).await.unwrap();
        }
    }
    assert_eq!(runs.len(), 100);
    assert!(runs.values().all(|count| *count == 1), "{runs:?}");
    assert!(ended.values().all(|count| *count == 1), "{ended:?}");
}

#[tokio::test]
async fn flushall() {
    let running = hundred().await;
    running.server.run(&["FLUSHALL"]);
    everything_ends_once(running).await;
}

#[tokio::test]
async fn the_stream_is_deleted() {
    let running = hundred().await;
    running.server.run(&["DEL", STREAM]);
    everything_ends_once(running).await;
}

/// There is no consumer group that could be destroyed; the keys that stand for it can be deleted.
#[tokio::test]
async fn what_stands_for_the_consumer_group_is_deleted() {
    let running = hundred().await;
    assert!(running.server.ask(&["XINFO", "GROUPS", STREAM]).list().is_empty());
    running.server.run(&["DEL", "{herald:t}:u", "{herald:t}:d", "{herald:t}:m"]);
    everything_ends_once(running).await;
}

#[tokio::test]
async fn the_index_of_what_is_held_is_deleted() {
    let running = hundred().await;
    running.server.run(&["DEL", "{herald:t}:u"]);
    everything_ends_once(running).await;
}

#[tokio::test]
async fn restarted_empty() {
    let mut running = hundred().await;
    running.server.kill();
    running.server.delete_data();
    running.server.start_again();
    reconnected(&running.origin).await;
    until("the worker is connected", async || {
        let token = running.held[0].token.clone();
        running.worker.renew(&[token]).await.ok()
    })
    .await;
    until("the results are read", async || running.results.next().await.ok()).await;
    everything_ends_once(running).await;
}

async fn reconnected(queue: &RedisQueue) {
    until("it is connected again", async || queue.topics().await.ok()).await;
}

#[tokio::test]
async fn restarted_with_its_data() {
    let mut server = RedisServer::start(&["--appendfsync", "always"]);
    let origin = queue(&server, "origin");
    let worker = worker(&origin);
    for id in ["1", "2"] {
        put(&origin, &message(id)).await;
    }
    let held = one(&*worker).await;
    worker.start(&held.token).await.unwrap();
    let connects = origin.status().connects;
    server.kill();
    let gone = origin.put(&message("3")).await.unwrap_err();
    assert!(matches!(gone, QueueError::Unreachable { .. }) && gone.is_temporary(), "{gone}");
    assert!(gone.to_string().contains("redis.sock"), "{gone}");
    let status = origin.status();
    assert!(!status.connected && status.unreachable_since.is_some() && status.problem.is_some());
    assert!(worker.receive(1).await.is_err());
    server.start_again();
    let began = Instant::now();
    reconnected(&origin).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let status = origin.status();
    assert!(status.connected && status.unreachable_since.is_none() && status.connects > connects);
    assert_eq!(renew_one(&*worker, &held).await, HoldAnswer::Done);
    let done = worker.done(&held.token, &end(EndStatus::Succeeded)).await.unwrap();
    assert_eq!(done, HoldAnswer::Done);
    let next = until("the second comes", async || {
        messages(worker.receive(1).await.unwrap_or_default()).into_iter().next()
    });
    let next: Delivery = next.await;
    assert_eq!(next.message.id, "2");
    run(&*worker, &next).await;
}

/// An end that could not be reported is reported when Redis is back, once.
#[tokio::test]
async fn an_end_while_redis_is_down_is_reported_later() {
    let mut server = RedisServer::start(&["--appendfsync", "always"]);
    let origin = queue(&server, "origin");
    put(&origin, &NewMessage { reply: true, ..message("1") }).await;
    let worker = worker(&origin);
    let held = one(&*worker).await;
    worker.start(&held.token).await.unwrap();
    server.kill();
    assert!(worker.done(&held.token, &end(EndStatus::Succeeded)).await.is_err());
    server.start_again();
    let done =
        until("it is reported", async || worker.done(&held.token, &end(EndStatus::Succeeded)).await.ok());
    assert_eq!(done.await, HoldAnswer::Done);
    let results = origin.results(&["t".to_owned()]).unwrap();
    let ends = until("it arrives", async || {
        let ends = results.next().await.unwrap_or_default();
        (!ends.is_empty()).then_some(ends)
    });
    assert_eq!(ends.await.len(), 1);
}

#[tokio::test]
async fn scripts_that_redis_forgot_are_sent_again() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let worker = worker(&origin);
    for n in 0..10 {
        server.run(&["SCRIPT", "FLUSH"]);
        put(&origin, &message(&n.to_string())).await;
        server.run(&["SCRIPT", "FLUSH"]);
        run(&*worker, &one(&*worker).await).await;
    }
}

/// A worker that waits while everything is deleted goes on, and does not spin.
#[tokio::test]
async fn a_waiting_worker_survives_a_flush_without_a_loop() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    put(&origin, &message("0")).await;
    let worker = worker(&origin);
    run(&*worker, &one(&*worker).await).await;
    let calls = || {
        let info = server.ask(&["INFO", "stats"]);
        let line = info.text().lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        line.unwrap().parse::<u64>().unwrap()
    };
    let flush = async {
        pause(Duration::from_millis(50)).await;
        server.run(&["FLUSHALL"]);
    };
    tokio::join!(nothing(&*worker, LEASE / 2), flush);
    server.run(&["DEL", STREAM]);
    let before = calls();
    nothing(&*worker, Duration::from_secs(2)).await;
    // Four looks a second, as with the shortest lease; a script counts each of its commands.
    assert!(calls() - before < 150, "{}", calls() - before);
    put(&origin, &message("1")).await;
    assert_eq!(one(&*worker).await.message.id, "1");
}

/// A worker with the usual lease asks at most twice a second.
#[tokio::test]
async fn an_idle_worker_asks_twice_a_second() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let usual = ConsumerSettings { lease: Duration::from_secs(30), ..consumer_settings() };
    let worker = origin.consumer(usual).unwrap();
    assert!(worker.receive(1).await.unwrap().is_empty());
    server.run(&["CONFIG", "RESETSTAT"]);
    nothing(&*worker, Duration::from_secs(3)).await;
    let info = server.ask(&["INFO", "commandstats"]);
    let calls = |command: &str| {
        let line =
            info.text().lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |line| line.split(',').next().unwrap().parse::<u32>().unwrap())
    };
    let all = calls("evalsha") + calls("eval") + calls("xread") + calls("sadd");
    assert!(all <= 8, "{all} in about 3 s: {}", info.text());
}

#[tokio::test]
async fn out_of_memory_refuses_new_messages_only() {
    let server = RedisServer::start(&["--maxmemory-policy", "noeviction"]);
    let origin = queue(&server, "origin");
    put(&origin, &NewMessage { reply: true, ..message("1") }).await;
    let worker = worker(&origin);
    let held = one(&*worker).await;
    server.run(&["CONFIG", "SET", "maxmemory", "1"]);
    let full = origin.put(&message("2")).await.unwrap_err();
    assert!(matches!(full, QueueError::OutOfMemory { .. }) && full.is_temporary(), "{full}");
    run(&*worker, &held).await;
    server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    put(&origin, &message("2")).await;
    run(&*worker, &one(&*worker).await).await;
}

/// The connection is cut again and again, in the middle of everything.
#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_lose_and_double_nothing() {
    let server = RedisServer::start(&[]);
    let (origin, node) = (queue(&server, "origin"), queue(&server, "web1"));
    let worker = worker(&node);
    let mut started: BTreeMap<String, u32> = BTreeMap::new();
    let mut done = 0;
    for n in 0..30 {
        let id = n.to_string();
        let cut = server.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        assert!(matches!(cut, RedisReply::Number(_)));
        until("it is put", async || origin.put(&message(&id)).await.ok()).await;
        if n % 3 == 0 {
            server.run(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        }
        let delivery = until("it comes", async || {
            messages(worker.receive(1).await.unwrap_or_default()).into_iter().next()
        });
        let delivery: Delivery = delivery.await;
        let token = &delivery.token;
        let answer = until("it starts", async || worker.start(token).await.ok()).await;
        assert_eq!(answer, HoldAnswer::Done);
        *started.entry(delivery.message.id.clone()).or_default() += 1;
        if n % 5 == 0 {
            server.run(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        }
        let answer =
            until("it ends", async || worker.done(token, &end(EndStatus::Succeeded)).await.ok()).await;
        assert_eq!(answer, HoldAnswer::Done);
        done += 1;
    }
    assert_eq!((started.len(), done), (30, 30));
    assert!(started.values().all(|count| *count == 1));
}
