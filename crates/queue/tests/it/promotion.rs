//! A replica takes over that lags behind: what workers said last is missing there.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::redis::RedisServer;
use herald_base::clock::SystemClock;
use herald_queue::{
    ConsumerSettings, HoldAnswer, NewMessage, Queue, QueueConsumer, QueueSettings, RedisQueue,
};
use tempfile::TempDir;

use crate::fixture::{
    LEASE, consumer_settings, message, messages, nothing, one, put, renew_one, replicated, run, settings,
    until,
};

/// A server and its replica, and a socket that belongs to one of them.
struct Pair {
    primary: RedisServer,
    replica: RedisServer,
    folder: TempDir,
}

impl Pair {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let primary = RedisServer::start(&["--port", &port, "--repl-diskless-sync-delay", "0"]);
        let replicaof = format!("127.0.0.1 {port}");
        let replica = RedisServer::start(&["--replicaof", &replicaof]);
        let pair = Self { primary, replica, folder: tempfile::tempdir().unwrap() };
        pair.belongs_to(&pair.primary.socket());
        pair
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    fn belongs_to(&self, server: &Path) {
        let _ = std::fs::remove_file(self.socket());
        std::os::unix::fs::symlink(server, self.socket()).unwrap();
    }

    fn node(&self, name: &str) -> RedisQueue {
        let url = format!("redis+unix://{}", self.socket().display());
        let settings = QueueSettings { url, ..settings(&self.primary) };
        RedisQueue::new(&settings, name, Arc::new(SystemClock)).unwrap()
    }

    /// From now on the replica gets nothing more.
    async fn separate(&self) {
        replicated(&self.primary, &self.replica).await;
        self.replica.run(&["REPLICAOF", "NO", "ONE"]);
    }

    fn promote(&mut self) {
        self.primary.kill();
        self.belongs_to(&self.replica.socket());
    }
}

/// What waited waits for half of this lease.
fn worker(queue: &RedisQueue, lease: Duration) -> Box<dyn QueueConsumer> {
    queue.consumer(ConsumerSettings { lease, ..consumer_settings() }).unwrap()
}

/// Both wait, one is taken and ends, one is taken and runs; nothing of that is known where the replica takes over.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_has_and_what_it_ended_runs_nowhere_else() {
    let mut pair = Pair::start();
    let (origin, first, second) = (pair.node("origin"), pair.node("web1"), pair.node("web2"));
    put(&origin, &NewMessage { reply: true, ..message("ended") }).await;
    put(&origin, &message("held")).await;
    let (worker, other) = (worker(&first, LEASE * 2), worker(&second, LEASE * 2));
    // It is known to the server as a worker.
    worker.look().await.unwrap();
    pair.separate().await;
    let ended = one(&*worker).await;
    run(&*worker, &ended).await;
    let held = one(&*worker).await;
    worker.start(&held.token).await.unwrap();
    assert_eq!((ended.message.id.as_str(), held.message.id.as_str()), ("ended", "held"));
    pair.promote();
    // The other one is first.
    until("it answers again", async || other.look().await.ok()).await;
    until("it answers again", async || worker.look().await.ok()).await;
    let began = Instant::now();
    while began.elapsed() < LEASE * 2 {
        // Its connection that waits is cut once.
        let received = other.receive(5).await.unwrap_or_default();
        assert!(received.is_empty(), "{received:?}");
        assert_eq!(renew_one(&*worker, &held).await, HoldAnswer::Done);
    }
    run(&*worker, &held).await;
    // The end that the replica did not have has arrived there.
    let results = origin.results(&["t".to_owned()]).unwrap();
    let read =
        until("an end arrives", async || results.next().await.ok().filter(|read| !read.is_empty())).await;
    assert_eq!(read.iter().map(|result| result.end.id.as_str()).collect::<Vec<_>>(), ["ended"]);
    nothing(&*other, LEASE).await;
    let topic = until("it answers again", async || origin.topic("t").await.ok()).await;
    assert_eq!((topic.waiting, topic.unfinished, topic.finished), (0, 0, 2));
}

/// The replica knows of an earlier delivery only, whose lease had ended.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_again_and_ended_runs_nowhere_else() {
    let mut pair = Pair::start();
    let (origin, first, second) = (pair.node("origin"), pair.node("web1"), pair.node("web2"));
    put(&origin, &message("again")).await;
    let gone = worker(&pair.node("web0"), LEASE);
    one(&*gone).await;
    drop(gone);
    let (worker, other) = (worker(&first, LEASE), worker(&second, LEASE));
    worker.look().await.unwrap();
    pair.separate().await;
    let again = one(&*worker).await;
    run(&*worker, &again).await;
    pair.promote();
    until("it answers again", async || other.look().await.ok()).await;
    until("it answers again", async || worker.look().await.ok()).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        let received = other.receive(5).await.unwrap_or_default();
        assert!(received.is_empty(), "{received:?}");
    }
    let topic = until("it answers again", async || origin.topic("t").await.ok()).await;
    assert_eq!((topic.waiting, topic.unfinished, topic.finished), (0, 0, 1));
}

/// Nobody says anything about what waited: after a moment it runs. New messages wait for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_waited_runs_after_a_moment() {
    let mut pair = Pair::start();
    let (origin, node) = (pair.node("origin"), pair.node("web1"));
    put(&origin, &message("old")).await;
    let gone = worker(&pair.node("web0"), LEASE * 5);
    gone.look().await.unwrap();
    pair.separate().await;
    let taken = one(&*gone).await;
    gone.start(&taken.token).await.unwrap();
    drop(gone);
    pair.promote();
    let worker = worker(&node, LEASE * 5);
    until("it answers again", async || worker.look().await.ok()).await;
    let replaced = Instant::now();
    until("the new message is put", async || origin.put(&message("new")).await.ok()).await;
    let first = messages(
        until("it comes", async || worker.receive(1).await.ok().filter(|all| !all.is_empty())).await,
    )
    .remove(0);
    assert_eq!((first.message.id.as_str(), first.message.put_again), ("new", false));
    run(&*worker, &first).await;
    let old = one(&*worker).await;
    // Nobody said so, but it had been started.
    assert_eq!((old.message.id.as_str(), old.message.put_again), ("old", true));
    assert!(replaced.elapsed() >= LEASE * 2, "{:?}", replaced.elapsed());
    run(&*worker, &old).await;
}

/// Everything is there after a start with the same data: what is said again changes nothing, and is not counted again.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_already_is_not_counted_again() {
    let mut server = RedisServer::start(&[]);
    let origin = crate::fixture::queue(&server, "origin");
    let worker = worker(&origin, LEASE);
    for n in 0..100 {
        put(&origin, &NewMessage { reply: true, ..message(&n.to_string()) }).await;
        run(&*worker, &one(&*worker).await).await;
    }
    server.kill();
    server.start_again();
    until("it answers again", async || worker.look().await.ok()).await;
    let topic = origin.topic("t").await.unwrap();
    assert_eq!((topic.waiting, topic.unfinished, topic.finished), (0, 0, 100));
    assert_eq!(server.ask(&["XLEN", "{herald:t}:r:origin"]).number(), 100);
}
