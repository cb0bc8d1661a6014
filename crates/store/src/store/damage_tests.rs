//! A state that is damaged: what is whole goes on, and what is not is named.

use std::path::Path;
use std::sync::Arc;

use herald_core::journal::{InterruptedState, Record, RecoveredJob};
use serde_json::json;

use super::JournalStore;
use super::tests::{KEEP, accepted, append, ended, id, leave_behind, open, plan, queued, routed, started};
use crate::history::{History, HistoryError, JobQuery, Unreadable};
use crate::pauses::{PausedKind, Pauses};

const PAGE: usize = 4096;

/// Three jobs that wait, and an event that is not routed.
async fn waiting(folder: &Path) {
    let (plan, store) = (plan("hunter2222"), open(folder));
    let mut records: Vec<Record> =
        vec![accepted(&plan, 1, json!({"n": 1})), accepted(&plan, 2, json!({"n": 2}))];
    records.extend((11..14).map(|n| queued(&plan, 1, n)));
    records.push(routed(1, Some(id(11))));
    append(&store, &records).await.unwrap();
}

fn change(folder: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(folder.join("journal.db")).unwrap();
    assert_eq!(connection.execute(sql, []).unwrap(), 1, "{sql}");
    // All of it into the file.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

fn recovered(store: &JournalStore) -> (usize, usize) {
    let recovered = store.recover().unwrap();
    (recovered.events.len(), recovered.jobs.len())
}

async fn listed(store: &JournalStore) -> usize {
    store.jobs(JobQuery { limit: 100, ..JobQuery::default() }).await.unwrap().jobs.len()
}

#[tokio::test]
async fn one_damaged_row_is_left_out_and_named() {
    for damage in [
        "router = CAST(x'ff41fe' AS TEXT)",
        "attempt = 'many'",
        "queued_at = x'00'",
        "actor = CAST(x'fe' AS TEXT)",
    ] {
        let folder = tempfile::tempdir().unwrap();
        waiting(folder.path()).await;
        change(folder.path(), &format!("UPDATE jobs SET {damage} WHERE id = '{}'", id(12)));
        let store = open(folder.path());
        assert_eq!(recovered(&store), (1, 2), "{damage}");
        let asked = store.job(&id(12)).await;
        assert!(
            matches!(asked, Err(HistoryError::Unreadable(Unreadable::Damaged(_)))),
            "{damage}: {asked:?}"
        );
        let named = store.damage().list();
        assert!(named.iter().any(|what| what.contains(&*id(12))), "{damage}: {named:?}");
        assert!(listed(&store).await >= 2, "{damage}");
        // And everything else goes on.
        append(&store, &[accepted(&plan("hunter2222"), 9, json!({}))]).await.unwrap();
        assert!(store.event(&id(9)).await.unwrap().is_some());
    }
}

/// Changes a row of a job, and leaves the index of states as it is.
fn change_beside_the_index(folder: &Path, sql: &str) {
    let open = || rusqlite::Connection::open(folder.join("journal.db")).unwrap();
    let connection = open();
    let find = "SELECT rootpage, sql FROM sqlite_schema WHERE name = 'jobs_by_status'";
    let pair = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let (page, made) = connection.query_row(find, [], pair).unwrap();
    let forget = "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'jobs_by_status'";
    connection.execute_batch(forget).unwrap();
    drop(connection);
    let connection = open();
    assert_eq!(connection.execute(sql, []).unwrap(), 1, "{sql}");
    connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
    let remember = "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql)
                    VALUES ('index', 'jobs_by_status', 'jobs', ?1, ?2)";
    connection.execute(remember, rusqlite::params![page, made]).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

#[tokio::test]
async fn what_a_row_says_counts_and_not_what_its_index_says() {
    for (row, expected) in [
        ("status = 'running', started_at = 2", &[(11, false), (12, true), (13, false)][..]),
        ("status = 'succeeded', started_at = 2, ended_at = 3", &[(11, false), (13, false)]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        waiting(folder.path()).await;
        change_beside_the_index(folder.path(), &format!("UPDATE jobs SET {row} WHERE id = '{}'", id(12)));
        let store = open(folder.path());
        assert_eq!(open_jobs(&store), expected, "{row}");
        let is_named = store.damage().list().iter().any(|what| what.contains(&*id(12)));
        assert_eq!(is_named, expected.len() == 2, "{row}: {:?}", store.damage().list());
    }
}

/// The jobs to go on with, and whether each ran.
fn open_jobs(store: &JournalStore) -> Vec<(u64, bool)> {
    let jobs = store.recover().unwrap().jobs;
    let number = |id: &str| u64::from_str_radix(id.rsplit('-').next().unwrap(), 16).unwrap();
    let ran = |job: &RecoveredJob| matches!(job.interrupted, InterruptedState::Running);
    jobs.iter().map(|job| (number(&job.stored.job.id), ran(job))).collect()
}

#[tokio::test]
async fn jobs_are_recovered_in_the_order_of_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, store) = (plan("hunter2222"), open(folder.path()));
    let mut records = vec![accepted(&plan, 1, json!({"n": 1}))];
    records.extend((11..16).map(|n| queued(&plan, 1, n)));
    records.extend([started(&plan, 1, 12, 1), started(&plan, 1, 15, 1), ended(&plan, 1, 13)]);
    append(&store, &records).await.unwrap();
    drop(store);
    let expected = [(11, false), (12, true), (14, false), (15, true)];
    assert_eq!(open_jobs(&open(folder.path())), expected);
    // One by one, as where something is damaged.
    change(folder.path(), &format!("UPDATE jobs SET attempt = 'many' WHERE id = '{}'", id(14)));
    assert_eq!(open_jobs(&open(folder.path())), [expected[0], expected[1], expected[3]]);
}

#[tokio::test]
async fn an_event_that_is_damaged_is_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    waiting(folder.path()).await;
    change(
        folder.path(),
        &format!("UPDATE events SET trigger_name = CAST(x'ff' AS TEXT) WHERE id = '{}'", id(2)),
    );
    let store = open(folder.path());
    assert_eq!(recovered(&store), (0, 3));
    assert!(store.damage().list().iter().any(|what| what.contains(&*id(2))));
}

