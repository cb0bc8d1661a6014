//! Lock files of `git`, which stay when it is killed.

use std::path::{Path, PathBuf};

use super::busy;
use crate::error::DeployError;

/// Where git has them, beside those of refs.
const NAMES: [&str; 7] = [
    "index.lock",
    "HEAD.lock",
    "ORIG_HEAD.lock",
    "packed-refs.lock",
    "config.lock",
    "shallow.lock",
    // With it nothing fails, but the repository is never tidied up again.
    "objects/maintenance.lock",
];

/// Removes the lock files that dead processes left in this administration folder. The kernel's lock of what it belongs
/// to is held, so ours are dead; whether another one lives is looked at.
pub(super) async fn remove(admin: &Path, path: &Path) -> Result<(), DeployError> {
    let locks = found(admin);
    if locks.is_empty() {
        return Ok(());
    }
    busy::refuse_living(admin, path).await?;
    for lock in locks {
        match std::fs::remove_file(&lock) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(DeployError::io("remove", &lock, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The lock files in this administration folder.
pub(super) fn found(admin: &Path) -> Vec<PathBuf> {
    let mut locks: Vec<PathBuf> = NAMES.into_iter().map(|name| admin.join(name)).collect();
    let mut folders = vec![admin.join("refs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            match entry.path() {
                path if is_folder => folders.push(path),
                path if path.extension().is_some_and(|end| end == "lock") => locks.push(path),
                _ => {}
            }
        }
    }
    locks.retain(|lock| lock.symlink_metadata().is_ok());
    locks
}
