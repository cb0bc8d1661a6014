//! Messages with one key run one at a time and in order, over all workers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use e2e::redis::RedisServer;
use herald_queue::{EndStatus, HoldAnswer, Queue, QueueConsumer};

use crate::fixture::{
    end, keyed, message, messages, next, nothing, one, put, queue, run, until, within, worker,
};

#[derive(Default)]
struct Seen {
    order: BTreeMap<String, Vec<u32>>,
    running: BTreeMap<String, u32>,
    count: u32,
}

impl Seen {
    fn begin(&mut self, key: &str, number: u32) {
        self.order.entry(key.to_owned()).or_default().push(number);
        let running = self.running.entry(key.to_owned()).or_default();
        *running += 1;
        assert_eq!(*running, 1, "two of {key} run");
    }

    fn end(&mut self, key: &str) {
        *self.running.get_mut(key).unwrap() -= 1;
        self.count += 1;
    }
}

async fn work(worker: Box<dyn QueueConsumer>, seen: Arc<Mutex<Seen>>) {
    while seen.lock().unwrap().count < 400 {
        for delivery in messages(worker.receive(4).await.unwrap()) {
            assert_eq!(worker.start(&delivery.token).await.unwrap(), HoldAnswer::Done);
            let key = delivery.message.key.clone().unwrap();
            let number: u32 = delivery.message.id[1..].parse().unwrap();
            seen.lock().unwrap().begin(&key, number);
            tokio::task::yield_now().await;
            seen.lock().unwrap().end(&key);
            let done = worker.done(&delivery.token, &end(EndStatus::Succeeded)).await.unwrap();
            assert_eq!(done, HoldAnswer::Done);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_is_in_order_over_all_workers() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut workers = Vec::new();
    for n in 0..3 {
        let node = queue(&server, &format!("web{n}"));
        workers.push(tokio::spawn(work(worker(&node), seen.clone())));
    }
    for n in 0..200 {
        for key in ["a", "b"] {
            put(&origin, &keyed(&format!("{key}{n}"), key)).await;
        }
    }
    for worker in workers {
        within(Duration::from_secs(60), worker).await.unwrap();
    }
    let seen = seen.lock().unwrap();
    for key in ["a", "b"] {
        assert_eq!(seen.order[key], (0..200).collect::<Vec<_>>(), "{key}");
    }
}

#[tokio::test]
async fn a_requeue_holds_its_lane_and_no_other() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    for (id, key) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
        put(&origin, &keyed(id, key)).await;
    }
    let worker = worker(&origin);
    let first = messages(next(&*worker, 5).await);
    let ids: Vec<&str> = first.iter().map(|delivery| delivery.message.id.as_str()).collect();
    assert_eq!(ids, ["a1", "b1"]);
    worker.start(&first[0].token).await.unwrap();
    worker.requeue(&first[0].token, Duration::from_millis(500)).await.unwrap();
    run(&*worker, &first[1]).await;
    nothing(&*worker, Duration::from_millis(100)).await;
    let view = origin.show("a2").await.unwrap().remove(0);
    assert_eq!(view.lane_held_by.as_deref(), Some("a1"));
    let again = one(&*worker).await;
    assert_eq!((again.message.id.as_str(), again.attempt), ("a1", 2));
    run(&*worker, &again).await;
    let last = one(&*worker).await;
    assert_eq!(last.message.id, "a2");
    run(&*worker, &last).await;
}

#[tokio::test]
async fn the_next_of_a_dead_worker_waits_for_its_lease() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    for id in ["a1", "a2"] {
        put(&origin, &keyed(id, "a")).await;
    }
    let dead = queue(&server, "web1");
    let first = one(&*worker(&dead)).await;
    assert_eq!(first.message.id, "a1");
    let other = worker(&origin);
    nothing(&*other, Duration::from_millis(500)).await;
    let again = one(&*other).await;
    assert_eq!(again.message.id, "a1");
    run(&*other, &again).await;
    assert_eq!(one(&*other).await.message.id, "a2");
}

/// Thousands that wait for one key do not keep others from being found.
#[tokio::test]
async fn a_long_lane_does_not_block_others() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    for n in 0..600 {
        put(&origin, &keyed(&format!("a{n}"), "a")).await;
    }
    put(&origin, &message("free")).await;
    let worker = worker(&origin);
    let first = one(&*worker).await;
    assert_eq!(first.message.id, "a0");
    let free = within(Duration::from_secs(3), one(&*worker)).await;
    assert_eq!(free.message.id, "free");
    // What somebody deletes by hand does not hold its lane.
    let lane = (0..16).map(|lane| format!("{{herald:t}}:l:{lane}"));
    let lane = lane.into_iter().find(|key| server.ask(&["LLEN", key]).number() > 0).unwrap();
    let head = server.ask(&["LINDEX", &lane, "0"]).text().to_owned();
    server.run(&["XDEL", "{herald:t}:s", &head]);
    assert_eq!(worker.done(&first.token, &end(EndStatus::Succeeded)).await.unwrap(), HoldAnswer::Done);
    let second =
        until("the next comes", async || messages(worker.receive(1).await.unwrap()).into_iter().next());
    assert_eq!(second.await.message.id, "a1");
}
