//! Disk space: what must stay free, and a file of zeros that is ready to become the next file of the log.
//!
//! Records are written only where the blocks of a file are there already. A sync then has less to do, and nothing to
//! say about the file system's own journal: Linux has been seen to report a sync as done whose new blocks were lost,
//! when an ext4 turned read-only at that moment.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// With less than this free nothing is taken: what is there already has to be ended cleanly.
const LEAST: u64 = 256 << 10;
/// The file of zeros takes at most this share of what is free.
const SHARE: u64 = 32;
/// Zeros that are written at once.
const CHUNK: usize = 256 << 10;

/// A file system, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiskSpace {
    /// What can still be written.
    pub(crate) free: u64,
    /// What it holds in all.
    pub(crate) total: u64,
}

/// The file system of this folder.
///
/// # Errors
/// When the system refuses.
pub(crate) fn space(folder: &Path) -> io::Result<DiskSpace> {
    let about = rustix::fs::statvfs(folder)?;
    if about.f_blocks == 0 {
        // It gives no numbers.
        return Ok(DiskSpace { free: u64::MAX, total: u64::MAX });
    }
    // Root may use what is set aside.
    let root = rustix::process::geteuid().is_root();
    let bytes = |blocks: u64| about.f_frsize.saturating_mul(blocks);
    let free = bytes(if root { about.f_bfree } else { about.f_bavail });
    Ok(DiskSpace { free, total: bytes(about.f_blocks) })
}

fn free(folder: &Path) -> io::Result<u64> {
    Ok(space(folder)?.free)
}

/// Whether there is room for more.
///
/// # Errors
/// When there is not.
pub(crate) fn check(folder: &Path) -> io::Result<()> {
    let free = free(folder)?;
    if free >= LEAST {
        return Ok(());
    }
    let why = format!("the disk is full: {} KiB are free in {}", free >> 10, folder.display());
    Err(io::Error::new(io::ErrorKind::StorageFull, why))
}

fn spare(folder: &Path) -> PathBuf {
    folder.join("spare")
}

/// Makes the file of zeros, unless there is one, or little room.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn prepare(folder: &Path, size: u64) -> io::Result<()> {
    let (path, aside) = (spare(folder), folder.join("spare.new"));
    if path.exists() || free(folder)? / SHARE < size {
        return Ok(());
    }
    let made = make(&aside, size).and_then(|()| std::fs::rename(&aside, &path));
    if made.is_err() {
        let _ = std::fs::remove_file(&aside);
    }
    made
}

fn make(path: &Path, size: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    zero(&file, 0, size)
}

/// Fills this part of a file with zeros, and syncs it.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn zero(file: &File, from: u64, until: u64) -> io::Result<()> {
    let zeros = vec![0; CHUNK];
    let mut at = from;
    while at < until {
        let length = usize::try_from(until - at).unwrap_or(CHUNK).min(CHUNK);
        file.write_all_at(&zeros[..length], at)?;
        at += length as u64;
    }
    file.sync_all()
}

/// Gives the file of zeros this name, if there is one.
pub(crate) fn take(folder: &Path, name: &Path) -> Option<File> {
    std::fs::rename(spare(folder), name).ok()?;
    OpenOptions::new().write(true).open(name).ok()
}

/// Removes the file of zeros.
pub(crate) fn give_back(folder: &Path) {
    // There may be none.
    let _ = std::fs::remove_file(spare(folder));
}
