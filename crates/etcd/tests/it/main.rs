//! Against real servers of etcd, which each test starts.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod access;
mod failover;
mod following;
mod keys;
mod leases;

use std::future::Future;
use std::time::{Duration, Instant};

use e2e::etcd::EtcdServer;
use herald_etcd::{
    EtcdClient, EtcdCredentials, EtcdSettings, FollowMode, FollowSettings, FollowStep, KeyRange,
    PrefixFollower, PutRequest,
};

/// Settings for servers with these URLs.
fn settings(urls: &[String]) -> EtcdSettings {
    EtcdSettings {
        name: "main".to_owned(),
        endpoints: urls.iter().map(|url| url.parse().unwrap()).collect(),
        timeout: Duration::from_secs(5),
        credentials: None,
        tls: None,
    }
}

fn client(server: &EtcdServer) -> EtcdClient {
    EtcdClient::new(settings(&[server.url()]))
}

fn client_as(server: &EtcdServer, username: &str, password: &str) -> EtcdClient {
    let credentials = EtcdCredentials { username: username.to_owned(), password: password.to_owned() };
    EtcdClient::new(EtcdSettings { credentials: Some(credentials), ..settings(&[server.url()]) })
}

fn put(key: &str, value: impl Into<Vec<u8>>) -> PutRequest {
    PutRequest { key: key.into(), value: value.into(), lease: 0 }
}

fn follow(client: &EtcdClient, mode: FollowMode) -> PrefixFollower {
    let resync = Duration::from_secs(600);
    PrefixFollower::start(
        client,
        FollowSettings { range: KeyRange::prefix(*b"/w/"), mode, list_at: None, resync },
    )
}

async fn step(follower: &mut PrefixFollower) -> FollowStep {
    within(40, follower.next_step()).await.expect("the follower runs")
}

async fn within<T>(seconds: u64, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(seconds), future).await.expect("in time")
}

/// Asks until there is an answer, for at most so many seconds.
async fn until<T>(seconds: u64, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(seconds), "not within {seconds} s: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
