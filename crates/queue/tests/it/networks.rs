//! TCP, TLS, Sentinel, and connections that are cut at any byte.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use e2e::redis::RedisServer;
use herald_base::clock::SystemClock;
use herald_net::tls::{ClientFiles, testing};
use herald_queue::{
    ConsumerSettings, Delivery, EndStatus, HoldAnswer, MessageState, Queue, QueueError, QueueSettings,
    RedisQueue,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::fixture::{
    consumer_settings, end, message, messages, one, put, queue, run, settings, until, worker,
};

fn made(settings: &QueueSettings, node: &str) -> RedisQueue {
    RedisQueue::new(settings, node, Arc::new(SystemClock)).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn tls_with_an_authority_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let authority = testing::Authority::new("queue");
    let ca_file = folder.path().join("ca.pem");
    authority.write(&ca_file);
    let pair = authority.issue(folder.path(), "server", &["127.0.0.1"], testing::Validity::Good);
    let port = free_port().to_string();
    let server = RedisServer::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        pair.cert.to_str().unwrap(),
        "--tls-key-file",
        pair.key.to_str().unwrap(),
        "--tls-ca-cert-file",
        ca_file.to_str().unwrap(),
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://127.0.0.1:{port}/3");
    let tls = Some(ClientFiles { ca: Some(ca_file.clone()), identity: None });
    let trusted = QueueSettings { url, tls, ..settings(&server) };
    let origin = made(&trusted, "origin");
    put(&origin, &message("1")).await;
    let consumer = worker(&origin);
    run(&*consumer, &one(&*consumer).await).await;
    assert!(server.ask(&["INFO", "keyspace"]).text().contains("db3:"));
    let other_ca = folder.path().join("other.pem");
    testing::Authority::new("other").write(&other_ca);
    let tls = Some(ClientFiles { ca: Some(other_ca), identity: None });
    let untrusted = made(&QueueSettings { tls, ..trusted }, "x").put(&message("2")).await.unwrap_err();
    assert!(matches!(untrusted, QueueError::Unreachable { .. }), "{untrusted}");
    assert!(untrusted.to_string().to_lowercase().contains("certificate"), "{untrusted}");
}

/// The master dies, the replica is promoted: the client finds it, and what it did not have is put again.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_followed() {
    let (first, second, third) = (free_port(), free_port(), free_port());
    let mut master = RedisServer::start(&["--port", &first.to_string()]);
    let replicaof = format!("127.0.0.1 {first}");
    let replica = RedisServer::start(&["--port", &second.to_string(), "--replicaof", &replicaof]);
    let sentinel = RedisServer::start_sentinel(third, first);
    let url = format!("redis+sentinel://127.0.0.1:{third}/main");
    let settings = QueueSettings { url, ..settings(&master) };
    let origin = made(&settings, "origin");
    until("the sentinel knows the replica", async || {
        let replicas = sentinel.ask(&["SENTINEL", "replicas", "main"]);
        let synced = replica.ask(&["INFO", "replication"]).text().contains("master_link_status:up");
        (synced && !replicas.list().is_empty()).then_some(())
    })
    .await;
    // The failover takes longer than the shortest lease.
    let long = ConsumerSettings { lease: Duration::from_secs(30), ..consumer_settings() };
    let consumer = origin.consumer(long).unwrap();
    put(&origin, &message("1")).await;
    let held = one(&*consumer).await;
    consumer.start(&held.token).await.unwrap();
    until("the replica has it", async || {
        let started = ["HGET", "{herald:t}:job:1", "sn"];
        (replica.ask(&started) == master.ask(&started)).then_some(())
    })
    .await;
    // The replica is stopped when the second message is put, so perhaps it never gets it.
    replica.freeze();
    put(&origin, &message("2")).await;
    master.kill();
    replica.thaw();
    let ids = ["1".to_owned(), "2".to_owned()];
    let known = until("the promoted one answers", async || origin.compare("t", &ids).await.ok()).await;
    assert!(matches!(known[0].state, MessageState::Held { .. }), "{known:?}");
    if known[1].state == MessageState::Missing {
        put(&origin, &message("2")).await;
    }
    let done = until("the end is recorded", async || {
        consumer.done(&held.token, &end(EndStatus::Succeeded)).await.ok()
    });
    assert_eq!(done.await, HoldAnswer::Done);
    let next = until("the second comes", async || {
        messages(consumer.receive(1).await.unwrap_or_default()).into_iter().next()
    });
    let next: Delivery = next.await;
    assert_eq!(next.message.id, "2");
    run(&*consumer, &next).await;
}

