//! Keys, ranges, transactions.

use e2e::etcd::EtcdServer;
use herald_etcd::{
    EtcdError, KeyComparison, KeyRange, Operation, OperationResult, PutRequest, RangeQuery, SeenKeys,
    Transaction,
};

use crate::{client, put};

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_values_are_any_bytes() {
    let server = EtcdServer::start();
    let client = client(&server);
    for (key, value) in [
        (b"/w/../x".to_vec(), b"".to_vec()),
        (b"/w//".to_vec(), b"\0\xff\r\n".to_vec()),
        (b"/w/a\nb".to_vec(), "ä".into()),
        (b"\xff\0".to_vec(), vec![b'x'; 1_572_000]),
        (vec![b'k'; 65_536], b"long key".to_vec()),
    ] {
        let written =
            client.put(&PutRequest { key: key.clone(), value: value.clone(), lease: 0 }).await.unwrap();
        let read = client.get(&key, None).await.unwrap().unwrap();
        assert!(read.value == value && read.key == key);
        assert_eq!((read.mod_revision, read.version), (written.revision, 1));
        assert_eq!(client.delete(&KeyRange::key(key.clone())).await.unwrap(), 1);
        assert_eq!(client.get(&key, None).await.unwrap(), None);
        assert!(client.get(&key, Some(written.revision)).await.unwrap().is_some());
    }
    let error = client.put(&put("/w/large", vec![b'x'; 1_600_000])).await.unwrap_err();
    assert!(error.to_string().contains("request is too large"), "{error}");
    assert!(client.connection().connected, "that is an answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_read_in_pages_at_one_revision() {
    let server = EtcdServer::start();
    let client = client(&server);
    for hundred in 0..25 {
        let put = |n: i32| Operation::Put {
            key: format!("/w/{hundred:02}{n:02}").into(),
            value: b"old".to_vec(),
            lease: 0,
        };
        let transaction = Transaction { success: (0..100).map(put).collect(), ..Transaction::default() };
        assert!(client.transaction(&transaction).await.unwrap().succeeded);
    }
    let query = || RangeQuery::new(KeyRange::prefix(*b"/w/"));
    let mut pages = client.pages(query());
    let first = pages.next_page().await.unwrap().unwrap();
    assert_eq!((first.keys.len(), first.count), (1000, 2500));
    client.put(&put("/w/2499", "new")).await.unwrap();
    client.delete(&KeyRange::key(*b"/w/2498")).await.unwrap();
    let mut keys = first.keys;
    while let Some(page) = pages.next_page().await.unwrap() {
        keys.extend(page.keys);
    }
    assert_eq!(keys.len(), 2500);
    assert!(keys.iter().all(|key| key.value == b"old"), "all of it is of one revision");
    assert!(keys.is_sorted_by(|one, other| one.key < other.key));

    let whole = client.range(query(), 1 << 20).await.unwrap();
    assert_eq!((whole.keys.len(), whole.revision), (2499, whole.point.revision));
    let changed = RangeQuery { changed_since: first.point.revision + 1, ..query() };
    assert_eq!(client.range(changed, 1 << 20).await.unwrap().keys.len(), 1);
    let names = client.range(RangeQuery::keys_only(KeyRange::prefix(*b"/w/24")), 1 << 20).await.unwrap();
    assert!(names.keys.len() == 99 && names.keys.iter().all(|key| key.value.is_empty()));
    let error = client.range(query(), 1000).await.unwrap_err();
    assert!(matches!(error, EtcdError::TooLarge { limit: 1000, .. }), "{error}");

    let mut pages = client.pages(query());
    pages.next_page().await.unwrap();
    client.put(&put("/w/x", "y")).await.unwrap();
    let _ = server.ctl(&["compaction", &(whole.revision + 1).to_string()]);
    let error = pages.next_page().await.unwrap_err();
    assert!(matches!(error, EtcdError::Compacted { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_make_pages_smaller() {
    let server = EtcdServer::start();
    let client = client(&server);
    for n in 0..28 {
        client.put(&put(&format!("/w/{n:02}"), vec![b'v'; 1 << 20])).await.unwrap();
    }
    let range = RangeQuery::new(KeyRange::prefix(*b"/w/"));
    let whole = client.range(range, 64 << 20).await.unwrap();
    assert!(whole.keys.len() == 28 && whole.keys.iter().all(|key| key.value.len() == 1 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_happen_whole_or_not() {
    let server = EtcdServer::start();
    let client = client(&server);
    let create = |value: &str| Transaction {
        compare: vec![KeyComparison::missing(*b"/w/a")],
        success: vec![Operation::Put { key: b"/w/a".to_vec(), value: value.into(), lease: 0 }],
        failure: vec![
            Operation::Range { range: KeyRange::key(*b"/w/a"), limit: 0 },
            Operation::Delete(KeyRange::prefix(*b"/w/b")),
        ],
    };
    let first = client.transaction(&create("1")).await.unwrap();
    assert_eq!((first.succeeded, first.results), (true, vec![OperationResult::Put]));
    client.put(&put("/w/b1", "")).await.unwrap();
    client.put(&put("/w/b2", "")).await.unwrap();
    let second = client.transaction(&create("2")).await.unwrap();
    assert!(!second.succeeded);
    let [OperationResult::Keys(keys), OperationResult::Deleted(2)] = second.results.as_slice() else {
        panic!("{:?}", second.results)
    };
    assert_eq!(keys[0].value, b"1");
    let unchanged = Transaction {
        compare: vec![KeyComparison::unchanged_since(*b"/w/a", keys[0].mod_revision)],
        ..Transaction::default()
    };
    assert!(client.transaction(&unchanged).await.unwrap().succeeded);

    let put = |n: usize| Operation::Put { key: format!("/w/{n}").into(), value: vec![], lease: 0 };
    for (operations, says) in [
        ((0..129).map(put).collect::<Vec<_>>(), "too many operations"),
        (vec![put(1), put(1)], "duplicate key"),
        (vec![put(1), Operation::Delete(KeyRange::key(*b"/w/1"))], "duplicate key"),
    ] {
        let transaction = Transaction { success: operations, ..Transaction::default() };
        let error = client.transaction(&transaction).await.unwrap_err();
        assert!(matches!(error, EtcdError::Rejected { .. }) && error.to_string().contains(says), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_filled_again_is_of_another_history() {
    let mut server = EtcdServer::start();
    let herald = client(&server);
    let query = || RangeQuery::new(KeyRange::prefix(*b"/w/"));
    herald.put(&put("/w/a", "1")).await.unwrap();
    herald.put(&put("/w/b", "1")).await.unwrap();
    let snapshot = herald.range(query(), 1000).await.unwrap();
    let keys = snapshot.keys.iter().map(|key| (key.key.clone(), key.mod_revision)).collect();
    let seen = SeenKeys { point: snapshot.point, keys };
    let found = async || {
        let now = herald.range(query(), 1000).await.unwrap();
        herald.history_break(&seen, &now.point, &now.keys).await.unwrap()
    };
    assert_eq!(found().await, None);
    for key in ["/w/a", "/w/b", "/w/c"] {
        herald.put(&put(key, "2")).await.unwrap();
        assert_eq!(found().await, None, "{key}");
    }
    server.kill();
    server.wipe();
    server.start_again();
    for _ in 0..10 {
        herald.put(&put("/elsewhere", "1")).await.unwrap();
    }
    herald.put(&put("/w/a", "2")).await.unwrap();
    let broken = found().await.map(|broken| broken.to_string()).unwrap_or_default();
    assert!(broken.contains("etcd does not have it like that any more"), "{broken}");
    let _ = server.ctl(&["compaction", "9"]);
    assert_eq!(found().await, None, "nobody can know it");
}
