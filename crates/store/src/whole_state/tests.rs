use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::sync::Arc;

use herald_core::clock::SystemClock;
use jiff::Timestamp;
use serde_json::json;

use super::{StateError, backup, check, restore, salvage};
use crate::history::{History, JobQuery};
use crate::store::JournalStore;
use crate::store::tests::{KEEP, accepted, append, id, leave_behind, open, plan, queued, routed};

/// A state with a job that waits and a sealed event.
async fn fill(store: &JournalStore) {
    let plan = plan("hunter2222");
    let event = accepted(&plan, 1, json!({"password": "from the event"}));
    append(store, &[event, queued(&plan, 1, 11), routed(1, Some(id(11)))]).await.unwrap();
    append(store, &[accepted(&plan, 2, json!({"n": 2})), queued(&plan, 2, 12)]).await.unwrap();
}

fn write_log(folder: &Path) {
    let day = folder.join("log/2025-11-24");
    std::fs::create_dir_all(&day).unwrap();
    std::fs::write(day.join("a-1.log"), "output").unwrap();
    for app in ["shop", ".cache"] {
        std::fs::create_dir_all(folder.join("apps").join(app)).unwrap();
        std::fs::write(folder.join("apps").join(app).join("book.json"), app).unwrap();
    }
}

fn assert_filled(folder: &Path) {
    let store = open(folder);
    let recovered = store.recover().unwrap();
    assert_eq!((recovered.jobs.len(), recovered.events.len()), (2, 1));
    assert!(recovered.jobs.iter().all(|job| job.stored.broken.is_none()));
    assert!(store.damage().list().is_empty(), "{:?}", store.damage().list());
}

#[tokio::test]
async fn a_backup_is_whole_while_events_come_and_is_restored() {
    let place = tempfile::tempdir().unwrap();
    let (folder, copied, back) = (place.path().join("s"), place.path().join("b"), place.path().join("r"));
    let store = Arc::new(open(&folder));
    fill(&store).await;
    write_log(&folder);
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            let plan = plan("hunter2222");
            for n in 100..2000 {
                append(&store, &[accepted(&plan, n, json!({"n": n}))]).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    for n in 0..5 {
        let copied = copied.join(n.to_string());
        let (from, to) = (folder.clone(), copied.clone());
        let made = tokio::task::spawn_blocking(move || backup(&from, &to, Timestamp::UNIX_EPOCH));
        made.await.unwrap().unwrap();
        assert_eq!(check(&copied).unwrap().problems, Vec::<String>::new());
    }
    writing.await.unwrap();
    let why = restore(&copied.join("4"), &folder).unwrap_err().to_string();
    assert!(why.contains("another heraldd"), "{why}");
    drop(store);
    let why = restore(&copied.join("4"), &folder).unwrap_err().to_string();
    assert!(why.contains("is not empty"), "{why}");
    let report = restore(&copied.join("0"), &back).unwrap();
    // The history may not have taken in anything yet.
    assert!(report.jobs == 2 || report.batches > 0, "{report:?}");
    assert_eq!(std::fs::read_to_string(back.join("log/2025-11-24/a-1.log")).unwrap(), "output");
    assert_eq!(std::fs::read_to_string(back.join("apps/shop/book.json")).unwrap(), "shop");
    assert!(!back.join("apps/.cache").exists(), "caches stay behind");
    let store = open(&back);
    assert_eq!(store.recover().unwrap().jobs.len(), 2);
    assert!(store.recover().unwrap().jobs.iter().all(|job| job.stored.broken.is_none()));
}

#[tokio::test]
async fn no_backup_goes_where_others_can_change_it() {
    let place = tempfile::tempdir().unwrap();
    let (folder, copied) = (place.path().join("s"), place.path().join("b"));
    fill(&open(&folder)).await;
    std::fs::create_dir(&copied).unwrap();
    let refused = || {
        let why = backup(&folder, &copied, Timestamp::UNIX_EPOCH).unwrap_err().to_string();
        assert_eq!(std::fs::read_dir(&copied).unwrap().count(), 0);
        why
    };
    for mode in [0o777, 0o1777, 0o770] {
        std::fs::set_permissions(&copied, std::fs::Permissions::from_mode(mode)).unwrap();
        let why = refused();
        assert!(why.contains("can be written by other users") && why.contains("chmod go-w"), "{why}");
    }
    std::fs::set_permissions(&copied, std::fs::Permissions::from_mode(0o755)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&copied, Some(1234), None).unwrap();
        let why = refused();
        assert!(why.contains("belongs to another user (uid 1234)"), "{why}");
        chown(&copied, Some(0), None).unwrap();
    }
    backup(&folder, &copied, Timestamp::UNIX_EPOCH).unwrap();
}

