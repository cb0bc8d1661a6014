//! What people see and change.

use std::time::Duration;

use e2e::redis::RedisServer;
use herald_queue::{DeadReason, HoldAnswer, MessageState, NewMessage, Queue};

use crate::fixture::{message, messages, next, one, put, queue, run, worker};

#[tokio::test]
async fn topics_and_messages() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    assert!(origin.topics().await.unwrap().is_empty());
    put(&origin, &NewMessage { topic: "other".to_owned(), ..message("x") }).await;
    for id in ["1", "2", "3"] {
        put(&origin, &message(id)).await;
    }
    put(&origin, &NewMessage { delay: Duration::from_secs(60), ..message("4") }).await;
    assert_eq!(origin.topics().await.unwrap(), ["other", "t"]);
    let node = queue(&server, "web1");
    let worker = worker(&node);
    let held = messages(next(&*worker, 2).await);
    worker.start(&held[0].token).await.unwrap();
    // It looks at the delayed one, too.
    assert_eq!(worker.receive(2).await.unwrap().len(), 1);
    let status = origin.topic("t").await.unwrap();
    assert_eq!((status.waiting, status.delayed, status.unfinished), (0, 1, 3));
    assert_eq!((status.mode.as_deref(), status.dead, status.finished), (Some("compete"), 0, 0));
    assert!(status.oldest.is_some_and(|age| age < Duration::from_secs(10)));
    let nodes: Vec<_> = status.nodes.iter().map(|view| (view.node.as_str(), view.unfinished)).collect();
    assert_eq!(nodes, [("web1", 3)]);
    let view = origin.show("1").await.unwrap().remove(0);
    let held_by = MessageState::Held { node: "web1".to_owned(), started: true };
    assert_eq!((view.topic.as_str(), view.known.state, view.deliveries), ("t", held_by, 1));
    assert!(view.lease_until.is_some() && view.message.unwrap().unwrap().id == "1");
    let view = origin.show("4").await.unwrap().remove(0);
    assert!(matches!(view.known.state, MessageState::Delayed(_)));
    assert!(origin.show("none").await.unwrap().is_empty());
    assert_eq!(origin.topic("unknown").await.unwrap().waiting, 0);
}

#[tokio::test]
async fn dead_letters_are_put_back() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let worker = worker(&origin);
    for id in ["1", "2", "3"] {
        put(&origin, &NewMessage { key: Some("k".to_owned()), ..message(id) }).await;
        let held = one(&*worker).await;
        worker.start(&held.token).await.unwrap();
        let reason = DeadReason::Other("it does not work".to_owned());
        assert_eq!(worker.dead(&held.token, &reason).await.unwrap(), HoldAnswer::Done);
    }
    assert_eq!(origin.topic("t").await.unwrap().dead, 3);
    let first = origin.dead_letters("t", None, 2).await.unwrap();
    let rest = origin.dead_letters("t", Some(&first[1].entry), 2).await.unwrap();
    assert_eq!((first.len(), rest.len(), rest[0].id.as_str()), (2, 1, "3"));
    assert_eq!((first[0].reason.as_str(), first[0].node.as_str()), ("it does not work", "origin"));
    let state = origin.show("1").await.unwrap().remove(0).known.state;
    assert_eq!(state, MessageState::Dead { reason: "it does not work".to_owned() });
    assert!(origin.requeue_dead(&first[0]).await.unwrap());
    assert!(!origin.requeue_dead(&first[0]).await.unwrap());
    let again = one(&*worker).await;
    assert_eq!((again.message.id.as_str(), again.attempt, again.deliveries), ("1", 2, 0));
    run(&*worker, &again).await;
    assert_eq!(origin.topic("t").await.unwrap().dead, 2);
    assert!(origin.dead_letters("t", Some("x"), 1).await.is_err());
}

#[tokio::test]
async fn a_forgotten_worker_gives_back_what_it_had() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    put(&origin, &message("1")).await;
    let gone = queue(&server, "gone");
    one(&*worker(&gone)).await;
    let forgotten = origin.forget("gone").await.unwrap();
    assert_eq!((forgotten.topics, forgotten.released), (1, 1));
    let consumer = worker(&origin);
    run(&*consumer, &one(&*consumer).await).await;
    assert!(origin.topic("t").await.unwrap().nodes.iter().all(|view| view.node != "gone"));
    assert_eq!(origin.forget("gone").await.unwrap().topics, 0);
}

/// Thousands of messages and restarts leave nothing behind but markers, which expire.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_behind() {
    let server = RedisServer::start(&["--appendfsync", "no"]);
    let origin = queue(&server, "origin");
    let used = || {
        let info = server.ask(&["INFO", "memory"]);
        let line = info.text().lines().find_map(|line| line.strip_prefix("used_memory:"));
        line.unwrap().parse::<f64>().unwrap()
    };
    let round = async |n: u32| {
        let node = queue(&server, "web1");
        let worker = worker(&node);
        for m in 0..50 {
            let short = NewMessage { marker_ttl: Duration::from_millis(1), ..message(&format!("{n}-{m}")) };
            put(&origin, &short).await;
        }
        let mut left = 50;
        while left > 0 {
            for delivery in messages(next(&*worker, 50).await) {
                run(&*worker, &delivery).await;
                left -= 1;
            }
        }
    };
    for n in 0..3 {
        round(n).await;
    }
    let before = used();
    for n in 3..40 {
        round(n).await;
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(used() < before * 1.05, "{before} {}", used());
    // The set of topics, the hash of this topic, its empty stream.
    let keys = server.ask(&["KEYS", "*"]);
    assert!(keys.list().len() <= 4, "{keys:?}");
    assert_eq!(server.ask(&["XLEN", "{herald:t}:s"]).number(), 0);
}
