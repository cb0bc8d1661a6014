//! One of all workers gets a message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use e2e::redis::RedisServer;
use herald_queue::{
    ConsumerSettings, DeadReason, Delivery, EndStatus, HoldAnswer, MessageState, NewMessage, PausedBy,
    PutAnswer, Queue, QueueConsumer, Received, RejectedMessage,
};
use serde_json::json;

use crate::fixture::{
    consumer_settings, end, message, messages, next, nothing, one, pause, put, queue, run, until, within,
    worker,
};

#[tokio::test]
async fn a_message_is_delivered_with_everything_it_says() {
    let server = RedisServer::start(&[]);
    let (origin, node) = (queue(&server, "origin"), queue(&server, "web1"));
    let given = NewMessage { key: Some("a".to_owned()), seal: true, chain_depth: 3, ..message("1") };
    put(&origin, &given).await;
    let worker = worker(&node);
    let delivery = one(&*worker).await;
    let read = &delivery.message;
    assert_eq!((read.id.as_str(), read.origin.as_str(), read.event.as_str()), ("1", "origin", "event"));
    assert_eq!((read.param.clone(), read.sealed, read.chain_depth), (json!({"shell": "make 1"}), true, 3));
    assert_eq!((delivery.deliveries, delivery.attempt, &delivery.started_by), (0, 1, &None));
    run(&*worker, &delivery).await;
    assert_eq!(server.ask(&["XLEN", "{herald:t}:s"]).number(), 0);
    // Saying it again changes nothing.
    let again = worker.done(&delivery.token, &end(EndStatus::Succeeded)).await.unwrap();
    assert_eq!(again, HoldAnswer::Done);
}

#[tokio::test]
async fn an_id_is_put_once() {
    let server = RedisServer::start(&[]);
    let (origin, node) = (queue(&server, "origin"), queue(&server, "web1"));
    put(&origin, &message("1")).await;
    let state = async |expected: MessageState| match origin.put(&message("1")).await.unwrap() {
        PutAnswer::AlreadyKnown(known) => {
            assert_eq!(known.state, expected);
            known.ends
        }
        other => panic!("{other:?}"),
    };
    state(MessageState::Waiting).await;
    let worker = worker(&node);
    let delivery = one(&*worker).await;
    let held = |started| MessageState::Held { node: "web1".to_owned(), started };
    state(held(false)).await;
    worker.start(&delivery.token).await.unwrap();
    state(held(true)).await;
    worker.done(&delivery.token, &end(EndStatus::Failed)).await.unwrap();
    let ends = state(MessageState::Ended).await;
    assert_eq!((ends[0].status, ends[0].node.as_str(), ends[0].deliveries), (EndStatus::Failed, "web1", 1));
    nothing(&*worker, Duration::from_millis(600)).await;
}

#[tokio::test]
async fn a_full_topic_is_full_until_a_message_ends() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let small = |id: &str| NewMessage { max_length: 2, ..message(id) };
    put(&origin, &small("1")).await;
    put(&origin, &small("2")).await;
    assert_eq!(origin.put(&small("3")).await.unwrap(), PutAnswer::Full { length: 2 });
    let worker = worker(&origin);
    run(&*worker, &one(&*worker).await).await;
    put(&origin, &small("3")).await;
}

#[tokio::test]
async fn one_worker_with_one_place_gets_them_in_order() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    for n in 0..50 {
        put(&origin, &message(&n.to_string())).await;
    }
    let worker = worker(&origin);
    for n in 0..50 {
        let delivery = one(&*worker).await;
        assert_eq!(delivery.message.id, n.to_string());
        run(&*worker, &delivery).await;
    }
}

#[tokio::test]
async fn topics_are_served_by_priority() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    for (id, topic) in [("1", "low"), ("2", "low"), ("3", "high"), ("4", "high")] {
        put(&origin, &NewMessage { topic: topic.to_owned(), ..message(id) }).await;
    }
    let topics = vec!["high".to_owned(), "low".to_owned()];
    let worker = origin.consumer(ConsumerSettings { topics, ..consumer_settings() }).unwrap();
    let ids = |received| messages(received).iter().map(|d| d.message.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(next(&*worker, 3).await), ["3", "4", "1"]);
    assert_eq!(ids(next(&*worker, 3).await), ["2"]);
}

