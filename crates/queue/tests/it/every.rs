//! Each node runs each message once, also those that were put while it was away.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::redis::RedisServer;
use herald_queue::{
    ConsumeMode, ConsumerSettings, EndStatus, HoldAnswer, MessageState, NewMessage, Queue, QueueConsumer,
    QueueError, QueueGap, Received,
};

use crate::fixture::{
    STREAM, consumer_settings, end, every, keyed, message, messages, next, nothing, one, pause, put, queue,
    run, until, worker,
};

async fn run_all(consumer: &dyn QueueConsumer, ids: &[&str]) {
    let mut left: BTreeSet<String> = ids.iter().map(|&id| id.to_owned()).collect();
    while !left.is_empty() {
        for delivery in messages(next(consumer, 4).await) {
            assert!(left.remove(&delivery.message.id), "{} twice", delivery.message.id);
            run(consumer, &delivery).await;
        }
    }
}

async fn begin(consumer: &dyn QueueConsumer) {
    assert!(consumer.receive(1).await.unwrap().is_empty());
}

#[tokio::test]
async fn every_node_runs_every_message_once() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    put(&origin, &message("before")).await;
    let nodes = ["a", "b", "c"].map(|node| every(&queue(&server, node)));
    for node in &nodes {
        begin(&**node).await;
    }
    let results = origin.results(&["t".to_owned()]).unwrap();
    for id in ["1", "2", "3"] {
        put(&origin, &NewMessage { reply: true, ..message(id) }).await;
    }
    for node in &nodes[..2] {
        run_all(&**node, &["1", "2", "3"]).await;
    }
    let known = origin.compare("t", &["1".to_owned()]).await.unwrap().remove(0);
    assert_eq!((known.state, known.ends.len()), (MessageState::Waiting, 2));
    // The third was away for the time.
    run_all(&*nodes[2], &["1", "2", "3"]).await;
    nothing(&*nodes[2], Duration::from_millis(300)).await;
    let mut ended = Vec::new();
    while ended.len() < 9 {
        ended
            .extend(results.next().await.unwrap().into_iter().map(|result| (result.end.node, result.end.id)));
    }
    assert_eq!(ended.iter().collect::<BTreeSet<_>>().len(), 9);
    // What all have run is deleted.
    until("it is deleted", async || {
        nothing(&*nodes[0], Duration::from_millis(300)).await;
        (server.ask(&["XLEN", STREAM]).number() == 0).then_some(())
    })
    .await;
    let known = origin.compare("t", &["1".to_owned()]).await.unwrap().remove(0);
    assert_eq!((known.state, known.ends.len()), (MessageState::Ended, 3));
}

#[tokio::test]
async fn a_node_that_is_away_too_long_is_informed_of_the_gap() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let mode = ConsumeMode::Every { retain: Duration::from_millis(400), seen_before: false };
    let settings = ConsumerSettings { mode, ..consumer_settings() };
    let [here, away] = ["here", "away"].map(|node| queue(&server, node).consumer(settings.clone()).unwrap());
    begin(&*here).await;
    begin(&*away).await;
    for id in ["1", "2", "3"] {
        put(&origin, &message(id)).await;
    }
    run_all(&*here, &["1", "2", "3"]).await;
    pause(Duration::from_millis(500)).await;
    until("they are deleted", async || {
        begin(&*here).await;
        (server.ask(&["XLEN", STREAM]).number() == 0).then_some(())
    })
    .await;
    put(&origin, &message("4")).await;
    run_all(&*here, &["4"]).await;
    let received = next(&*away, 4).await;
    assert_eq!(received[0], Received::Gap(QueueGap { topic: "t".to_owned(), missed: 3 }));
    let delivery = messages(received[1..].to_vec()).remove(0);
    assert_eq!(delivery.message.id, "4");
    run(&*away, &delivery).await;
    nothing(&*away, Duration::from_millis(300)).await;
}

