//! An origin puts messages again that Redis lost.

use std::sync::Arc;
use std::time::Duration;

use e2e::redis::RedisServer;
use herald_queue::{
    MessageEnd, NewMessage, OriginError, PieceName, PutPolicy, Queue, QueueOrigin, WhenOffline,
};
use tokio_util::sync::CancellationToken;

use crate::fixture::{keyed, message, nothing, one, pause, queue, run, until, within, worker};

/// Puts it and waits for its end.
async fn send(origin: &QueueOrigin, message: &NewMessage, offline: WhenOffline) -> Result<(), OriginError> {
    let place = origin.line_up(&message.topic, message.key.as_deref());
    let (policy, stop) = (PutPolicy { place: place.as_ref(), offline }, CancellationToken::new());
    let ends = origin.put(message, policy, &stop).await?;
    let one = |ends: &[MessageEnd]| !ends.is_empty();
    origin.ends(message, ends, one, policy, &stop).await.map(drop)
}

fn wanted(id: &str) -> NewMessage {
    NewMessage { reply: true, ..keyed(id, "a") }
}

#[tokio::test]
async fn messages_of_one_key_that_were_lost_keep_their_order() {
    let server = RedisServer::start(&[]);
    let shared = Arc::new(queue(&server, "origin"));
    let origin = Arc::new(QueueOrigin::new(shared.clone()));
    let mut tasks = Vec::new();
    // Their ids have another order.
    for id in ["c", "b", "a"] {
        let (origin, message) = (origin.clone(), wanted(id));
        tasks.push(tokio::spawn(async move { send(&origin, &message, WhenOffline::Wait).await }));
        until("it is put", async || {
            let known = shared.compare("t", &[id.to_owned()]).await.unwrap().remove(0);
            (known.state != herald_queue::MessageState::Missing).then_some(())
        })
        .await;
    }
    server.run(&["FLUSHALL"]);
    // It compares at once when it connects again.
    server.run(&["CLIENT", "KILL", "TYPE", "normal"]);
    let node = queue(&server, "web1");
    let worker = worker(&node);
    for id in ["c", "b", "a"] {
        let delivery = within(Duration::from_secs(40), one(&*worker)).await;
        assert_eq!(delivery.message.id, id);
        assert!(delivery.message.put_again);
        run(&*worker, &delivery).await;
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_message_that_is_put_again_fails_where_it_must_not_wait() {
    for (offline, fails) in [(WhenOffline::Fail, true), (WhenOffline::Wait, false)] {
        let mut server = RedisServer::start(&["--appendonly", "no", "--save", ""]);
        let shared = Arc::new(queue(&server, "origin"));
        let origin = Arc::new(QueueOrigin::new(shared.clone()));
        let task = {
            let (origin, message) = (origin.clone(), wanted("1"));
            tokio::spawn(async move { send(&origin, &message, offline).await })
        };
        until("it is put", async || (server.ask(&["XLEN", "{herald:t}:s"]).number() == 1).then_some(()))
            .await;
        // It answers questions, and takes no messages.
        server.run(&["FLUSHALL"]);
        server.run(&["ACL", "SETUSER", "default", "-xadd"]);
        server.run(&["CLIENT", "KILL", "TYPE", "normal"]);
        let ended = tokio::time::timeout(Duration::from_secs(8), task).await;
        match fails {
            true => assert!(matches!(ended, Ok(Ok(Err(OriginError::Queue(_))))), "{ended:?}"),
            false => assert!(ended.is_err(), "{ended:?}"),
        }
        server.kill();
    }
}

#[tokio::test]
async fn a_put_that_is_stopped_says_whether_the_queue_may_have_it() {
    let mut server = RedisServer::start(&[]);
    let shared = Arc::new(queue(&server, "origin"));
    let origin = QueueOrigin::new(shared.clone());
    let stopped = async |message: &NewMessage| {
        let stop = CancellationToken::new();
        let stopping = async {
            pause(Duration::from_millis(300)).await;
            stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            put = origin.put(message, PutPolicy::WAIT, &stop) => put.unwrap_err(),
            () = stopping => unreachable!(),
        }
    };
    origin.put(&message("first"), PutPolicy::WAIT, &CancellationToken::new()).await.unwrap();
    let full = NewMessage { max_length: 1, ..message("1") };
    assert_eq!(stopped(&full).await, OriginError::Stopped { sent: false });
    assert_eq!(stopped(&NewMessage { again: true, ..full }).await, OriginError::Stopped { sent: true });
    server.freeze();
    assert_eq!(stopped(&message("2")).await, OriginError::Stopped { sent: true });
    server.thaw();
    server.kill();
    until("it is away", async || shared.topics().await.err()).await;
    assert_eq!(stopped(&message("3")).await, OriginError::Stopped { sent: false });
}

#[tokio::test]
async fn a_piece_is_not_read_where_it_is_longer_than_one_can_be() {
    let server = RedisServer::start(&[]);
    let queue = queue(&server, "origin");
    let name = PieceName::result("1", 0);
    assert_eq!(queue.piece(&name).await.unwrap(), None);
    let largest = vec![7; PieceName::LARGEST];
    queue.put_piece(&name, &largest, Duration::from_secs(60)).await.unwrap();
    assert_eq!(queue.piece(&name).await.unwrap(), Some(largest));
    server.run(&["SETRANGE", "herald:piece:{1}:result/0", "100000000", "x"]);
    let refused = queue.piece(&name).await.unwrap_err();
    assert!(refused.to_string().contains("too large"), "{refused}");
    let many: Vec<PieceName> = (0..1200).map(|n| PieceName::result("1", n)).collect();
    queue.delete_pieces(&many).await.unwrap();
    assert_eq!(server.ask(&["KEYS", "herald:piece*"]).list().len(), 0);
    nothing(&*worker(&queue), Duration::from_millis(10)).await;
}
