//! Changes are followed in order, over everything that can happen to a watch.

use std::time::Duration;

use e2e::etcd::EtcdServer;
use herald_etcd::{
    ChangeAction, EtcdClient, FollowMode, FollowSettings, FollowStep, KeyChange, KeyRange, ListReason,
    Operation, PrefixFollower, Transaction, WatchEnd,
};

use crate::{client, follow, put, step, within};

const FIRST: FollowMode = FollowMode::Events { since: None };

async fn listed(follower: &mut PrefixFollower) -> (ListReason, Vec<KeyChange>) {
    match step(follower).await {
        FollowStep::Listed { reason, changes, .. } => (reason, changes),
        FollowStep::Changed { .. } | FollowStep::Reached { .. } => panic!("a list comes first"),
    }
}

/// The keys and values of so many changes; a deletion has none.
async fn changed(follower: &mut PrefixFollower, count: usize) -> Vec<(String, Option<String>)> {
    let mut all = Vec::new();
    while all.len() < count {
        let FollowStep::Changed { events, .. } = step(follower).await else { panic!("nothing is listed") };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        all.extend(
            events
                .into_iter()
                .map(|event| (text(event.key.key), (!event.deleted).then(|| text(event.key.value)))),
        );
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_comes_once_and_in_order() {
    let server = EtcdServer::start();
    let client = client(&server);
    client.put(&put("/w/old", "1")).await.unwrap();
    let mut follower = follow(&client, FIRST);
    let (reason, changes) = listed(&mut follower).await;
    assert_eq!((reason, changes.len()), (ListReason::First, 1));
    let mut expected = Vec::new();
    for n in 0..500 {
        client.put(&put("/w/a", n.to_string())).await.unwrap();
        expected.push(("/w/a".to_owned(), Some(n.to_string())));
    }
    let both = Transaction {
        success: vec![
            Operation::Put { key: b"/w/b".to_vec(), value: b"2".to_vec(), lease: 0 },
            Operation::Delete(KeyRange::key(*b"/w/a")),
            Operation::Put { key: b"/x".to_vec(), value: b"elsewhere".to_vec(), lease: 0 },
        ],
        ..Transaction::default()
    };
    client.transaction(&both).await.unwrap();
    expected.extend([("/w/b".to_owned(), Some("2".to_owned())), ("/w/a".to_owned(), None)]);
    assert_eq!(changed(&mut follower, 502).await, expected);

    client.put(&put("/w/b", "3")).await.unwrap();
    let FollowStep::Changed { point, events } = step(&mut follower).await else { panic!("it is followed") };
    let previous = events[0].previous.as_ref().unwrap();
    assert_eq!((previous.value.as_slice(), previous.mod_revision), (&b"2"[..], point.revision - 1));
    drop(follower);

    // Another process goes on where this one ended.
    client.put(&put("/w/c", "4")).await.unwrap();
    let mut follower = follow(&client, FollowMode::Events { since: Some(point) });
    assert_eq!(changed(&mut follower, 1).await, [("/w/c".to_owned(), Some("4".to_owned()))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_history_comes_in_fragments_with_whole_revisions() {
    let server = EtcdServer::start();
    let client = client(&server);
    for n in 0..24 {
        client.put(&put(&format!("/w/{n:02}"), vec![b'v'; 1 << 20])).await.unwrap();
    }
    let large =
        |n: usize| Operation::Put { key: format!("/w/t{n:03}").into(), value: vec![b't'; 12_000], lease: 0 };
    let transaction = Transaction { success: (0..120).map(large).collect(), ..Transaction::default() };
    client.transaction(&transaction).await.unwrap();
    let mut watch = client.watch(&KeyRange::prefix(*b"/w/"), 1, true).await.unwrap();
    let (mut batches, mut events) = (0, Vec::new());
    while events.len() < 144 {
        let batch = within(10, watch.next_batch()).await.unwrap();
        batches += 1;
        events.extend(batch.events.iter().map(|event| event.key.mod_revision));
        let whole = events.iter().filter(|revision| **revision == batch.revision()).count();
        assert!(whole == 1 || whole == 120, "a revision is not split: {whole}");
    }
    assert!(batches > 10, "{batches}");
    assert!(events.is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn compacted_changes_are_a_gap() {
    let server = EtcdServer::start();
    let client = client(&server);
    let first = client.put(&put("/w/a", "1")).await.unwrap();
    client.put(&put("/w/b", "1")).await.unwrap();
    client.put(&put("/w/a", "2")).await.unwrap();
    let last = client.put(&put("/w/b", "2")).await.unwrap();
    let _ = server.ctl(&["compaction", &last.revision.to_string()]);
    let ended = client.watch(&KeyRange::prefix(*b"/w/"), first.revision, false).await;
    let ended = match ended {
        Ok(mut watch) => within(5, watch.next_batch()).await.unwrap_err(),
        Err(end) => end,
    };
    assert_eq!(ended, WatchEnd::Compacted { revision: last.revision }, "and the connection stays open");

    let mut follower = follow(&client, FollowMode::Events { since: Some(first) });
    let (reason, changes) = listed(&mut follower).await;
    assert!(matches!(reason, ListReason::Gap(_)), "{reason:?}");
    let revisions: Vec<i64> = changes.iter().map(|change| change.revision).collect();
    assert_eq!(revisions, [last.revision - 1, last.revision]);
    client.put(&put("/w/c", "3")).await.unwrap();
    assert_eq!(changed(&mut follower, 1).await, [("/w/c".to_owned(), Some("3".to_owned()))]);

    // Up to where it was compacted, nothing is missing.
    let mut follower = follow(&client, FollowMode::Events { since: Some(last) });
    assert_eq!(changed(&mut follower, 1).await, [("/w/c".to_owned(), Some("3".to_owned()))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_store_is_another_history() {
    let mut server = EtcdServer::start();
    let client = client(&server);
    for n in 0..10 {
        client.put(&put("/w/a", n.to_string())).await.unwrap();
    }
    let before = client.put(&put("/w/b", "1")).await.unwrap();
    let mut state = follow(&client, FollowMode::State);
    let mut events = follow(&client, FIRST);
    listed(&mut state).await;
    listed(&mut events).await;

    server.stop();
    server.wipe();
    server.start_again();
    let after = client.put(&put("/w/b", "new")).await.unwrap();
    assert_eq!(after.cluster_id, before.cluster_id, "that does not show it");
    assert!(before.break_before(&after).is_some());
    // A watch waits in silence for a revision that is far away.
    let mut watch = client.watch(&KeyRange::prefix(*b"/w/"), before.revision, false).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(2), watch.next_batch()).await.is_err());
    let (reason, changes) = listed(&mut state).await;
    assert!(matches!(&reason, ListReason::OtherHistory(why) if why.contains("wiped")), "{reason:?}");
    let found: Vec<(&[u8], ChangeAction)> =
        changes.iter().map(|change| (change.key.as_slice(), change.action)).collect();
    assert!(found.contains(&(b"/w/a", ChangeAction::Delete)), "{found:?}");
    let (reason, changes) = listed(&mut events).await;
    assert!(matches!(reason, ListReason::OtherHistory(_)), "{reason:?}");
    if changes.is_empty() {
        // It looked before the key was written.
        assert_eq!(changed(&mut events, 1).await, [("/w/b".to_owned(), Some("new".to_owned()))]);
    }

    // An earlier process saw the old store.
    let mut later = follow(&client, FollowMode::Events { since: Some(before) });
    let (reason, _) = listed(&mut later).await;
    assert!(matches!(reason, ListReason::OtherHistory(_)), "{reason:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_filled_past_the_old_revision_is_another_history() {
    let mut server = EtcdServer::start();
    let client = client(&server);
    for n in 0..5 {
        client.put(&put(&format!("/w/{n}"), "1")).await.unwrap();
    }
    let mut followers = [follow(&client, FollowMode::State), follow(&client, FIRST)];
    for follower in &mut followers {
        listed(follower).await;
    }
    server.stop();
    server.wipe();
    server.start_again();
    let other = EtcdClient::new(client.settings().clone());
    // The last key that was seen is never of the revision again that it had.
    for n in 0..20 {
        other.put(&put(&format!("/w/{}", n % 3 + 4), n.to_string())).await.unwrap();
    }
    // The followers may look while the store is filled, which shows the same by the revision.
    for follower in &mut followers {
        let mut reasons = Vec::new();
        while !reasons.iter().any(|reason| matches!(reason, ListReason::OtherHistory(_))) {
            reasons.push(listed(follower).await.0);
            assert!(reasons.len() < 5, "{reasons:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_compared_now_and_then() {
    let server = EtcdServer::start();
    let client = client(&server);
    client.put(&put("/w/a", "1")).await.unwrap();
    let settings = FollowSettings {
        range: KeyRange::prefix(*b"/w/"),
        mode: FollowMode::State,
        list_at: None,
        resync: Duration::from_millis(500),
    };
    let mut follower = PrefixFollower::start(&client, settings);
    assert_eq!(listed(&mut follower).await.0, ListReason::First);
    for _ in 0..3 {
        assert_eq!(listed(&mut follower).await, (ListReason::Compared, vec![]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_range_is_not_overtaken_by_a_compaction() {
    let mut server = EtcdServer::start();
    let client = client(&server);
    client.put(&put("/w/a", "1")).await.unwrap();
    let mut follower = follow(&client, FIRST);
    listed(&mut follower).await;
    for _ in 0..20 {
        client.put(&put("/elsewhere", "x")).await.unwrap();
    }
    let last = client.put(&put("/elsewhere", "y")).await.unwrap();
    // Twice the probe sees that nothing is missing.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let _ = server.ctl(&["compaction", &last.revision.to_string()]);
    server.kill();
    server.start_again();
    client.put(&put("/w/a", "2")).await.unwrap();
    let FollowStep::Reached { point } = step(&mut follower).await else { panic!("nothing is missing") };
    assert_eq!(point.revision, last.revision);
    assert_eq!(changed(&mut follower, 1).await, [("/w/a".to_owned(), Some("2".to_owned()))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_list_is_of_the_point_where_it_begins() {
    let mut server = EtcdServer::start();
    let client = client(&server);
    let range = KeyRange::prefix(*b"/w/");
    for key in ["/w/a", "/w/b"] {
        client.put(&put(key, "1")).await.unwrap();
    }
    let begun = client.point(&range).await.unwrap();
    let follow_at = |mode| {
        let resync = Duration::from_secs(600);
        let settings = FollowSettings { range: range.clone(), mode, list_at: Some(begun), resync };
        PrefixFollower::start(&client, settings)
    };
    // All of it before anything is listed.
    for value in ["2", "3"] {
        client.put(&put("/w/a", value)).await.unwrap();
    }
    client.delete(&KeyRange::key(*b"/w/b")).await.unwrap();
    let last = client.put(&put("/w/c", "4")).await.unwrap();
    let put_of = |change: &KeyChange| (String::from_utf8_lossy(&change.key).into_owned(), change.revision);
    for mode in [FIRST, FollowMode::State] {
        let mut follower = follow_at(mode);
        let (reason, changes) = listed(&mut follower).await;
        let listed: Vec<_> = changes.iter().map(put_of).collect();
        let existed = [("/w/a".to_owned(), begun.revision - 1), ("/w/b".to_owned(), begun.revision)];
        assert_eq!((reason, &listed[..]), (ListReason::First, &existed[..]), "{mode:?}");
        let (a, b, c) = ("/w/a".to_owned(), "/w/b".to_owned(), "/w/c".to_owned());
        let value = |value: &str| Some(value.to_owned());
        let expected = [(a.clone(), value("2")), (a, value("3")), (b, None), (c, value("4"))];
        assert_eq!(changed(&mut follower, 4).await, expected, "{mode:?}");
    }

    // What changed since is compacted: everything, with the reason.
    let _ = server.ctl(&["compaction", &last.revision.to_string()]);
    let (reason, changes) = listed(&mut follow_at(FIRST)).await;
    assert!(matches!(&reason, ListReason::Gap(why) if why.contains("compacted")), "{reason:?}");
    assert_eq!(changes.len(), 2);
    // The store is another one.
    server.stop();
    server.wipe();
    server.start_again();
    let (reason, _) = listed(&mut follow_at(FIRST)).await;
    assert!(matches!(reason, ListReason::OtherHistory(_)), "{reason:?}");
}
