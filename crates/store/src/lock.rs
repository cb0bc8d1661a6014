//! The folder of the state, and the lock that lets only one daemon use it.

use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::journal::log;
pub use crate::open_error::OpenError;
use crate::permissions;

/// Held for as long as this daemon uses the folder. The kernel gives the lock back however the process ends.
///
/// It is on the folder of the journal, which nobody removes while the daemon runs, and on the file `lock`, which says
/// who holds it and is all that earlier versions lock. It is not on the `state_dir` itself, which others may be able to
/// read, and lock.
#[derive(Debug)]
pub struct StateLock {
    _folder: File,
    _file: File,
}

/// Makes the folder, or checks that it is private, and takes its lock.
///
/// # Errors
/// Another daemon has it, or it cannot be used.
pub fn lock(folder: &Path) -> Result<StateLock, OpenError> {
    let unusable = |error: &dyn std::fmt::Display| {
        OpenError(format!("state_dir {} cannot be used: {error}", folder.display()))
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| unusable(&error))?;
    let handle = File::open(folder).map_err(|error| unusable(&error))?;
    permissions::check_folder(folder, &handle)?;
    let journal = log::folder(folder);
    DirBuilder::new().recursive(true).mode(0o700).create(&journal).map_err(|error| unusable(&error))?;
    // Before it is locked: others could lock what they can read.
    permissions::make_folder_private(&journal)?;
    let handle = File::open(&journal).map_err(|error| unusable(&error))?;
    let locked = handle.try_lock();
    let path = folder.join("lock");
    let file = permissions::open_private(&path);
    match locked {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Err(taken(file.ok(), &handle, folder)),
        // Some network file systems lock no folders; the file has to do there.
        Err(std::fs::TryLockError::Error(error)) => {
            tracing::debug!("{} cannot be locked: {error}", journal.display());
        }
    }
    let mut file = file.map_err(|error| unusable(&format_args!("{}: {error}", path.display())))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Err(taken(Some(file), &handle, folder)),
        Err(std::fs::TryLockError::Error(error)) => return Err(unusable(&error)),
    }
    permissions::make_private(folder)?;
    let write = |file: &mut File| {
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(|error| unusable(&error))?;
    Ok(StateLock { _folder: handle, _file: file })
}

fn taken(file: Option<File>, handle: &File, folder: &Path) -> OpenError {
    let who = match holder(handle).or_else(|| written_pid(file?)) {
        Some(pid) => format!("another heraldd (pid {pid})"),
        None => "another heraldd".to_owned(),
    };
    OpenError(format!("{who} uses state_dir {}; stop it, or set another state_dir", folder.display()))
}

/// The process that the kernel says has locked the folder of the journal.
fn holder(handle: &File) -> Option<u32> {
    let inode = format!(":{}", handle.metadata().ok()?.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        // `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF`
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[_, "FLOCK", _, "WRITE", pid, place, ..] = words.as_slice() else { return None };
        pid.parse().ok().filter(|pid| place.ends_with(&inode) && *pid != 0)
    })
}

/// The process that wrote its number into the file.
fn written_pid(mut file: File) -> Option<u32> {
    let mut pid = String::new();
    file.rewind().and_then(|()| Read::take(&mut file, 32).read_to_string(&mut pid)).ok()?;
    pid.trim().parse().ok()
}

/// The file of the journal.
pub(crate) fn file(folder: &Path) -> PathBuf {
    folder.join("journal.db")
}
