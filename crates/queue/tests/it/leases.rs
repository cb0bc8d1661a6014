//! Leases: renewed, lost, taken over; and everything a worker says that lost its lease is refused.

use std::time::{Duration, Instant};

use e2e::redis::RedisServer;
use herald_queue::{ConsumerSettings, EndStatus, HoldAnswer, MessageState, NewMessage, PutAnswer, Queue};

use crate::fixture::{
    LEASE, consumer_settings, end, message, messages, next, nothing, one, pause, put, queue, renew_one, run,
    until, worker,
};

fn lost_to(node: &str) -> HoldAnswer {
    HoldAnswer::Lost { owner: Some(node.to_owned()) }
}

#[tokio::test]
async fn a_message_whose_worker_died_before_the_start_is_delivered_again() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    put(&origin, &message("1")).await;
    let dead = worker(&origin);
    one(&*dead).await;
    drop(dead);
    let other = queue(&server, "web2");
    let other = worker(&other);
    let began = Instant::now();
    let delivery = one(&*other).await;
    assert!(began.elapsed() < LEASE * 3, "{:?}", began.elapsed());
    assert_eq!((delivery.deliveries, delivery.attempt, &delivery.started_by), (0, 1, &None));
    run(&*other, &delivery).await;
    assert_eq!(origin.topic("t").await.unwrap().redelivered, 1);
}

#[tokio::test]
async fn a_message_whose_worker_died_after_the_start_says_so() {
    let server = RedisServer::start(&[]);
    let (origin, dead) = (queue(&server, "origin"), queue(&server, "web1"));
    put(&origin, &message("1")).await;
    let dead = worker(&dead);
    let first = one(&*dead).await;
    assert_eq!(dead.start(&first.token).await.unwrap(), HoldAnswer::Done);
    let other = queue(&server, "web2");
    let other = worker(&other);
    let delivery = one(&*other).await;
    let started_by = delivery.started_by.clone().expect("it was started");
    assert_eq!((started_by.node.as_str(), delivery.deliveries, delivery.attempt), ("web1", 1, 1));
    // The first wakes up, and is refused in everything.
    assert_eq!(renew_one(&*dead, &first).await, lost_to("web2"));
    assert_eq!(dead.start(&first.token).await.unwrap(), lost_to("web2"));
    assert_eq!(dead.requeue(&first.token, LEASE).await.unwrap(), lost_to("web2"));
    assert_eq!(dead.release(std::slice::from_ref(&first.token)).await.unwrap(), [lost_to("web2")]);
    let late = dead.done(&first.token, &end(EndStatus::Succeeded)).await.unwrap();
    assert_eq!(late, lost_to("web2"));
    // The second runs it again, as another attempt.
    assert_eq!(other.requeue(&delivery.token, Duration::ZERO).await.unwrap(), HoldAnswer::Done);
    let again = one(&*other).await;
    assert_eq!((again.attempt, again.deliveries, &again.started_by), (2, 1, &None));
    run(&*other, &again).await;
    let late = dead.done(&first.token, &end(EndStatus::Failed)).await.unwrap();
    assert_eq!(late, lost_to("web2"), "it has ended it");
    let known = origin.compare("t", &["1".to_owned()]).await.unwrap().remove(0);
    assert_eq!((known.state, known.ends[0].status), (MessageState::Ended, EndStatus::Succeeded));
    assert_eq!((known.ends[0].attempt, known.ends[0].deliveries), (2, 2));
}

/// The origin must not wait for a place to hear that the job is lost.
#[tokio::test]
async fn without_a_free_place_a_worker_gets_what_a_dead_one_started_and_nothing_else() {
    let server = RedisServer::start(&[]);
    let (origin, dead) = (queue(&server, "origin"), queue(&server, "web1"));
    for id in ["1", "2", "3"] {
        put(&origin, &message(id)).await;
    }
    let dead = worker(&dead);
    let first = one(&*dead).await;
    assert_eq!(dead.start(&first.token).await.unwrap(), HoldAnswer::Done);
    let second = one(&*dead).await;
    assert_eq!((&*first.message.id, &*second.message.id), ("1", "2"));
    drop(dead);
    let other = queue(&server, "web2");
    let other = worker(&other);
    let looked =
        until("its lease ends", async || messages(other.look().await.unwrap()).into_iter().next()).await;
    assert_eq!(looked.message.id, "1");
    assert_eq!(looked.started_by.as_ref().map(|by| &*by.node), Some("web1"));
    let done = other.done(&looked.token, &end(EndStatus::Lost)).await.unwrap();
    assert_eq!(done, HoldAnswer::Done);
    for _ in 0..8 {
        assert!(messages(other.look().await.unwrap()).is_empty(), "the others need a place");
        tokio::time::sleep(LEASE / 4).await;
    }
    let known = origin.compare("t", &["1".to_owned()]).await.unwrap().remove(0);
    assert_eq!((known.state, known.ends[0].status), (MessageState::Ended, EndStatus::Lost));
}