/// Nobody has to ask for it.
#[tokio::test]
async fn damaged_values_of_what_has_ended_are_found_in_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, store) = (plan("hunter2222"), open(folder.path()));
    let records = [
        accepted(&plan, 1, json!({"n": 1})),
        queued(&plan, 1, 11),
        routed(1, Some(id(11))),
        ended(&plan, 1, 11),
    ];
    append(&store, &records).await.unwrap();
    assert_eq!(listed(&store).await, 1);
    drop(store);
    for (row, change_of) in [
        (format!("events {}: ", id(1)), "UPDATE events SET param = CAST(x'7b22ff' AS TEXT)"),
        (format!("jobs {}: ", id(11)), "UPDATE jobs SET job_param = CAST(x'ff' AS TEXT)"),
    ] {
        change(folder.path(), change_of);
        let store = open(folder.path());
        let mut tries = 0;
        while !store.damage().list().iter().any(|what| what.contains(&row)) {
            tries += 1;
            assert!(tries < 500, "{row}: {:?}", store.damage().list());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn damaged_pages_are_found_in_the_background_and_pages_of_jobs_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, store) = (plan("hunter2222"), open(folder.path()));
    let mut records = vec![accepted(&plan, 1, json!({"n": 1}))];
    records.extend((100..400).map(|n| queued(&plan, 1, n)));
    append(&store, &records).await.unwrap();
    assert_eq!(store.jobs(JobQuery { limit: 1000, ..JobQuery::default() }).await.unwrap().jobs.len(), 300);
    drop(store);
    let path = folder.path().join("journal.db");
    let page = {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        // A page of rows, known by the id of a job in the middle.
        drop(connection);
        let bytes = std::fs::read(&path).unwrap();
        let wanted = id(250);
        let holds = |page: &[u8]| page.windows(36).any(|found| found == wanted.as_bytes());
        let is_row = |page: &[u8]| page.windows(12).any(|found| found == b"git_password");
        bytes.chunks(PAGE).position(|page| holds(page) && is_row(page)).unwrap()
    };
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[page * PAGE..page * PAGE + 64].fill(0x5a);
    std::fs::write(&path, &bytes).unwrap();
    let store = open(folder.path());
    let found = store.recover().unwrap().jobs.len();
    assert!((100..300).contains(&found), "{found}");
    let page = store.jobs(JobQuery { limit: 1000, ..JobQuery::default() }).await.unwrap();
    assert_eq!(page.jobs.len(), found, "the same jobs are whole");
    for _ in 0..200 {
        if store.damage().list().iter().any(|what| what.contains("journal.db")) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{:?}", store.damage().list());
}

#[tokio::test]
async fn a_journal_that_ends_early_is_named() {
    for (what, cut) in [("is missing", None), ("bytes and had", Some(200)), ("bytes and had", Some(60_000))] {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan("hunter2222");
        leave_behind(
            folder.path(),
            &[vec![accepted(&plan, 1, json!({}))], vec![accepted(&plan, 2, json!({}))]],
        )
        .await;
        let log = folder.path().join("journal").join(format!("{:020}.log", 0));
        match cut {
            None => std::fs::remove_file(&log).unwrap(),
            Some(length) => {
                std::fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(length).unwrap()
            }
        }
        let store = open(folder.path());
        let named = store.damage().list();
        assert!(named.len() == 1 && named[0].contains(what) && named[0].contains("0.log"), "{named:?}");
        append(&store, &[accepted(&plan, 9, json!({}))]).await.unwrap();
        drop(store);
        let store = open(folder.path());
        assert!(store.damage().list().is_empty(), "{:?}", store.damage().list());
        assert!(store.event(&id(9)).await.unwrap().is_some());
    }
    // What ended as it should has nothing to report: a clean stop, and a killed process.
    let folder = tempfile::tempdir().unwrap();
    let plan = plan("hunter2222");
    leave_behind(folder.path(), &[vec![accepted(&plan, 1, json!({}))]]).await;
    for _ in 0..2 {
        assert!(open(folder.path()).damage().list().is_empty());
    }
}

#[test]
fn a_file_that_is_not_a_database_names_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("journal.db"), "garbage ".repeat(100)).unwrap();
    let error = JournalStore::open(folder.path(), KEEP, std::sync::Arc::new(herald_core::clock::SystemClock))
        .err()
        .unwrap()
        .to_string();
    for says in ["file is not a database", "`heraldd state restore`", "`heraldd state salvage`"] {
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_history_that_is_gone_is_named_and_a_new_state_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    assert!(open(folder.path()).damage().list().is_empty(), "a new state has nothing to report");
    assert!(open(folder.path()).damage().list().is_empty());
    let path = folder.path().join("journal.db");
    for (empty, says) in [(true, "journal.db is empty"), (false, "journal.db is missing")] {
        for beside in ["journal.db-wal", "journal.db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(beside));
        }
        match empty {
            true => std::fs::write(&path, "").unwrap(),
            false => std::fs::remove_file(&path).unwrap(),
        }
        let store = open(folder.path());
        let named = store.damage().list();
        assert!(named.len() == 1 && named[0].contains(says), "{named:?}");
        append(&store, &[accepted(&plan("hunter2222"), 9, json!({}))]).await.unwrap();
    }
}

