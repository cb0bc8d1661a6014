//! What earlier versions stored.

use herald_core::clock::TestClock;

use super::*;

#[tokio::test]
async fn an_older_history_is_brought_to_this_version() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join("journal.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "DROP TABLE drains;
             DROP TABLE idempotency;
             DROP TABLE pauses;
             DROP TABLE sessions;
             DROP TABLE audit;
             DROP TABLE seal_check;
             DROP TABLE position;
             DROP TABLE cursors;
             CREATE TABLE marks (mark TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
             INSERT INTO marks VALUES ('early', -1500), ('late', 1800000000123);
             ALTER TABLE events DROP COLUMN actor;
             ALTER TABLE jobs DROP COLUMN actor;
             ALTER TABLE jobs DROP COLUMN cancelled_by;
             PRAGMA user_version = 1;",
        )
        .unwrap();
    connection
        .execute(
            "INSERT INTO events (id, trigger_name, param, depth, accepted_at) VALUES (?1, 't', '{}', 0, 1)",
            [&*id(7)],
        )
        .unwrap();
    drop(connection);
    let store = open(folder.path());
    let recovered = store.recover().unwrap();
    assert_eq!(recovered.events[0].activation.event_id, id(7));
    for (source, millis) in [("early", -1500), ("late", 1_800_000_000_123)] {
        let at = Timestamp::from_millisecond(millis).unwrap();
        assert_eq!(store.reached(source).await.unwrap(), Some(Position::of_time(at)), "{source}");
    }
}

#[tokio::test]
async fn the_log_of_an_older_version_is_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    left_behind(folder.path(), &plan("hunter2222"), 3).await;
    let path = folder.path().join("journal").join(format!("{:020}.log", 0));
    let mut bytes = std::fs::read(&path).unwrap();
    for (version, says) in [(5_u32, Some("version 5")), (1, None)] {
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..20]);
        bytes[20..24].copy_from_slice(&sum.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        match (JournalStore::open(folder.path(), KEEP, Arc::new(SystemClock)), says) {
            (Ok(store), None) => assert_eq!(events(&store, 3).await, [1, 2, 3]),
            (Err(error), Some(says)) => assert!(error.to_string().contains(says), "{error}"),
            (found, _) => panic!("version {version}: {:?}", found.err()),
        }
    }
}

/// A copy of a `state_dir` that an earlier version wrote.
fn stored_by(version: &str) -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/fixtures").join(version);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("journal")).unwrap();
    for file in ["journal.db", "seal.key", "journal/00000000000000000000.log"] {
        std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    let key = folder.path().join("seal.key");
    std::fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    folder
}

#[tokio::test]
async fn what_an_earlier_version_stored_is_migrated() {
    let folder = stored_by("v3");
    // Of that day: later its keys are forgotten.
    let clock = TestClock::at(Timestamp::from_second(1_795_902_900).unwrap());
    let store = JournalStore::open(folder.path(), KEEP_OLD, Arc::new(clock)).unwrap();
    // From the history, and from the log that was not in it yet.
    let (first, second) = ("01a22426-85e4-72c8-bddb-f0797fde674b", "01a22426-a970-7729-848e-b32b8d9c323f");
    for (id, n, routed) in [(first, 1, 2), (second, 2, 2)] {
        let event = store.event(id).await.unwrap().unwrap();
        let decisions = event.decisions.len();
        assert_eq!((&*event.trigger, &event.trigger_param["n"], decisions), ("manual", &json!(n), routed));
    }
    let activation = store.activation(first).await.unwrap().unwrap();
    assert_eq!(
        activation.trigger_param.get("token"),
        Some(&json!("s3cret-of-mine")),
        "sealed, and still readable"
    );
    let recovered = store.recover().unwrap();
    let jobs: Vec<_> =
        recovered.jobs.iter().map(|found| (&*found.stored.job.task, found.interrupted)).collect();
    assert_eq!(
        jobs,
        [("k", InterruptedState::Running), ("k", InterruptedState::Queued { not_before: None })]
    );
    let page = store.jobs(JobQuery { limit: 10, ..JobQuery::default() }).await.unwrap();
    let statuses: Vec<_> = page.jobs.iter().map(|job| (&*job.task, job.state.status.as_str())).collect();
    assert_eq!(statuses, [("p", "succeeded"), ("k", "queued"), ("p", "succeeded"), ("k", "running")]);
    let later = at(0);
    let since = store.seen("manual:idempotency-key:first", Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(
        (since.as_deref(), store.seen("manual:idempotency-key:second", later).await.unwrap()),
        (Some(first), None)
    );
    for (source, millis) in [
        ("minute\0* * * * *\0false\0UTC", 1_795_902_840_000),
        ("yearly\0@yearly\0false\0UTC", 1_795_902_832_184),
    ] {
        let at = store.reached(source).await.unwrap().and_then(|position| position.time());
        assert_eq!(at.map(Timestamp::as_millisecond), Some(millis), "{source}");
    }
}