#[tokio::test]
async fn what_is_not_a_whole_backup_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let (folder, copied) = (place.path().join("s"), place.path().join("b"));
    fill(&open(&folder)).await;
    backup(&folder, &copied, Timestamp::UNIX_EPOCH).unwrap();
    assert!(matches!(backup(&folder, &copied, Timestamp::UNIX_EPOCH), Err(StateError::Refused(_))));
    std::fs::remove_file(copied.join("seal.key")).unwrap();
    let why = restore(&copied, &place.path().join("r")).unwrap_err().to_string();
    assert!(why.contains("seal.key is missing"), "{why}");
    std::fs::remove_file(copied.join("backup")).unwrap();
    let why = restore(&copied, &place.path().join("r")).unwrap_err().to_string();
    assert!(why.contains("not a whole backup"), "{why}");
    assert!(check(&place.path().join("none")).is_err());
}

#[tokio::test]
async fn salvage_keeps_what_is_whole_and_names_the_rest() {
    let place = tempfile::tempdir().unwrap();
    let (folder, new) = (place.path().join("s"), place.path().join("n"));
    fill(&open(&folder)).await;
    write_log(&folder);
    let plan = plan("hunter2222");
    let more: Vec<_> = (3..6).map(|n| vec![accepted(&plan, n, json!({"n": n}))]).collect();
    leave_behind(&folder, &more).await;
    // A row, and a batch in the middle of what is not in the history yet.
    let connection = rusqlite::Connection::open(folder.join("journal.db")).unwrap();
    let sql = format!("UPDATE jobs SET router = CAST(x'ff' AS TEXT) WHERE id = '{}'", id(12));
    connection.execute(&sql, []).unwrap();
    drop(connection);
    let log = std::fs::read_dir(folder.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let log = log.filter(|path| path.extension().is_some_and(|ending| ending == "log")).max().unwrap();
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[60] ^= 0x55;
    std::fs::write(&log, &bytes).unwrap();
    let problems = check(&folder).unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains(&*id(12))), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.contains("damaged at byte")), "{problems:?}");
    assert!(JournalStore::open(&folder, KEEP, Arc::new(SystemClock)).is_err());
    let before = std::fs::read(folder.join("journal.db")).unwrap();
    let salvaged = salvage(&folder, &new, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(std::fs::read(folder.join("journal.db")).unwrap(), before, "the old one stays as it is");
    assert!(salvaged.lost.iter().any(|lost| lost.contains(&*id(12))), "{salvaged:?}");
    assert!(salvaged.lost.iter().any(|lost| lost.contains("batches 2 to 2")), "{salvaged:?}");
    assert_eq!((salvaged.jobs, salvaged.events), (1, 4));
    assert_eq!(check(&new).unwrap().problems, Vec::<String>::new());
    let store = open(&new);
    let jobs = store.recover().unwrap().jobs;
    assert!(jobs.len() == 1 && jobs[0].stored.broken.is_none());
    assert!(new.join("log/2025-11-24/a-1.log").exists());
    append(&store, &[accepted(&plan, 9, json!({}))]).await.unwrap();
    assert!(store.event(&id(9)).await.unwrap().is_some());
}

