//! Connecting: passwords, permissions, servers that are not fit, and addresses where nobody is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::redis::RedisServer;
use herald_base::clock::SystemClock;
use herald_queue::{Durability, InvalidQueueSettings, Queue, QueueError, QueueSettings, RedisQueue};

use crate::fixture::{message, one, put, queue, run, settings, worker};

fn made(settings: &QueueSettings) -> RedisQueue {
    RedisQueue::new(settings, "web1", Arc::new(SystemClock)).unwrap()
}

#[tokio::test]
async fn passwords_and_permissions() {
    let server = RedisServer::start(&["--requirepass", "hunter2"]);
    let refused = queue(&server, "web1").put(&message("1")).await.unwrap_err();
    assert!(matches!(refused, QueueError::Denied { .. }) && !refused.is_temporary(), "{refused}");
    let with = |password: &str| QueueSettings { password: Some(password.to_owned()), ..settings(&server) };
    let wrong = made(&with("hunter3")).put(&message("1")).await.unwrap_err();
    assert!(matches!(wrong, QueueError::Denied { .. }), "{wrong}");
    assert!(!format!("{wrong} {:?}", with("hunter2")).contains("hunter"));
    let allowed = made(&with("hunter2"));
    put(&allowed, &message("1")).await;
    let in_url = format!("redis+unix://:hunter2@{}", server.socket().display());
    let in_url = made(&QueueSettings { url: in_url, ..settings(&server) });
    let consumer = worker(&in_url);
    run(&*consumer, &one(&*consumer).await).await;
}

/// A user who may neither use CONFIG nor INFO, and only Herald's keys.
#[tokio::test]
async fn a_user_with_few_permissions_is_enough() {
    let server = RedisServer::start(&[]);
    let rights =
        "on >pw resetchannels ~herald:* ~{herald:* +@read +@write +@scripting +@connection +time -@dangerous";
    let user: Vec<&str> = ["ACL", "SETUSER", "herald"].into_iter().chain(rights.split(' ')).collect();
    server.run(&user);
    let settings = QueueSettings {
        username: Some("herald".to_owned()),
        password: Some("pw".to_owned()),
        ..settings(&server)
    };
    let queue = made(&settings);
    let fitness = queue.fitness().await.unwrap();
    assert_eq!((fitness.maxmemory_policy.as_deref(), fitness.unfit()), (None, None));
    assert!(fitness.findings.iter().any(|finding| finding.text.contains("maxmemory-policy is unknown")));
    put(&queue, &message("1")).await;
    let consumer = worker(&queue);
    run(&*consumer, &one(&*consumer).await).await;
}

#[tokio::test]
async fn unfit_servers_are_not_used() {
    let cases: [(&[&str], Durability, &str); 4] = [
        (&["--maxmemory-policy", "allkeys-lru"], Durability::Write, "allkeys-lru"),
        (&[], Durability::Sync, "appendfsync everysec"),
        (&["--appendonly", "no", "--appendfsync", "always"], Durability::Sync, "appendonly no"),
        (&["--maxmemory-policy", "volatile-ttl"], Durability::Write, "volatile-ttl"),
    ];
    for (flags, durable, expected) in cases {
        let server = RedisServer::start(flags);
        let queue = made(&QueueSettings { durable, ..settings(&server) });
        let fitness = queue.fitness().await.unwrap();
        assert!(fitness.unfit().is_some_and(|problem| problem.contains(expected)), "{fitness:?}");
        let refused = queue.put(&message("1")).await.unwrap_err();
        assert!(
            matches!(&refused, QueueError::Unfit { problem, .. } if problem.contains(expected)),
            "{refused}"
        );
        assert!(queue.status().unfit.is_some_and(|problem| problem.contains(expected)));
        assert_eq!(server.ask(&["DBSIZE"]).number(), 0);
        // When somebody has corrected it, it is used.
        server.run(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        server.run(&["CONFIG", "SET", "appendonly", "yes"]);
        server.run(&["CONFIG", "SET", "appendfsync", "always"]);
        tokio::time::sleep(Duration::from_millis(300)).await;
        put(&queue, &message("1")).await;
        assert_eq!(queue.status().unfit, None);
    }
}

#[tokio::test]
async fn what_is_found_out() {
    let server = RedisServer::start(&["--appendfsync", "always"]);
    let queue = made(&QueueSettings { durable: Durability::Sync, ..settings(&server) });
    let fitness = queue.fitness().await.unwrap();
    assert_eq!((fitness.server.as_str(), fitness.appendonly), ("redis", Some(true)));
    assert_eq!(fitness.appendfsync.as_deref(), Some("always"));
    assert_eq!(fitness.maxmemory_policy.as_deref(), Some("noeviction"));
    assert!(fitness.version.starts_with('7') || fitness.version.starts_with('8'), "{}", fitness.version);
    assert!(fitness.findings.is_empty() && fitness.replicas == Some(0));
    let lost = RedisServer::start(&["--appendonly", "no"]);
    let fitness = made(&settings(&lost)).fitness().await.unwrap();
    assert!(fitness.unfit().is_none() && fitness.findings[0].text.contains("appendonly no"));
}

#[tokio::test]
async fn nobody_is_there() {
    let server = RedisServer::start(&[]);
    let url = "redis://127.0.0.1:1".to_owned();
    let queue = made(&QueueSettings { url, ..settings(&server) });
    assert_eq!(queue.status().unreachable_since, None);
    let began = Instant::now();
    for _ in 0..100 {
        let gone = queue.put(&message("1")).await.unwrap_err();
        assert!(matches!(gone, QueueError::Unreachable { .. }), "{gone}");
        let text = "queue main: 127.0.0.1:1 cannot be reached: connection refused";
        assert_eq!(gone.to_string(), text);
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(queue.status().unreachable_since.is_some());
    // A loop around it does not spin.
    let consumer = worker(&queue);
    let began = Instant::now();
    for _ in 0..3 {
        assert!(consumer.receive(1).await.is_err());
    }
    assert!(began.elapsed() > Duration::from_millis(500));
}

#[tokio::test]
async fn settings_that_cannot_be_used() {
    let server = RedisServer::start(&[]);
    let refused = |settings: QueueSettings, node: &str| {
        RedisQueue::new(&settings, node, Arc::new(SystemClock)).err().expect("it is refused")
    };
    let short = QueueSettings { sign: vec!["short".to_owned()], ..settings(&server) };
    assert!(matches!(refused(short, "a"), InvalidQueueSettings::Sign(_)));
    let url = QueueSettings { url: "http://a".to_owned(), ..settings(&server) };
    assert!(matches!(refused(url, "a"), InvalidQueueSettings::Url(_)));
    assert!(matches!(refused(settings(&server), "a/b"), InvalidQueueSettings::Node));
    let queue = queue(&server, "a");
    let short = herald_queue::ConsumerSettings {
        lease: Duration::from_secs(1),
        ..crate::fixture::consumer_settings()
    };
    assert!(queue.consumer(short).is_err());
}