#[tokio::test]
async fn a_renewed_lease_outlives_many_leases() {
    let server = RedisServer::start(&[]);
    let (origin, other) = (queue(&server, "origin"), queue(&server, "web2"));
    put(&origin, &message("1")).await;
    let (holder, other) = (worker(&origin), worker(&other));
    let delivery = one(&*holder).await;
    holder.start(&delivery.token).await.unwrap();
    let began = Instant::now();
    while began.elapsed() < LEASE * 3 {
        assert_eq!(renew_one(&*holder, &delivery).await, HoldAnswer::Done);
        nothing(&*other, LEASE / 4).await;
    }
    let done = holder.done(&delivery.token, &end(EndStatus::Succeeded)).await.unwrap();
    assert_eq!(done, HoldAnswer::Done);
}

/// The clock goes on while Redis is stopped: the lease of a living worker must not end by that.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_takes_no_lease() {
    let server = RedisServer::start(&[]);
    let (origin, other) = (queue(&server, "origin"), queue(&server, "web2"));
    put(&origin, &message("1")).await;
    let (holder, other) = (worker(&origin), worker(&other));
    let delivery = one(&*holder).await;
    holder.start(&delivery.token).await.unwrap();
    // The other asks all the time, also in the moment in which Redis goes on.
    let asking = tokio::spawn(async move {
        let began = Instant::now();
        while began.elapsed() < LEASE * 4 {
            assert!(other.receive(1).await.unwrap().is_empty(), "it was taken");
        }
    });
    pause(LEASE).await;
    assert_eq!(renew_one(&*holder, &delivery).await, HoldAnswer::Done);
    server.freeze();
    pause(LEASE * 2 - Duration::from_millis(200)).await;
    server.thaw();
    for _ in 0..3 {
        assert_eq!(renew_one(&*holder, &delivery).await, HoldAnswer::Done);
        pause(LEASE / 3).await;
    }
    asking.await.unwrap();
    run(&*holder, &delivery).await;
}

/// A worker with a long lease is not robbed by one with a short lease.
#[tokio::test]
async fn leases_of_different_lengths() {
    let server = RedisServer::start(&[]);
    let (origin, other) = (queue(&server, "origin"), queue(&server, "web2"));
    put(&origin, &message("1")).await;
    let long = ConsumerSettings { lease: Duration::from_secs(30), ..consumer_settings() };
    let holder = origin.consumer(long).unwrap();
    let delivery = one(&*holder).await;
    let other = worker(&other);
    nothing(&*other, LEASE * 2).await;
    run(&*holder, &delivery).await;
}

/// A process that was started again has the same name, and gets at once what it had.
#[tokio::test]
async fn a_restarted_worker_takes_back_its_own() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    for id in ["1", "2", "3"] {
        put(&origin, &message(id)).await;
    }
    let before = queue(&server, "web1");
    let held = messages(next(&*worker(&before), 3).await);
    let first = worker(&before);
    first.start(&held[0].token).await.unwrap();
    // Another consumer of the same process takes nothing back.
    nothing(&*worker(&before), Duration::from_millis(300)).await;
    let again = queue(&server, "web1");
    let again = worker(&again);
    let began = Instant::now();
    let one_of_them = one(&*again).await;
    let mut all = messages(next(&*again, 5).await);
    all.push(one_of_them);
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(all.len(), 3);
    let started: Vec<_> = all.iter().filter(|delivery| delivery.started_by.is_some()).collect();
    assert_eq!((started.len(), started[0].message.id.as_str()), (1, "1"));
    assert_eq!(renew_one(&*first, &held[0]).await, lost_to("web1"));
}

/// The clock of Redis jumps by an hour: simulated by leases that ended an hour ago and a clock that was read then.
#[tokio::test]
async fn a_clock_that_jumps_takes_no_lease() {
    let server = RedisServer::start(&[]);
    let (origin, other) = (queue(&server, "origin"), queue(&server, "web2"));
    put(&origin, &message("1")).await;
    let (holder, other) = (worker(&origin), worker(&other));
    let delivery = one(&*holder).await;
    holder.start(&delivery.token).await.unwrap();
    nothing(&*other, LEASE).await;
    assert_eq!(renew_one(&*holder, &delivery).await, HoldAnswer::Done);
    let entry = server.ask(&["ZRANGE", "{herald:t}:u", "0", "0"]).list()[0].text().to_owned();
    server.run(&["ZADD", "{herald:t}:u", "1000", &entry]);
    server.run(&["HSET", "{herald:t}:job:1", "u", "1000"]);
    server.run(&["HSET", "{herald:t}:m", "beat", "1000", "steady", "1000"]);
    nothing(&*other, LEASE / 2).await;
    assert_eq!(renew_one(&*holder, &delivery).await, HoldAnswer::Done);
    nothing(&*other, LEASE / 2).await;
    run(&*holder, &delivery).await;
}

/// An origin that crashed between the put and its record puts again.
#[tokio::test]
async fn a_repeated_put_runs_nothing_twice() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let again = NewMessage { again: true, ..message("1") };
    put(&origin, &message("1")).await;
    assert!(matches!(origin.put(&again).await.unwrap(), PutAnswer::AlreadyKnown(_)));
    let worker = worker(&origin);
    run(&*worker, &one(&*worker).await).await;
    assert!(matches!(origin.put(&again).await.unwrap(), PutAnswer::AlreadyKnown(_)));
    let empty = until("nothing comes", async || Some(worker.receive(1).await.unwrap().is_empty())).await;
    assert!(empty);
}
