use std::time::Duration;

use herald_core::clock::SystemClock;
use jiff::SignedDuration;

use super::file::{Bounds, KEPT};
use super::*;
use crate::history::Keep;

fn store(folder: &std::path::Path) -> Arc<JournalStore> {
    let keep = Keep { time: Duration::from_secs(3600), jobs: 10 };
    Arc::new(JournalStore::open(folder, keep, Arc::new(SystemClock)).unwrap())
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn key(caller: &str, key: &str) -> IdempotencyKey {
    IdempotencyKey::of(&[caller.as_bytes()], key).unwrap()
}

fn request(path: &str) -> RequestDigest {
    RequestDigest::of(&[b"POST", path.as_bytes(), b""])
}

fn response() -> FirstResponse {
    FirstResponse {
        status: 202,
        content_type: Some("application/json".to_owned()),
        location: None,
        body: b"{}".to_vec(),
    }
}

/// What a request with this key is, in a word; one that is new is carried out.
async fn sent(keys: &Arc<IdempotencyKeys>, key: IdempotencyKey, path: &str, now: i64) -> &'static str {
    match keys.claim(key, request(path), at(now)).await.unwrap() {
        KeyClaim::New(claimed) => {
            claimed.finish(response()).await.unwrap();
            "new"
        }
        KeyClaim::Replay(first) => {
            assert_eq!(first, response());
            "replay"
        }
        KeyClaim::ResponseUnknown => "unknown",
        KeyClaim::Different => "different",
        KeyClaim::InProgress => "in progress",
    }
}

#[tokio::test]
async fn a_key_is_known_for_a_day_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let opened = store(folder.path());
    let on_disk = Arc::new(IdempotencyKeys::new(Some(opened.clone())));
    let again = Arc::new(IdempotencyKeys::new(Some(opened)));
    let memory = Arc::new(IdempotencyKeys::default());
    let day = KEPT.as_secs();
    for (first, later) in [(&on_disk, &again), (&memory, &memory)] {
        for (keys, caller, name, path, now, expected) in [
            (first, "anna", "k", "/a", 100, "new"),
            (first, "anna", "k", "/a", 101, "replay"),
            (later, "anna", "k", "/a", 102, "replay"),
            (later, "anna", "k", "/b", 103, "different"),
            (later, "bob", "k", "/b", 104, "new"),
            (later, "anna", "l", "/a", 105, "new"),
            (later, "anna", "k", "/a", 99 + day, "replay"),
            (later, "anna", "k", "/b", 100 + day, "new"),
        ] {
            assert_eq!(
                sent(keys, key(caller, name), path, now).await,
                expected,
                "{caller} {name} {path} {now}"
            );
        }
    }
}

#[tokio::test]
async fn one_in_progress_is_not_carried_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let opened = store(folder.path());
    let keys = Arc::new(IdempotencyKeys::new(Some(opened.clone())));
    let claim = async |name: &str| match keys.claim(key("anna", name), request("/a"), at(1)).await.unwrap() {
        KeyClaim::New(claimed) => claimed,
        _ => panic!("{name} is new"),
    };
    let running = claim("k").await;
    assert_eq!(sent(&keys, key("anna", "k"), "/a", 2).await, "in progress");
    assert_eq!(sent(&keys, key("anna", "k"), "/b", 2).await, "different");
    let wait = keys.ended(key("anna", "k"));
    assert!(tokio::time::timeout(Duration::from_millis(20), wait).await.is_err());
    // Of a killed daemon, say: nobody knows whether it was done.
    drop(running);
    keys.ended(key("anna", "k")).await;
    assert_eq!(sent(&keys, key("anna", "k"), "/a", 3).await, "unknown");
    let restarted = Arc::new(IdempotencyKeys::new(Some(opened)));
    assert_eq!(sent(&restarted, key("anna", "k"), "/a", 3).await, "unknown");
    claim("refused").await.forget().await.unwrap();
    assert_eq!(sent(&keys, key("anna", "refused"), "/a", 4).await, "new");
    let long = FirstResponse { body: vec![b' '; LONGEST_RESPONSE + 1], ..response() };
    claim("long").await.finish(long).await.unwrap();
    assert_eq!(sent(&keys, key("anna", "long"), "/a", 5).await, "unknown");
}

#[test]
fn the_oldest_keys_give_way() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(schema::IDEMPOTENCY).unwrap();
    // The first two have no response yet; the clock of the last two was ahead.
    let now = Timestamp::from_millisecond(37).unwrap();
    for n in 0..40_u8 {
        let row = rusqlite::params![[n], n, (n > 1).then_some(202)];
        let sql = "INSERT INTO idempotency (key, request, at, size, status) VALUES (?1, x'', ?2, 10, ?3)";
        connection.execute(sql, row).unwrap();
    }
    for (keys, bytes, left) in [
        (41, 500, [0..40, 0..0]),
        (40, 500, [0..38, 0..0]),
        (100, 350, [0..2, 6..38]),
        (4, 500, [0..2, 37..38]),
        (3, 500, [0..2, 0..0]),
        (2, 500, [1..2, 0..0]),
    ] {
        file::make_room(&connection, &Bounds { keys, bytes }, now).unwrap();
        let mut statement = connection.prepare("SELECT at FROM idempotency ORDER BY at").unwrap();
        let known = statement.query_map([], |row| row.get::<_, u8>(0)).unwrap();
        let known: Vec<u8> = known.map(Result::unwrap).collect();
        assert_eq!(known, left.into_iter().flatten().collect::<Vec<u8>>(), "{keys} {bytes}");
    }
}

#[tokio::test]
async fn the_requests_at_once_are_bounded() {
    let keys = Arc::new(IdempotencyKeys::default());
    let mut held = Vec::new();
    for n in 0..MOST_AT_ONCE {
        held.push(keys.claim(key("bob", &n.to_string()), request("/a"), at(5)).await.unwrap());
    }
    let one_more = keys.claim(key("bob", "x"), request("/a"), at(5)).await;
    assert!(matches!(one_more, Err(IdempotencyError::TooMany)));
    drop(held);
    assert_eq!(sent(&keys, key("bob", "x"), "/a", 5).await, "new");
}

#[test]
fn keys_are_visible_ascii() {
    let longest = "x".repeat(LONGEST_KEY);
    for (key, is_key) in [
        ("a", true),
        ("~!\"", true),
        (&*longest, true),
        (&*format!("{longest}x"), false),
        ("", false),
        ("a b", false),
        ("ä", false),
    ] {
        assert_eq!(IdempotencyKey::of(&[b""], key).is_some(), is_key, "{key}");
    }
    let scoped = |scope: &[&[u8]]| IdempotencyKey::of(scope, "k");
    assert_ne!(scoped(&[b"ab", b"c"]), scoped(&[b"a", b"bc"]));
    assert_eq!(SignedDuration::from_hours(24), KEPT);
}