/// Fills the page at the root of this table, or what is behind it in the file as well, with rubbish.
fn spoil(folder: &Path, tables: &[&str]) {
    let path = folder.join("journal.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let root = |table: &&str| {
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        connection.query_row(sql, [table], |row| row.get::<_, i64>(0)).unwrap()
    };
    let pages: Vec<usize> = tables.iter().map(|table| usize::try_from(root(table)).unwrap()).collect();
    drop(connection);
    let mut bytes = std::fs::read(&path).unwrap();
    pages.iter().for_each(|page| bytes[(page - 1) * PAGE..page * PAGE].fill(0x5a));
    std::fs::write(&path, &bytes).unwrap();
}

#[tokio::test]
async fn damaged_pauses_are_named_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    waiting(folder.path()).await;
    spoil(folder.path(), &["pauses"]);
    let store = Arc::new(open(folder.path()));
    for kind in [PausedKind::Routers, PausedKind::Nodes] {
        let pauses = Pauses::open(kind, Some(store.clone())).await.unwrap();
        assert!(pauses.current(jiff::Timestamp::UNIX_EPOCH).is_empty());
    }
    let named = store.damage().list();
    assert!(named.iter().any(|what| what.contains("paused routers in journal.db")), "{named:?}");
    assert_eq!(recovered(&store), (1, 3));
}

#[tokio::test]
async fn what_keeps_the_history_from_being_opened_names_the_way_out() {
    for tables in [&["position"][..], &["seal_check"], &["position", "jobs", "events"]] {
        let folder = tempfile::tempdir().unwrap();
        waiting(folder.path()).await;
        spoil(folder.path(), tables);
        let opened = JournalStore::open(folder.path(), KEEP, Arc::new(herald_core::clock::SystemClock));
        let error = opened.err().unwrap().to_string();
        for says in ["malformed", "`heraldd state restore`", "`heraldd state salvage`"] {
            assert!(error.contains(says), "{tables:?}: {error}");
        }
    }
}
