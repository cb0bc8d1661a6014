//! Leases end with the one who holds them.

use std::time::Duration;

use e2e::etcd::EtcdServer;
use herald_etcd::PutRequest;

use crate::{client, until, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_lasts_while_it_is_kept_alive() {
    let server = EtcdServer::start();
    let client = client(&server);
    let mut keeper = client.hold_lease(Duration::from_secs(2)).await.unwrap();
    let id = keeper.lease().id;
    client.put(&PutRequest { key: b"/w/a".to_vec(), value: vec![], lease: id }).await.unwrap();
    let key = client.get(b"/w/a", None).await.unwrap().unwrap();
    assert_eq!(key.lease, id);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(client.get(b"/w/a", None).await.unwrap().is_some() && !keeper.is_over());

    // Somebody else ends it.
    client.revoke_lease(id).await.unwrap();
    client.revoke_lease(id).await.unwrap();
    within(5, keeper.over()).await;
    assert!(keeper.is_over());
    assert_eq!(client.keep_lease_alive(id).await.unwrap(), None, "a dead lease is answered with 200");
    assert_eq!(client.get(b"/w/a", None).await.unwrap(), None);

    // Nobody keeps it alive.
    let keeper = client.hold_lease(Duration::from_secs(2)).await.unwrap();
    let lease = keeper.lease().id;
    client.put(&PutRequest { key: b"/w/b".to_vec(), value: vec![], lease }).await.unwrap();
    drop(keeper);
    until(10, "the key is deleted", async || {
        client.get(b"/w/b", None).await.unwrap().is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_over_when_etcd_is_away_for_its_length() {
    let mut server = EtcdServer::start();
    let client = client(&server);
    let mut keeper = client.hold_lease(Duration::from_secs(2)).await.unwrap();
    server.kill();
    within(6, keeper.over()).await;
    server.start_again();
    assert!(client.grant_lease(Duration::from_secs(5)).await.is_ok());
}