#[tokio::test]
async fn salvage_is_the_way_out_when_the_key_is_lost() {
    let place = tempfile::tempdir().unwrap();
    let (folder, new) = (place.path().join("s"), place.path().join("n"));
    fill(&open(&folder)).await;
    std::fs::remove_file(folder.join("seal.key")).unwrap();
    assert!(JournalStore::open(&folder, KEEP, Arc::new(SystemClock)).is_err());
    let salvaged = salvage(&folder, &new, Timestamp::UNIX_EPOCH).unwrap();
    assert!(salvaged.lost.len() == 1 && salvaged.lost[0].contains(&*id(1)), "{salvaged:?}");
    let store = open(&new);
    let jobs = store.recover().unwrap().jobs;
    assert!(jobs.len() == 1 && jobs[0].stored.job.id == id(12));
    let page = store.jobs(JobQuery { limit: 10, ..JobQuery::default() }).await.unwrap();
    assert_eq!(page.jobs.len(), 2);
}

/// Whatever part of the layout is damaged: the start that refuses it says what to do, `check` finds it, and `salvage`
/// makes a state of it that starts.
#[tokio::test]
async fn a_damaged_layout_is_found_and_has_a_way_out() {
    for (harm, names, starts) in [
        ("DROP TABLE position", "position", false),
        ("DELETE FROM position", "position", false),
        ("UPDATE position SET next = 'abc'", "position", false),
        ("UPDATE position SET next = -5", "position", false),
        ("DROP TABLE seal_check", "seal_check", true),
        ("DROP TABLE pauses", "pauses", true),
        ("DROP TABLE drains", "drains", true),
        ("DROP TABLE cursors", "cursors", true),
        ("ALTER TABLE jobs RENAME COLUMN error TO failure", "jobs", true),
        ("PRAGMA user_version = 0", "version", false),
    ] {
        let place = tempfile::tempdir().unwrap();
        let (folder, new) = (place.path().join("s"), place.path().join("n"));
        fill(&open(&folder)).await;
        let history = rusqlite::Connection::open(folder.join("journal.db")).unwrap();
        history.execute_batch(harm).unwrap();
        drop(history);
        let problems = check(&folder).unwrap().problems;
        assert!(problems.iter().any(|problem| problem.contains(names)), "{harm}: {problems:?}");
        match JournalStore::open(&folder, KEEP, Arc::new(SystemClock)) {
            Ok(_) => assert!(starts, "{harm}"),
            Err(error) => {
                assert!(!starts && error.to_string().ends_with("`heraldd state salvage`"), "{harm}: {error}");
            }
        }
        let salvaged = salvage(&folder, &new, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((check(&new).unwrap().problems, salvaged.events), (Vec::new(), 2), "{harm}");
        drop(open(&new));
    }
}

#[tokio::test]
async fn a_history_that_is_gone_is_no_new_state() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("s");
    let said = |folder: &Path| check(folder).unwrap_err().to_string();
    assert!(said(&folder).ends_with("holds no state: there is no journal.db"), "{}", said(&folder));
    fill(&open(&folder)).await;
    std::fs::remove_file(folder.join("journal.db")).unwrap();
    let said = said(&folder);
    assert!(said.contains("journal.db is missing, although seal.key is there"), "{said}");
    assert!(said.contains("put a backup back with `heraldd state restore`"), "{said}");
}

/// What is sealed begins with a random byte, and positions are the trigger's own: neither is a packed text.
#[tokio::test]
async fn bytes_that_begin_as_a_packed_text_are_no_damage() {
    let place = tempfile::tempdir().unwrap();
    let (folder, new) = (place.path().join("s"), place.path().join("n"));
    fill(&open(&folder)).await;
    let history = rusqlite::Connection::open(folder.join("journal.db")).unwrap();
    assert_eq!(history.execute("UPDATE events SET sealed = x'ff010203040506'", []).unwrap(), 2);
    history.execute("INSERT INTO cursors (source, position) VALUES ('t', x'ff02030405')", []).unwrap();
    drop(history);
    assert_eq!(check(&folder).unwrap().problems, Vec::<String>::new());
    let salvaged = salvage(&folder, &new, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!((salvaged.events, salvaged.jobs), (2, 2), "{salvaged:?}");
    assert!(!salvaged.lost.iter().any(|lost| lost.contains("packed")), "{salvaged:?}");
}

#[tokio::test]
async fn a_backup_without_anything_special_starts_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let (folder, copied, back) = (place.path().join("s"), place.path().join("b"), place.path().join("r"));
    fill(&open(&folder)).await;
    backup(&folder, &copied, Timestamp::UNIX_EPOCH).unwrap();
    restore(&copied, &back).unwrap();
    assert_filled(&back);
}

