//! A message is taken back before a worker has it.

use std::time::Duration;

use e2e::redis::RedisServer;
use herald_queue::{
    EndStatus, HoldAnswer, MessageState, NewMessage, OriginError, PutAnswer, PutPolicy, Queue, QueueOrigin,
    RedisQueue, Withdrawal,
};
use tokio_util::sync::CancellationToken;

use crate::fixture::{
    consumer_settings, end, every, keyed, message, nothing, one, put, queue, renew_one, run, worker,
};

const REMEMBER: Duration = Duration::from_secs(60);

async fn withdraw(queue: &RedisQueue, id: &str) -> Withdrawal {
    queue.withdraw("t", id, REMEMBER).await.unwrap()
}

async fn state(queue: &RedisQueue, id: &str) -> MessageState {
    queue.compare("t", &[id.to_owned()]).await.unwrap().remove(0).state
}

#[tokio::test]
async fn what_no_worker_has_is_taken_back_for_good() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let worker = worker(&origin);
    // Seen by a worker, delayed, behind another of its key, and not seen by any.
    let delay = Duration::from_secs(60);
    let all = [
        NewMessage { delay, ..message("delayed") },
        NewMessage { delay, ..keyed("first", "a") },
        keyed("behind", "a"),
        message("plain"),
    ];
    for message in &all[..3] {
        put(&origin, message).await;
    }
    nothing(&*worker, Duration::from_millis(100)).await;
    put(&origin, &all[3]).await;
    for message in [&all[2], &all[0], &all[1], &all[3]] {
        for _ in 0..2 {
            assert_eq!(withdraw(&origin, &message.id).await, Withdrawal::Withdrawn, "{}", message.id);
        }
        assert_eq!(state(&origin, &message.id).await, MessageState::Withdrawn);
        assert!(matches!(origin.put(message).await.unwrap(), PutAnswer::AlreadyKnown(_)), "{}", message.id);
    }
    nothing(&*worker, Duration::from_millis(300)).await;
    assert_eq!(server.ask(&["XLEN", "{herald:t}:s"]).number(), 0);
    for key in ["{herald:t}:u", "{herald:t}:d"] {
        assert_eq!(server.ask(&["ZCARD", key]).number(), 0, "{key}");
    }
    assert!((1..=60_000).contains(&server.ask(&["PTTL", "{herald:t}:job:plain"]).number()));
    // The lane is free.
    put(&origin, &keyed("next", "a")).await;
    run(&*worker, &one(&*worker).await).await;
}

#[tokio::test]
async fn what_a_worker_has_or_had_stays() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let worker = worker(&origin);
    put(&origin, &message("1")).await;
    let delivery = one(&*worker).await;
    assert_eq!(withdraw(&origin, "1").await, Withdrawal::Taken);
    worker.start(&delivery.token).await.unwrap();
    assert_eq!(withdraw(&origin, "1").await, Withdrawal::Taken);
    // Between two attempts nobody has it.
    worker.requeue(&delivery.token, Duration::from_secs(60)).await.unwrap();
    assert_eq!(withdraw(&origin, "1").await, Withdrawal::Withdrawn);
    put(&origin, &message("2")).await;
    run(&*worker, &one(&*worker).await).await;
    assert_eq!(withdraw(&origin, "2").await, Withdrawal::Taken);
}

#[tokio::test]
async fn a_put_that_comes_after_it_counts_for_nothing() {
    let server = RedisServer::start(&[]);
    let queue = std::sync::Arc::new(queue(&server, "origin"));
    assert_eq!(withdraw(&queue, "1").await, Withdrawal::Withdrawn);
    let origin = QueueOrigin::new(queue.clone());
    let stop = CancellationToken::new();
    let late = origin.put(&message("1"), PutPolicy::WAIT, &stop).await;
    assert_eq!(late.unwrap_err(), OriginError::Withdrawn);
    // Nor does a worker whose message Redis forgot meanwhile.
    put(&queue, &message("2")).await;
    let worker = queue.consumer(consumer_settings()).unwrap();
    let held = one(&*worker).await;
    worker.start(&held.token).await.unwrap();
    server.run(&["FLUSHALL"]);
    assert_eq!(withdraw(&queue, "2").await, Withdrawal::Withdrawn);
    let lost = HoldAnswer::Lost { owner: None };
    assert_eq!(renew_one(&*worker, &held).await, lost);
    assert_eq!(worker.done(&held.token, &end(EndStatus::Succeeded)).await.unwrap(), lost);
    // A forged mark is not believed.
    server.run(&["HSET", "{herald:t}:job:3", "w", "1"]);
    put(&queue, &message("3")).await;
}

#[tokio::test]
async fn with_mode_every_no_node_misses_it() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let [one_node, other] = ["web1", "web2"].map(|node| queue(&server, node));
    let (first, second) = (every(&one_node), every(&other));
    nothing(&*first, Duration::from_millis(50)).await;
    nothing(&*second, Duration::from_millis(50)).await;
    put(&origin, &message("1")).await;
    put(&origin, &message("2")).await;
    assert_eq!(withdraw(&origin, "1").await, Withdrawal::Withdrawn);
    let delivery = one(&*first).await;
    assert_eq!((delivery.message.id.as_str(), withdraw(&origin, "2").await), ("2", Withdrawal::Taken));
    run(&*first, &delivery).await;
    assert_eq!(withdraw(&origin, "2").await, Withdrawal::Taken);
    run(&*second, &one(&*second).await).await;
    nothing(&*second, Duration::from_millis(300)).await;
}
