//! A journal that another daemon has, a newer one, a damaged one.

use super::*;

#[test]
fn one_daemon_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let second = JournalStore::open(folder.path(), KEEP, Arc::new(SystemClock)).err().unwrap().to_string();
    assert!(
        second.contains(&format!("pid {}", std::process::id())) && second.contains("state_dir"),
        "{second}"
    );
    drop(first);
    open(folder.path());
}

#[test]
fn a_newer_or_damaged_journal_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join("journal.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = JournalStore::open(folder.path(), KEEP, Arc::new(SystemClock)).err().unwrap().to_string();
    assert!(error.contains("version 99"), "{error}");
    let garbage = vec![b'x'; 8192];
    std::fs::write(&path, &garbage).unwrap();
    let error = JournalStore::open(folder.path(), KEEP, Arc::new(SystemClock)).err().unwrap().to_string();
    assert!(error.contains("journal.db"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
}

#[tokio::test]
async fn a_log_that_ends_anywhere_gives_every_whole_batch() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan("hunter2222");
    left_behind(folder.path(), &plan, 3).await;
    let path = folder.path().join("journal").join(format!("{:020}.log", 0));
    let mut whole = std::fs::read(&path).unwrap();
    // The rest are zeros, ready for more.
    whole.truncate(whole.iter().rposition(|byte| *byte != 0).unwrap() + 9);
    let database = std::fs::read(folder.path().join("journal.db")).unwrap();
    let wal = std::fs::read(folder.path().join("journal.db-wal")).unwrap();
    let mut counts = Vec::new();
    for cut in 0..=whole.len() {
        let again = tempfile::tempdir().unwrap();
        std::fs::create_dir(again.path().join("journal")).unwrap();
        std::fs::copy(folder.path().join("seal.key"), again.path().join("seal.key")).unwrap();
        std::fs::write(again.path().join("journal.db"), &database).unwrap();
        std::fs::write(again.path().join("journal.db-wal"), &wal).unwrap();
        let log = again.path().join("journal").join(format!("{:020}.log", 0));
        // Zeros are what a power cut can leave where something was to be written.
        let mut bytes = whole[..cut].to_vec();
        bytes.resize(whole.len() + if cut % 2 == 0 { 0 } else { 4096 }, 0);
        bytes.truncate(if cut % 3 == 0 { cut } else { bytes.len() });
        std::fs::write(&log, &bytes).unwrap();
        let store = open(again.path());
        let found = events(&store, 3).await;
        assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>(), "{cut}");
        counts.push(found.len());
        append(&store, &[accepted(&plan, 9, json!({}))]).await.unwrap();
        drop(store);
        assert!(open(again.path()).event(&id(9)).await.unwrap().is_some(), "{cut}");
    }
    assert!(counts.is_sorted() && counts.first() == Some(&0) && counts.last() == Some(&3), "{counts:?}");
}

#[tokio::test]
async fn damage_in_the_middle_of_the_log_is_told_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan("hunter2222");
    left_behind(folder.path(), &plan, 3).await;
    let path = folder.path().join("journal").join(format!("{:020}.log", 0));
    let whole = std::fs::read(&path).unwrap();
    for (what, at, says) in [
        ("the middle of the first batch", 60, "batch 0 of"),
        ("its name", 0, "not a journal of heraldd"),
        ("its version", 8, "is not supported"),
        ("its first number", 12, "beginning cannot be read"),
    ] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&path, &bytes).unwrap();
        let error = JournalStore::open(folder.path(), KEEP, Arc::new(SystemClock)).err().unwrap().to_string();
        assert!(error.contains(says), "{what}: {error}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what}");
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(events(&open(folder.path()), 3).await, [1, 2, 3]);
}
