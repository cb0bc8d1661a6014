//! Members that are away, hang, or have no leader.

use std::time::{Duration, Instant};

use e2e::etcd::{EtcdCluster, EtcdServer};
use herald_etcd::{EtcdClient, EtcdError, FollowMode, FollowStep};

use crate::{client, follow, put, settings, step, until, within};

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_to_the_next_member_and_changes_only_when_they_were_not_made() {
    let mut server = EtcdServer::start();
    let other = EtcdServer::start();
    let mut both = settings(&[server.url(), other.url()]);
    both.timeout = Duration::from_secs(1);
    let client = EtcdClient::new(both.clone());
    client.put(&put("/w/a", "1")).await.unwrap();

    server.freeze();
    let error = client.put(&put("/w/a", "2")).await.unwrap_err();
    assert!(matches!(error, EtcdError::Unconfirmed { .. }), "{error}");
    server.thaw();
    let client = EtcdClient::new(both.clone());
    // Nobody can say whether it was made: only that it was not made elsewhere.
    let value = client.get(b"/w/a", None).await.unwrap().unwrap().value;
    assert!(value == b"1" || value == b"2", "{value:?}");

    server.freeze();
    let began = Instant::now();
    assert_eq!(client.get(b"/w/a", None).await.unwrap(), None, "the other one is another etcd");
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(client.connection().endpoint.unwrap(), other.url());
    server.thaw();
    server.kill();
    let client = EtcdClient::new(both);
    client.put(&put("/w/a", "3")).await.unwrap();
    assert_eq!(client.get(b"/w/a", None).await.unwrap().unwrap().value, b"3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_survived() {
    let mut server = EtcdServer::start();
    let client = client(&server);
    let mut follower = follow(&client, FollowMode::State);
    assert!(matches!(step(&mut follower).await, FollowStep::Listed { .. }));
    for (round, end) in [EtcdServer::stop, EtcdServer::kill].into_iter().enumerate() {
        end(&mut server);
        until(10, "it is noticed", async || (!client.connection().connected).then_some(())).await;
        assert!(client.connection().problem.is_some());
        server.start_again();
        server.put("/w/a", &round.to_string());
        // Whatever comes first: the list after the loss, or the change itself.
        until(35, "the change is seen", async || match step(&mut follower).await {
            FollowStep::Listed { changes, .. } => (!changes.is_empty()).then_some(()),
            FollowStep::Changed { .. } => Some(()),
            FollowStep::Reached { .. } => None,
        })
        .await;
        assert!(client.connection().connected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_member_and_a_killed_leader_are_left_within_fifteen_seconds() {
    let mut cluster = EtcdCluster::start();
    let client = EtcdClient::new(settings(&cluster.urls()));
    let mut follower = follow(&client, FollowMode::Events { since: None });
    assert!(matches!(step(&mut follower).await, FollowStep::Listed { .. }));
    cluster.members[1].put("/w/a", "1");
    assert!(matches!(step(&mut follower).await, FollowStep::Changed { .. }));

    cluster.members[0].freeze();
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(2)).await;
    until(10, "the others elect a leader", async || {
        let put = EtcdClient::new(settings(&[cluster.members[1].url()])).put(&put("/w/a", "2")).await;
        put.ok()
    })
    .await;
    let FollowStep::Changed { events, .. } = within(16, step(&mut follower)).await else {
        panic!("the position is kept: nothing is listed")
    };
    assert!(began.elapsed() < Duration::from_secs(16), "{:?}", began.elapsed());
    assert_eq!(events[0].key.value, b"2");
    assert_ne!(client.connection().endpoint.unwrap(), cluster.members[0].url());
    cluster.members[0].thaw();

    let leader = cluster.leader();
    cluster.members[leader].kill();
    let survivor = (0..3).find(|member| *member != leader).unwrap();
    let survivor = EtcdClient::new(settings(&[cluster.members[survivor].url()]));
    until(15, "another leader", async || survivor.put(&put("/w/a", "3")).await.ok()).await;
    until(15, "the change is seen", async || match step(&mut follower).await {
        FollowStep::Changed { events, .. } => {
            events.iter().any(|event| event.key.value == b"3").then_some(())
        }
        FollowStep::Reached { .. } => None,
        FollowStep::Listed { .. } => panic!("the position is kept"),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_a_leader_is_named() {
    let mut cluster = EtcdCluster::start();
    let client = EtcdClient::new(settings(&[cluster.members[0].url()]));
    let mut follower = follow(&client, FollowMode::State);
    assert!(matches!(step(&mut follower).await, FollowStep::Listed { .. }));
    cluster.members[1].kill();
    cluster.members[2].kill();
    until(15, "the watch ends", async || (!client.connection().connected).then_some(())).await;
    let error = until(15, "no leader", async || client.status().await.err()).await;
    assert!(matches!(error, EtcdError::NoLeader { .. }), "{error}");
    assert!(client.connection().problem.unwrap().contains("no leader"));
    cluster.members[1].begin();
    cluster.members[1].put("/w/a", "1");
    within(40, async {
        while !matches!(step(&mut follower).await, FollowStep::Listed { changes, .. } if !changes.is_empty())
        {
        }
    })
    .await;
    assert!(client.status().await.is_ok());
}
