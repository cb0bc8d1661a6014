//! Ends of messages go to the node that put them.

use e2e::redis::RedisServer;
use herald_queue::{DeadReason, EndStatus, HoldAnswer, MessageEnd, NewEnd, NewMessage, Queue, ResultReader};
use serde_json::{Value, json};

use crate::fixture::{message, one, put, queue, run, until, worker};

fn wanted(id: &str) -> NewMessage {
    NewMessage { reply: true, ..message(id) }
}

async fn ends(results: &dyn ResultReader) -> Vec<MessageEnd> {
    let read = until("an end arrives", async || {
        let read = results.next().await.unwrap();
        (!read.is_empty()).then_some(read)
    })
    .await;
    let receipts: Vec<_> = read.iter().map(|result| result.receipt.clone()).collect();
    results.acknowledge(&receipts).await.unwrap();
    read.into_iter().map(|result| result.end).collect()
}

#[tokio::test]
async fn ends_arrive_once_at_the_origin_that_wants_them() {
    let server = RedisServer::start(&[]);
    let (origin, other) = (queue(&server, "origin"), queue(&server, "other"));
    let node = queue(&server, "web1");
    put(&origin, &wanted("1")).await;
    put(&origin, &message("2")).await;
    let worker = worker(&node);
    let held = one(&*worker).await;
    worker.start(&held.token).await.unwrap();
    let detail = json!({"error": "hunter2", "result": {"code": 3}});
    let end = NewEnd { status: EndStatus::Failed, detail: detail.clone(), seal: true };
    assert_eq!(worker.done(&held.token, &end).await.unwrap(), HoldAnswer::Done);
    run(&*worker, &one(&*worker).await).await;
    let topics = ["t".to_owned()];
    // Not acknowledged: it comes again after a restart.
    let first = origin.results(&topics).unwrap();
    assert_eq!(
        until("it arrives", async || first.next().await.ok().filter(|r| !r.is_empty())).await.len(),
        1
    );
    assert!(first.next().await.unwrap().is_empty());
    let results = origin.results(&topics).unwrap();
    let read = ends(&*results).await;
    assert_eq!(read.len(), 1);
    let end = &read[0];
    assert_eq!((end.id.as_str(), end.node.as_str(), end.status), ("1", "web1", EndStatus::Failed));
    assert_eq!((end.detail.clone(), end.sealed, end.deliveries, end.attempt), (detail, true, 1, 1));
    assert!(results.next().await.unwrap().is_empty());
    assert!(origin.results(&topics).unwrap().next().await.unwrap().is_empty());
    assert!(other.results(&topics).unwrap().next().await.unwrap().is_empty());
    let file = String::from_utf8_lossy(&server.append_only_file()).into_owned();
    assert!(!file.contains("hunter2"));
}

#[tokio::test]
async fn dead_letters_are_ends_too() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    put(&origin, &wanted("1")).await;
    let worker = worker(&origin);
    let held = one(&*worker).await;
    let reason = DeadReason::Requeues { requeues: 3, last: "exit code 1".to_owned() };
    assert_eq!(worker.dead(&held.token, &reason).await.unwrap(), HoldAnswer::Done);
    assert_eq!(worker.dead(&held.token, &reason).await.unwrap(), HoldAnswer::Done);
    let end = ends(&*origin.results(&["t".to_owned()]).unwrap()).await.remove(0);
    assert_eq!((end.status, end.detail), (EndStatus::Dead, json!({"error": reason.to_string()})));
    assert_eq!(origin.dead_letters("t", None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn forged_and_large_ends_are_rejected() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    put(&origin, &wanted("1")).await;
    let forged = r#"{"v":1,"id":"1","topic":"t","node":"x","status":"succeeded","deliveries":1,"attempt":1,"ended":1}"#;
    server.run(&["XADD", "{herald:t}:r:origin", "*", "i", "1", "f", forged, "g", "x"]);
    let results = origin.results(&["t".to_owned()]).unwrap();
    assert!(results.next().await.unwrap().is_empty());
    assert_eq!(server.ask(&["XLEN", "{herald:t}:r:origin"]).number(), 0);
    server.run(&["HSET", "{herald:t}:job:1", "f", forged, "fs", "x"]);
    let known = origin.compare("t", &["1".to_owned()]).await.unwrap().remove(0);
    assert!(known.ends.is_empty(), "{known:?}");
    server.run(&["HDEL", "{herald:t}:job:1", "f", "fs"]);
    let worker = worker(&origin);
    let held = one(&*worker).await;
    let large = NewEnd { status: EndStatus::Succeeded, detail: json!("x".repeat(70_000)), seal: false };
    let refused = worker.done(&held.token, &large).await.unwrap_err();
    assert!(refused.to_string().contains("64 KiB"), "{refused}");
    let small = NewEnd { detail: Value::Null, ..large };
    assert_eq!(worker.done(&held.token, &small).await.unwrap(), HoldAnswer::Done);
}