/// Receives and runs until all are done; the ids in the order of their starts.
async fn work(worker: Box<dyn QueueConsumer>, left: Arc<AtomicUsize>) -> Vec<String> {
    let mut ids = Vec::new();
    while left.load(Ordering::SeqCst) > 0 {
        let received = messages(worker.receive(4).await.unwrap());
        assert!(received.len() <= 4, "more than there are places");
        for delivery in received {
            assert_eq!(worker.start(&delivery.token).await.unwrap(), HoldAnswer::Done);
            ids.push(delivery.message.id.clone());
            let done = worker.done(&delivery.token, &end(EndStatus::Succeeded)).await.unwrap();
            assert_eq!(done, HoldAnswer::Done);
            left.fetch_sub(1, Ordering::SeqCst);
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn many_messages_run_once_each_over_all_workers() {
    let server = RedisServer::start(&[]);
    let origin = Arc::new(queue(&server, "origin"));
    let left = Arc::new(AtomicUsize::new(1000));
    let workers: Vec<_> = (0..3)
        .map(|n| {
            let node = queue(&server, &format!("web{n}"));
            tokio::spawn(work(worker(&node), left.clone()))
        })
        .collect();
    for n in 0..1000 {
        put(&origin, &message(&n.to_string())).await;
    }
    let mut all = Vec::new();
    for worker in workers {
        let ids = within(Duration::from_secs(60), worker).await.unwrap();
        assert!(!ids.is_empty(), "a worker was never used");
        all.extend(ids);
    }
    assert_eq!(all.len(), 1000);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 1000);
    // Nothing is left but markers, which expire.
    for key in ["{herald:t}:s", "{herald:t}:dead"] {
        assert_eq!(server.ask(&["XLEN", key]).number(), 0);
    }
    for key in ["{herald:t}:u", "{herald:t}:d"] {
        assert_eq!(server.ask(&["ZCARD", key]).number(), 0);
    }
    assert!(server.ask(&["PTTL", "{herald:t}:job:0"]).number() <= 60_000);
}

#[tokio::test]
async fn delays_hold_and_survive_the_death_of_every_worker() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let began = Instant::now();
    put(&origin, &NewMessage { delay: Duration::from_millis(1500), ..message("1") }).await;
    put(&origin, &message("2")).await;
    let first = worker(&origin);
    run(&*first, &one(&*first).await).await;
    nothing(&*first, Duration::from_millis(300)).await;
    let status = origin.topic("t").await.unwrap();
    assert_eq!((status.delayed, status.waiting), (1, 0));
    drop(first);
    let second = queue(&server, "web2");
    let second = worker(&second);
    let delivery = one(&*second).await;
    assert_eq!(delivery.message.id, "1");
    let took = began.elapsed();
    assert!(Duration::from_millis(1500) <= took && took < Duration::from_millis(2600), "{took:?}");
}

#[tokio::test]
async fn requeues_count_attempts_and_starts() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    put(&origin, &NewMessage { attempt: 2, ..message("1") }).await;
    let worker = worker(&origin);
    for (attempt, deliveries) in [(2, 0), (3, 1), (4, 2)] {
        let delivery = one(&*worker).await;
        assert_eq!((delivery.attempt, delivery.deliveries), (attempt, deliveries));
        assert_eq!(delivery.started_by, None);
        assert_eq!(worker.start(&delivery.token).await.unwrap(), HoldAnswer::Done);
        let delay = Duration::from_millis(300);
        let began = Instant::now();
        assert_eq!(worker.requeue(&delivery.token, delay).await.unwrap(), HoldAnswer::Done);
        assert_eq!(worker.requeue(&delivery.token, delay).await.unwrap(), HoldAnswer::Done);
        // The old token is worth nothing.
        let late = worker.done(&delivery.token, &end(EndStatus::Succeeded)).await.unwrap();
        assert_eq!(late, HoldAnswer::Lost { owner: None });
        let due = until("it is delayed", async || match &origin.show("1").await.unwrap()[0].known.state {
            MessageState::Delayed(_) => Some(()),
            _ => None,
        });
        due.await;
        assert!(began.elapsed() < delay);
    }
}

