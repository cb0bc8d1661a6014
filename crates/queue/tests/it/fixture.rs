//! Servers, nodes and messages for the tests.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::redis::{RedisReply, RedisServer};
use herald_base::clock::SystemClock;
use herald_queue::{
    ConsumeMode, ConsumerSettings, Delivery, Durability, EndStatus, HoldAnswer, NewEnd, NewMessage,
    PutAnswer, Queue, QueueConsumer, QueueSettings, Received, RedisQueue,
};
use serde_json::{Value, json};

/// The shortest lease.
pub const LEASE: Duration = Duration::from_secs(2);
/// The key that signs.
pub const SIGN: &str = "0123456789abcdef";
/// The stream of the topic `t`.
pub const STREAM: &str = "{herald:t}:s";

pub fn settings(server: &RedisServer) -> QueueSettings {
    QueueSettings {
        name: "main".to_owned(),
        url: server.url(),
        username: None,
        password: None,
        sign: vec![SIGN.to_owned()],
        durable: Durability::Write,
        tls: None,
    }
}

pub fn queue(server: &RedisServer, node: &str) -> RedisQueue {
    RedisQueue::new(&settings(server), node, Arc::new(SystemClock)).unwrap()
}

pub fn consumer_settings() -> ConsumerSettings {
    ConsumerSettings {
        name: "work".to_owned(),
        topics: vec!["t".to_owned()],
        mode: ConsumeMode::Compete,
        lease: LEASE,
        max_deliveries: 5,
        marker_ttl: Duration::from_secs(60),
        take_back: true,
    }
}

pub fn worker(queue: &RedisQueue) -> Box<dyn QueueConsumer> {
    queue.consumer(consumer_settings()).unwrap()
}

pub fn every(queue: &RedisQueue) -> Box<dyn QueueConsumer> {
    let mode = ConsumeMode::Every { retain: Duration::from_secs(3600), seen_before: false };
    queue.consumer(ConsumerSettings { mode, ..consumer_settings() }).unwrap()
}

pub fn message(id: &str) -> NewMessage {
    NewMessage {
        id: id.to_owned(),
        topic: "t".to_owned(),
        key: None,
        param: json!({"shell": format!("make {id}")}),
        seal: false,
        event: "event".to_owned(),
        chain_depth: 1,
        attempt: 1,
        delay: Duration::ZERO,
        max_age: None,
        max_length: 10_000,
        marker_ttl: Duration::from_secs(60),
        reply: false,
        again: false,
    }
}

pub fn keyed(id: &str, key: &str) -> NewMessage {
    NewMessage { key: Some(key.to_owned()), ..message(id) }
}

pub async fn put(queue: &RedisQueue, message: &NewMessage) {
    assert_eq!(queue.put(message).await.unwrap(), PutAnswer::Accepted, "{}", message.id);
}

pub fn end(status: EndStatus) -> NewEnd {
    NewEnd { status, detail: Value::Null, seal: false }
}

/// Receives until something comes.
pub async fn next(consumer: &dyn QueueConsumer, places: usize) -> Vec<Received> {
    until("something comes", async || {
        let received = consumer.receive(places).await.unwrap();
        (!received.is_empty()).then_some(received)
    })
    .await
}

/// One message.
pub async fn one(consumer: &dyn QueueConsumer) -> Delivery {
    match next(consumer, 1).await.remove(0) {
        Received::Message(delivery) => *delivery,
        other => panic!("not a message: {other:?}"),
    }
}

/// Only messages.
pub fn messages(received: Vec<Received>) -> Vec<Delivery> {
    let message = |received| match received {
        Received::Message(delivery) => *delivery,
        other => panic!("not a message: {other:?}"),
    };
    received.into_iter().map(message).collect()
}

/// Nothing comes for a while.
pub async fn nothing(consumer: &dyn QueueConsumer, span: Duration) {
    let began = Instant::now();
    while began.elapsed() < span {
        let received = consumer.receive(1).await.unwrap();
        assert!(received.is_empty(), "{received:?}");
    }
}

/// Starts and ends it.
pub async fn run(consumer: &dyn QueueConsumer, delivery: &Delivery) {
    assert_eq!(consumer.start(&delivery.token).await.unwrap(), HoldAnswer::Done);
    assert_eq!(consumer.done(&delivery.token, &end(EndStatus::Succeeded)).await.unwrap(), HoldAnswer::Done);
}

pub async fn renew_one(consumer: &dyn QueueConsumer, delivery: &Delivery) -> HoldAnswer {
    consumer.renew(std::slice::from_ref(&delivery.token)).await.unwrap().remove(0)
}

/// Asks until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the replica has heard of everything that the server did.
pub async fn replicated(server: &RedisServer, replica: &RedisServer) {
    let field = |info: &RedisReply, name: &str| {
        info.text().lines().find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned()))
    };
    until("the replica has everything", async || {
        let (own, others) = (server.ask(&["INFO", "replication"]), replica.ask(&["INFO", "replication"]));
        let offset = field(&own, "master_repl_offset:");
        let is_up = field(&others, "master_link_status:").as_deref() == Some("up");
        (is_up && offset.is_some() && offset == field(&others, "slave_repl_offset:")).then_some(())
    })
    .await;
}

pub async fn within<T>(span: Duration, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(span, future).await.expect("in time")
}

pub async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
