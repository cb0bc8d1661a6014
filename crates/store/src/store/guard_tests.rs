//! Who may read the state, who may use it, and with which key.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use herald_core::clock::SystemClock;
use serde_json::json;

use super::JournalStore;
use super::tests::{KEEP, accepted, append, open, plan, queued, routed};
use crate::whole_state::check_access;

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}

fn refused(folder: &Path) -> String {
    JournalStore::open(folder, KEEP, Arc::new(SystemClock)).err().unwrap().to_string()
}

fn assert_private(folder: &Path) {
    for path in below(folder) {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{}", path.display());
    }
}

#[tokio::test]
async fn what_is_in_the_folder_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, store) = (plan("hunter2222"), open(folder.path()));
    append(&store, &[accepted(&plan, 1, json!({"n": 1}))]).await.unwrap();
    append(&store, &[]).await.unwrap();
    assert!(below(folder.path()).iter().any(|path| path.ends_with("journal.db-wal")));
    assert_private(folder.path());
    drop(store);
    // As earlier versions left it.
    for path in below(folder.path()) {
        set_mode(&path, if path.is_dir() { 0o755 } else { 0o644 });
    }
    let store = open(folder.path());
    append(&store, &[accepted(&plan, 2, json!({"n": 2}))]).await.unwrap();
    assert_private(folder.path());
}

#[test]
fn a_folder_that_others_can_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for open_mode in [0o777, 0o775, 0o722, 0o1777] {
        set_mode(folder.path(), open_mode);
        let why = refused(folder.path());
        assert!(why.contains("can be written by other users") && why.contains("chmod 700"), "{why}");
        assert_eq!(below(folder.path()).len(), 0, "nothing was made in it");
    }
    set_mode(folder.path(), 0o755);
    drop(open(folder.path()));
    assert_private(folder.path());
}

#[test]
fn folders_of_another_user_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give a folder to another user");
        return;
    }
    drop(open(folder.path()));
    std::fs::create_dir_all(folder.path().join("log")).unwrap();
    for name in ["", "journal", "log"] {
        let path = if name.is_empty() { folder.path().to_owned() } else { folder.path().join(name) };
        chown(&path, Some(1234), None).unwrap();
        let why = refused(folder.path());
        let command = format!("chown 0 {}", path.display());
        assert!(why.contains("belongs to another user (uid 1234)") && why.ends_with(&command), "{why}");
        assert_eq!(check_access(folder.path()).unwrap_err().to_string(), why);
        chown(&path, Some(0), None).unwrap();
    }
    assert_eq!(check_access(folder.path()), Ok(()));
    assert_eq!(check_access(&folder.path().join("missing")), Ok(()));
    set_mode(folder.path(), 0o777);
    assert_eq!(check_access(folder.path()).unwrap_err().to_string(), refused(folder.path()));
}

#[test]
fn links_in_place_of_folders_are_not_followed() {
    for name in ["journal", "log"] {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        set_mode(elsewhere.path(), 0o755);
        symlink(elsewhere.path(), folder.path().join(name)).unwrap();
        let why = refused(folder.path());
        assert!(why.contains(name) && why.contains("is a symbolic link"), "{why}");
        assert_eq!((mode(elsewhere.path()), below(elsewhere.path()).len()), (0o755, 0));
    }
}

#[test]
fn symbolic_links_are_not_followed() {
    for name in ["lock", "journal.db", "seal.key"] {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(elsewhere.path(), "precious").unwrap();
        symlink(elsewhere.path(), folder.path().join(name)).unwrap();
        let why = refused(folder.path());
        assert!(why.contains(name) && why.contains("symbolic link"), "{why}");
        assert_eq!(std::fs::read_to_string(elsewhere.path()).unwrap(), "precious");
    }
}

#[test]
fn a_lock_that_was_removed_still_holds() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    std::fs::remove_file(folder.path().join("lock")).unwrap();
    let why = refused(folder.path());
    assert!(why.contains(&format!("pid {}", std::process::id())), "{why}");
    // Also when somebody made the file again.
    std::fs::write(folder.path().join("lock"), "1\n").unwrap();
    let why = refused(folder.path());
    assert!(why.contains(&format!("pid {}", std::process::id())), "{why}");
    drop(first);
    drop(open(folder.path()));
}

/// A job that waits, whose event holds a secret.
async fn with_sealed_job(folder: &Path) {
    let plan = plan("hunter2222");
    let store = open(folder);
    let event = accepted(&plan, 1, json!({"password": "from the event"}));
    append(&store, &[event, queued(&plan, 1, 2), routed(1, Some(super::tests::id(2)))]).await.unwrap();
}

fn unsealed(folder: &Path) -> String {
    let recovered = open(folder).recover().unwrap();
    let job = &recovered.jobs[0].stored;
    assert_eq!(job.broken, None);
    serde_json::to_string(&**job.job.trigger_param).unwrap()
}

#[tokio::test]
async fn sealed_jobs_wait_for_their_key() {
    let folder = tempfile::tempdir().unwrap();
    with_sealed_job(folder.path()).await;
    let key = folder.path().join("seal.key");
    let right = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    for _ in 0..2 {
        let why = refused(folder.path());
        assert!(why.contains("seal.key is missing") && why.contains("1 waiting event is"), "{why}");
        assert!(!key.exists(), "no other key is made");
    }
    std::fs::write(&key, [7; 32]).unwrap();
    let why = refused(folder.path());
    assert!(why.contains("seal.key is not the key"), "{why}");
    assert_eq!(std::fs::read(&key).unwrap(), [7; 32]);
    std::fs::write(&key, right).unwrap();
    assert!(unsealed(folder.path()).contains("from the event"));
}

#[tokio::test]
async fn a_key_that_is_too_short_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    with_sealed_job(folder.path()).await;
    let key = folder.path().join("seal.key");
    for bytes in [&b""[..], b"x", &[7; 31]] {
        std::fs::write(&key, bytes).unwrap();
        let why = refused(folder.path());
        for says in ["seal.key is damaged", "seals the secrets", "restore the file", "remove it"] {
            assert!(why.contains(says), "{why}");
        }
        assert_eq!(std::fs::read(&key).unwrap(), bytes, "nothing is touched");
    }
}

#[tokio::test]
async fn a_history_without_the_constant_is_judged_by_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    with_sealed_job(folder.path()).await;
    let forget = || {
        let connection = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
        connection.execute("DELETE FROM seal_check", []).unwrap();
    };
    forget();
    let key = folder.path().join("seal.key");
    let right = std::fs::read(&key).unwrap();
    std::fs::write(&key, [7; 32]).unwrap();
    assert!(refused(folder.path()).contains("seal.key is not the key"));
    std::fs::write(&key, right).unwrap();
    assert!(unsealed(folder.path()).contains("from the event"));
}

#[test]
fn without_anything_that_waits_a_new_key_is_made() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let key = folder.path().join("seal.key");
    std::fs::remove_file(&key).unwrap();
    drop(open(folder.path()));
    std::fs::write(&key, [7; 32]).unwrap();
    drop(open(folder.path()));
    // And the new one counts from now on.
    drop(open(folder.path()));
}
