//! Nothing in Redis is believed that is not signed.

use std::sync::Arc;
use std::time::Duration;

use e2e::redis::RedisServer;
use herald_base::clock::SystemClock;
use herald_queue::{
    DeadReason, MessageState, NewMessage, PutAnswer, Queue, QueueConsumer, QueueError, QueueSettings,
    Received, RedisQueue, RejectedMessage,
};
use serde_json::json;

use crate::fixture::{SIGN, STREAM, message, next, nothing, one, put, queue, run, settings, worker};

async fn rejected(consumer: &dyn QueueConsumer) -> RejectedMessage {
    match next(consumer, 1).await.remove(0) {
        Received::Dead { reason: DeadReason::Rejected(reason), .. } => reason,
        other => panic!("{other:?}"),
    }
}

fn entry(server: &RedisServer) -> Vec<String> {
    let entries = server.ask(&["XRANGE", STREAM, "-", "+"]);
    let fields = entries.list()[0].list()[1].list().to_vec();
    fields.iter().map(|field| field.text().to_owned()).collect()
}

#[tokio::test]
async fn foreign_and_altered_messages_are_dead_and_the_worker_lives() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let worker = worker(&origin);
    let add = |fields: &[&str]| server.run(&[&["XADD", STREAM, "*"], fields].concat());
    add(&["i", "1", "m", r#"{"v":1,"id":"1","topic":"t","param":{"shell":"rm -rf /"}}"#]);
    assert_eq!(rejected(&*worker).await, RejectedMessage::Unsigned);
    add(&["anything", "else"]);
    assert_eq!(rejected(&*worker).await, RejectedMessage::Unsigned);
    add(&["i", "2", "m", "[1, 2]", "g", "0123456789abcdef0123456789abcdef"]);
    assert_eq!(rejected(&*worker).await, RejectedMessage::Altered);
    // Ids and lanes that Herald never makes.
    for (id, lane) in [("\\255", "1"), ("", "16"), ("!1-1", "\\255"), (" ", "-1"), ("\\0", "1.5")] {
        let add = format!("redis.call('XADD', KEYS[1], '*', 'i', '{id}', 'm', '', 'k', '{lane}')");
        server.run(&["EVAL", &add, "1", STREAM]);
        assert_eq!(rejected(&*worker).await, RejectedMessage::Unsigned, "{id} {lane}");
    }
    assert_eq!(server.ask(&["KEYS", "*:l:*"]).list(), [], "no lane is left");
    assert_eq!(server.ask(&["XLEN", STREAM]).number(), 0);
    assert_eq!(origin.dead_letters("t", None, 100).await.unwrap().len(), 8);
    server.run(&["DEL", "{herald:t}:dead"]);
    let large = "x".repeat(2 << 20);
    add(&["i", "3", "m", &large, "g", "x"]);
    assert!(matches!(rejected(&*worker).await, RejectedMessage::TooLarge { .. }));
    // A message of another topic, and one under another id.
    put(&origin, &NewMessage { topic: "other".to_owned(), ..message("4") }).await;
    server.run(&["RENAME", "{herald:other}:s", STREAM]);
    assert_eq!(rejected(&*worker).await, RejectedMessage::Altered);
    // Signed with a key that this queue does not have.
    let sign = vec!["another key, long enough".to_owned()];
    let foreign = QueueSettings { sign, ..settings(&server) };
    let foreign = RedisQueue::new(&foreign, "x", Arc::new(SystemClock)).unwrap();
    put(&foreign, &message("5")).await;
    assert_eq!(rejected(&*worker).await, RejectedMessage::Altered);
    let letters = origin.dead_letters("t", None, 100).await.unwrap();
    assert_eq!(letters.len(), 3);
    for letter in &letters {
        let refused = origin.requeue_dead(letter).await.unwrap_err();
        assert!(matches!(refused, QueueError::Altered { .. }), "{refused}");
    }
    put(&origin, &message("good")).await;
    run(&*worker, &one(&*worker).await).await;
}

/// Somebody adds the bytes of a message again: while it waits, runs, and after its end.
#[tokio::test]
async fn a_replayed_message_does_not_run_again() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let worker = worker(&origin);
    put(&origin, &message("1")).await;
    let fields = server.ask(&["XRANGE", STREAM, "-", "+"]);
    // The signature is binary: the server copies the entry itself.
    let copy = "local e = redis.call('XRANGE', KEYS[1], '-', '+')[1] \
                redis.call('SET', 'copy', cjson.encode({e[2][2], e[2][4]})) \
                redis.call('SET', 'sig', e[2][6]) return 1";
    assert_eq!(fields.list().len(), 1);
    server.run(&["EVAL", copy, "1", STREAM]);
    let replay = "local m = cjson.decode(redis.call('GET', 'copy')) \
                  return redis.call('XADD', KEYS[1], '*', 'i', m[1], 'm', m[2], 'g', redis.call('GET', 'sig'))";
    server.run(&["EVAL", replay, "1", STREAM]);
    let held = one(&*worker).await;
    nothing(&*worker, Duration::from_millis(300)).await;
    server.run(&["EVAL", replay, "1", STREAM]);
    worker.start(&held.token).await.unwrap();
    nothing(&*worker, Duration::from_millis(300)).await;
    run(&*worker, &held).await;
    server.run(&["EVAL", replay, "1", STREAM]);
    nothing(&*worker, Duration::from_millis(300)).await;
    assert_eq!(server.ask(&["XLEN", STREAM]).number(), 0);
}

