//! The folder of the state, and the lock that lets only one daemon use it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why the state cannot be used: one sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub String);

/// Held for as long as this daemon uses the folder. The kernel gives the lock back however the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Makes the folder and takes its lock.
pub(crate) fn lock(folder: &Path) -> Result<Lock, OpenError> {
    let unusable = |error: &dyn std::fmt::Display| {
        OpenError(format!("state_dir {} cannot be used: {error}", folder.display()))
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| unusable(&error))?;
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| unusable(&error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Err(taken(&mut file, folder)),
        Err(std::fs::TryLockError::Error(error)) => return Err(unusable(&error)),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(|error| unusable(&error))?;
    Ok(Lock { _file: file })
}

fn taken(file: &mut File, folder: &Path) -> OpenError {
    let mut pid = String::new();
    let read = file.rewind().and_then(|()| Read::take(file, 32).read_to_string(&mut pid));
    let who = match (read, pid.trim()) {
        (Ok(_), pid) if !pid.is_empty() => format!("another heraldd (pid {pid})"),
        _ => "another heraldd".to_owned(),
    };
    OpenError(format!("{who} uses state_dir {}; stop it, or set another state_dir", folder.display()))
}

/// The file of the journal.
pub(crate) fn file(folder: &Path) -> PathBuf {
    folder.join("journal.db")
}