/// Passes bytes on, and cuts each connection after so many.
async fn cutting_proxy(listener: UnixListener, server: PathBuf, cut_after: Arc<AtomicU64>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let (server, cut_after) = (server.clone(), cut_after.clone());
        tokio::spawn(async move {
            let mut server = UnixStream::connect(server).await.unwrap();
            let mut left = cut_after.load(Ordering::SeqCst);
            let (mut up, mut down) = ([0; 512], [0; 512]);
            while left > 0 {
                tokio::select! {
                    read = client.read(&mut up) => {
                        let Ok(count @ 1..) = read else { return };
                        let passed = count.min(usize::try_from(left).unwrap_or(usize::MAX));
                        let _ = server.write_all(&up[..passed]).await;
                        left -= passed as u64;
                    }
                    read = server.read(&mut down) => {
                        let Ok(count @ 1..) = read else { return };
                        let passed = count.min(usize::try_from(left).unwrap_or(usize::MAX));
                        let _ = client.write_all(&down[..passed]).await;
                        left -= passed as u64;
                    }
                }
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_at_any_byte_lose_and_double_nothing() {
    let server = RedisServer::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("proxy.sock");
    let cut_after = Arc::new(AtomicU64::new(0));
    let proxy =
        tokio::spawn(cutting_proxy(UnixListener::bind(&socket).unwrap(), server.socket(), cut_after.clone()));
    // The scripts are in Redis already: each is larger than what passes.
    let whole = queue(&server, "whole");
    put(&whole, &message("whole")).await;
    let first = worker(&whole);
    run(&*first, &one(&*first).await).await;
    // Enough for a connection and its checks, and then a number of bytes that differs each time.
    let mut seed = 12_345_u64;
    let mut another = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        cut_after.store(7_500 + (seed >> 33) % 3_000, Ordering::SeqCst);
    };
    another();
    let cut = QueueSettings { url: format!("redis+unix://{}", socket.display()), ..settings(&server) };
    let (origin, node) = (made(&cut, "origin"), made(&cut, "web1"));
    let consumer = worker(&node);
    let mut runs: BTreeMap<String, u32> = BTreeMap::new();
    for n in 0..40 {
        another();
        let id = n.to_string();
        until("it is put", async || origin.put(&message(&id)).await.ok()).await;
        another();
        let delivery = until("it comes", async || {
            messages(consumer.receive(1).await.unwrap_or_default()).into_iter().next()
        });
        let delivery: Delivery = delivery.await;
        let token = &delivery.token;
        let answer = until("it starts", async || consumer.start(token).await.ok()).await;
        assert_eq!(answer, HoldAnswer::Done);
        *runs.entry(delivery.message.id.clone()).or_default() += 1;
        let ended = until("it ends", async || consumer.done(token, &end(EndStatus::Succeeded)).await.ok());
        assert_eq!(ended.await, HoldAnswer::Done);
    }
    assert_eq!(runs.len(), 40);
    assert!(runs.values().all(|count| *count == 1));
    proxy.abort();
}

/// Where Valkey is installed, it does the same.
#[tokio::test]
async fn valkey() {
    if !RedisServer::has_program("valkey-server") {
        return;
    }
    let server = RedisServer::start_program("valkey-server", &[]);
    let origin = queue(&server, "origin");
    assert_eq!(origin.fitness().await.unwrap().server, "valkey");
    put(&origin, &message("1")).await;
    let consumer = worker(&origin);
    run(&*consumer, &one(&*consumer).await).await;
}