#[tokio::test]
async fn a_forged_marker_is_replaced() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    server.run(&["HSET", "{herald:t}:job:1", "b", "x", "f", "{}", "fs", "x"]);
    let known = origin.compare("t", &["1".to_owned()]).await.unwrap().remove(0);
    assert_eq!(known.state, MessageState::Missing);
    assert_eq!(origin.put(&message("1")).await.unwrap(), PutAnswer::Accepted);
    let worker = worker(&origin);
    one(&*worker).await;
    // Who started it cannot be forged either.
    server.run(&["HSET", "{herald:t}:job:1", "s", "1", "si", "web9/work\n1", "ss", "x", "sn", "1", "u", "1"]);
    server.run(&["ZADD", "{herald:t}:u", "1", &held_entry(&server)]);
    let other = queue(&server, "web2");
    let other = crate::fixture::worker(&other);
    assert_eq!(rejected(&*other).await, RejectedMessage::Altered);
}

fn held_entry(server: &RedisServer) -> String {
    server.ask(&["ZRANGE", "{herald:t}:u", "0", "0"]).list()[0].text().to_owned()
}

#[tokio::test]
async fn keys_can_be_changed_in_two_steps() {
    let server = RedisServer::start(&[]);
    let with = |sign: &[&str], node: &str| {
        let sign = sign.iter().map(|&key| key.to_owned()).collect();
        RedisQueue::new(&QueueSettings { sign, ..settings(&server) }, node, Arc::new(SystemClock)).unwrap()
    };
    let new = "fedcba9876543210";
    put(&with(&[SIGN], "origin"), &NewMessage { seal: true, ..message("1") }).await;
    let both = with(&[new, SIGN], "web1");
    let consumer = worker(&both);
    let held = one(&*consumer).await;
    assert_eq!(held.message.param, json!({"shell": "make 1"}));
    run(&*consumer, &held).await;
    put(&both, &message("2")).await;
    let only_new = with(&[new], "web2");
    run(&*worker(&only_new), &one(&*worker(&only_new)).await).await;
}

#[tokio::test]
async fn sealed_parameters_are_nowhere_in_redis() {
    let server = RedisServer::start(&["--appendfsync", "always"]);
    let origin = queue(&server, "origin");
    put(&origin, &NewMessage { seal: true, param: json!({"token": "hunter2"}), ..message("1") }).await;
    assert!(!entry(&server).join(" ").contains("hunter2"));
    let worker = worker(&origin);
    run(&*worker, &one(&*worker).await).await;
    let file = String::from_utf8_lossy(&server.append_only_file()).into_owned();
    assert!(file.contains("herald:t") && !file.contains("hunter2"));
}

#[tokio::test]
async fn what_cannot_be_put_is_refused() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    for (wrong, expected) in [
        (NewMessage { topic: "a b".to_owned(), ..message("1") }, "topic"),
        (NewMessage { topic: "{x}".to_owned(), ..message("1") }, "topic"),
        (message(""), "id"),
        (message("!1"), "id"),
        (message(&"x".repeat(201)), "id"),
        (NewMessage { param: json!("x".repeat(1 << 20)), ..message("1") }, "1024 KiB"),
    ] {
        let refused = origin.put(&wrong).await.unwrap_err();
        assert!(matches!(refused, QueueError::Invalid { .. }), "{refused}");
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}