#[tokio::test]
async fn a_forgotten_node_holds_nothing_back() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let nodes = ["here", "gone"].map(|node| every(&queue(&server, node)));
    for node in &nodes {
        begin(&**node).await;
    }
    for n in 0..300 {
        put(&origin, &message(&n.to_string())).await;
    }
    let ids: Vec<String> = (0..300).map(|n: u32| n.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    run_all(&*nodes[0], &ids).await;
    let status = origin.topic("t").await.unwrap();
    let gone = status.nodes.iter().find(|view| view.node == "gone").unwrap();
    assert_eq!((status.waiting, gone.behind), (300, 300));
    let forgotten = origin.forget("gone").await.unwrap();
    assert_eq!((forgotten.topics, forgotten.deleted), (1, 300));
    assert_eq!(server.ask(&["XLEN", STREAM]).number(), 0);
    assert_eq!(origin.topic("t").await.unwrap().nodes.len(), 1);
}

#[tokio::test]
async fn a_full_topic_deletes_what_only_absent_nodes_have_not_run() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let nodes = ["here", "away"].map(|node| every(&queue(&server, node)));
    for node in &nodes {
        begin(&**node).await;
    }
    let small = |id: &str| NewMessage { max_length: 3, ..message(id) };
    for id in ["1", "2", "3"] {
        put(&origin, &small(id)).await;
    }
    // Both are there: the topic is full.
    assert!(origin.put(&small("4")).await.is_ok_and(|answer| format!("{answer:?}").contains("Full")));
    run_all(&*nodes[0], &["1", "2", "3"]).await;
    server.run(&["HSET", "{herald:t}:m", "t:away", "1000"]);
    put(&origin, &small("4")).await;
    let received = next(&*nodes[1], 4).await;
    assert_eq!(received[0], Received::Gap(QueueGap { topic: "t".to_owned(), missed: 3 }));
}

#[tokio::test]
async fn a_restarted_node_goes_on_where_it_was() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let before = every(&queue(&server, "a"));
    begin(&*before).await;
    for id in ["1", "2"] {
        put(&origin, &message(id)).await;
    }
    let first = one(&*before).await;
    before.start(&first.token).await.unwrap();
    drop(before);
    let again = every(&queue(&server, "a"));
    let first = one(&*again).await;
    assert_eq!((first.message.id.as_str(), first.started_by.is_some()), ("1", true));
    let lost = again.done(&first.token, &end(EndStatus::Lost)).await.unwrap();
    assert_eq!(lost, HoldAnswer::Done);
    run_all(&*again, &["2"]).await;
    nothing(&*again, Duration::from_millis(300)).await;
}

/// After a flush, nodes that read the topic before begin at its oldest message.
#[tokio::test]
async fn after_a_flush_nothing_that_is_put_again_is_missed() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let known = every(&queue(&server, "a"));
    begin(&*known).await;
    server.run(&["FLUSHALL"]);
    put(&origin, &message("1")).await;
    run_all(&*known, &["1"]).await;
    let mode = ConsumeMode::Every { retain: Duration::from_secs(60), seen_before: true };
    let settings = ConsumerSettings { mode, ..consumer_settings() };
    put(&origin, &message("2")).await;
    let other = queue(&server, "b").consumer(settings).unwrap();
    until("the second comes", async || {
        let all = messages(next(&*other, 4).await);
        all.iter().any(|delivery| delivery.message.id == "2").then_some(())
    })
    .await;
}

#[tokio::test]
async fn keys_are_in_order_on_each_node() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    let nodes = ["a", "b"].map(|node| every(&queue(&server, node)));
    for node in &nodes {
        begin(&**node).await;
    }
    for id in ["1", "2", "3"] {
        put(&origin, &keyed(id, "k")).await;
    }
    for node in &nodes {
        for id in ["1", "2", "3"] {
            let held = messages(next(&**node, 3).await);
            assert_eq!((held.len(), held[0].message.id.as_str()), (1, id));
            run(&**node, &held[0]).await;
        }
    }
}

#[tokio::test]
async fn a_topic_has_one_mode() {
    let server = RedisServer::start(&[]);
    let origin = queue(&server, "origin");
    begin(&*every(&origin)).await;
    let other = worker(&origin).receive(1).await.unwrap_err();
    assert!(matches!(&other, QueueError::OtherMode { mode, .. } if mode == "every"), "{other}");
    // When nobody was there for a minute, the mode can change.
    server.run(&["HSET", "{herald:t}:m", "beat", "1000"]);
    begin(&*worker(&origin)).await;
}