#[tokio::test]
async fn what_is_started_too_often_is_dead() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    put(&origin, &message("bad")).await;
    put(&origin, &message("good")).await;
    let worker = origin.consumer(ConsumerSettings { max_deliveries: 3, ..consumer_settings() }).unwrap();
    for _ in 0..3 {
        let delivery = until("it comes", async || {
            messages(worker.receive(1).await.unwrap()).into_iter().find(|d| d.message.id == "bad")
        });
        let delivery: Delivery = delivery.await;
        worker.start(&delivery.token).await.unwrap();
        worker.requeue(&delivery.token, Duration::ZERO).await.unwrap();
    }
    let received = next(&*worker, 1).await;
    let expected = DeadReason::Deliveries(3);
    assert!(
        matches!(&received[0], Received::Dead { id, reason, .. } if id == "bad" && *reason == expected),
        "{received:?}"
    );
    let letters = origin.dead_letters("t", None, 10).await.unwrap();
    assert_eq!((letters.len(), letters[0].id.as_str()), (1, "bad"));
    run(&*worker, &one(&*worker).await).await;
}

#[tokio::test]
async fn what_is_too_old_is_dead() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    put(&origin, &NewMessage { max_age: Some(Duration::from_millis(50)), ..message("1") }).await;
    pause(Duration::from_millis(100)).await;
    let received = next(&*worker(&origin), 1).await;
    let expected = DeadReason::Rejected(RejectedMessage::TooOld);
    assert!(matches!(&received[0], Received::Dead { reason, .. } if *reason == expected), "{received:?}");
}

#[tokio::test]
async fn released_messages_are_had_by_others_at_once() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    for n in 0..8 {
        put(&origin, &message(&n.to_string())).await;
    }
    let (first, second) = (worker(&origin), queue(&server, "web2"));
    let second = worker(&second);
    let held = messages(next(&*first, 8).await);
    assert_eq!(held.len(), 8);
    // A waiting worker is woken.
    let tokens: Vec<_> = held.iter().map(|delivery| delivery.token.clone()).collect();
    let release = async {
        pause(Duration::from_millis(100)).await;
        let answers = first.release(&tokens).await.unwrap();
        assert!(answers.iter().all(HoldAnswer::is_done));
        Instant::now()
    };
    let (received, began) = tokio::join!(next(&*second, 8), release);
    assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
    let received = messages(received);
    let ids: Vec<&str> = received.iter().map(|d| d.message.id.as_str()).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    assert!(received.iter().all(|delivery| delivery.deliveries == 0 && delivery.started_by.is_none()));
    run(&*second, &received[0]).await;
}

#[tokio::test]
async fn a_dropped_call_loses_nothing() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let worker = worker(&origin);
    let mut seen = BTreeMap::new();
    for n in 0..100 {
        // Dropped at another moment each time, also while it takes.
        let span = Duration::from_micros(n * 37 % 1500);
        let id = n.to_string();
        put(&origin, &message(&id)).await;
        if let Ok(received) = tokio::time::timeout(span, worker.receive(2)).await {
            for delivery in messages(received.unwrap()) {
                *seen.entry(delivery.message.id).or_insert(0) += 1;
            }
        }
    }
    while seen.len() < 100 {
        for delivery in messages(next(&*worker, 10).await) {
            assert_eq!(delivery.deliveries, 0);
            *seen.entry(delivery.message.id).or_insert(0) += 1;
        }
    }
    assert!(seen.values().all(|count| *count == 1), "{seen:?}");
}

#[tokio::test]
async fn a_paused_topic_delivers_nothing_until_it_is_resumed() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let worker = worker(&origin);
    let by = PausedBy {
        user: Some("anna".to_owned()),
        via: "page".to_owned(),
        address: None,
        reason: Some("a \"reason\" – ü".to_owned()),
    };
    origin.set_paused("t", Some(&by)).await.unwrap();
    put(&origin, &message("1")).await;
    nothing(&*worker, Duration::from_millis(700)).await;
    let pause = origin.topic("t").await.unwrap().pause.unwrap();
    assert_eq!(pause.by, Some(by), "who paused it is kept for every server");
    assert!(pause.since.is_some_and(|since| since > 1_700_000_000_000), "{pause:?}");
    // Who has no key cannot say who it was.
    server.run(&["HSET", "{herald:t}:m", "paused_by", r#"{"via":"page","user":"root"}"#]);
    let pause = origin.topic("t").await.unwrap().pause.unwrap();
    assert_eq!(pause.by, None);
    origin.set_paused("t", None).await.unwrap();
    assert_eq!(origin.topic("t").await.unwrap().pause, None);
    run(&*worker, &one(&*worker).await).await;
}