/// The files below a folder, and what is in them.
fn under(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mode = path.metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o600, "{}", path.display());
            found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    let name = |path: &str| path.strip_prefix(&format!("{}/", folder.display())).unwrap().to_owned();
    let mut found: Vec<_> = found.into_iter().map(|(path, content)| (name(&path), content)).collect();
    found.sort();
    found
}

fn write_published(folder: &Path, project: &str, files: &[(&str, &str)]) {
    let project = folder.join("published/main-1").join(project);
    std::fs::create_dir_all(project.join("contents")).unwrap();
    for (name, content) in files {
        std::fs::write(project.join(name), content).unwrap();
    }
}

#[tokio::test]
async fn what_was_published_goes_with_it() {
    let place = tempfile::tempdir().unwrap();
    let (folder, copied, back) = (place.path().join("s"), place.path().join("b"), place.path().join("r"));
    fill(&open(&folder)).await;
    std::fs::write(folder.join("queue-node"), "12345678\n").unwrap();
    let kept = [("contents/1.json", "{}"), ("contents/1.pack", "content"), ("ledger.json", "{\"id\":1}")];
    write_published(&folder, "a", &kept);
    write_published(&folder, "a", &[("ledger.json.new", "half"), ("contents/2.json.new", "half")]);
    // It was interrupted: its process is gone, so it does not end.
    let interrupted = [("contents/1.json", "{}"), ("ledger.json", "{}"), ("progress.json", "{\"step\":1}")];
    write_published(&folder, "b", &interrupted);
    backup(&folder, &copied, Timestamp::UNIX_EPOCH).unwrap();
    restore(&copied, &back).unwrap();
    let salvaged = place.path().join("n");
    salvage(&folder, &salvaged, Timestamp::UNIX_EPOCH).unwrap();
    let of = |project: &str, files: &[(&str, &str)]| -> Vec<_> {
        files.iter().map(|(name, content)| (format!("{project}/{name}"), (*content).to_owned())).collect()
    };
    let expected = [of("main-1/a", &kept), of("main-1/b", &interrupted)].concat();
    for state in [&back, &salvaged] {
        assert_eq!(under(&state.join("published")), expected, "{}", state.display());
        assert_eq!(std::fs::read_to_string(state.join("queue-node")).unwrap(), "12345678\n");
    }
}

#[tokio::test]
async fn a_backup_has_a_publication_before_or_after_it() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("s");
    fill(&open(&folder)).await;
    // Publishes without an end, each time with other contents, in the order of the executor.
    let publish = |n: u32| {
        let project = folder.join("published/main-1/a");
        let replace = |name: &str, content: &str| {
            std::fs::write(project.join(format!("{name}.new")), content).unwrap();
            std::fs::rename(project.join(format!("{name}.new")), project.join(name)).unwrap();
        };
        replace("progress.json", &n.to_string());
        replace(&format!("contents/{n}.json"), &n.to_string());
        std::thread::sleep(std::time::Duration::from_millis(2));
        replace("ledger.json", &n.to_string());
        std::fs::remove_file(project.join(format!("contents/{}.json", n - 1))).unwrap();
        std::fs::remove_file(project.join("progress.json")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(40));
    };
    write_published(&folder, "a", &[("contents/0.json", "0"), ("ledger.json", "0")]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 1;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                publish(n);
                n += 1;
            }
        });
        for n in 0..20 {
            let copied = place.path().join(format!("b{n}"));
            backup(&folder, &copied, Timestamp::UNIX_EPOCH).unwrap();
            let files = under(&copied.join("published/main-1/a"));
            let [contents, ledger] = &files[..] else { panic!("{files:?}") };
            assert_eq!(contents, &(format!("contents/{}.json", ledger.1), ledger.1.clone()), "{files:?}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
