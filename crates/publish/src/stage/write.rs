//! New files, written and synced several at a time: the disk can do more than one.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::PublishError;
use crate::folder::access::{Attributes, write_new};

/// How many are written at once.
const AT_ONCE: usize = 16;

/// A file to write.
pub(super) struct NewFile<'a> {
    pub(super) folder: &'a OwnedFd,
    pub(super) name: String,
    pub(super) content: &'a [u8],
    pub(super) attributes: Attributes,
    /// For errors.
    pub(super) path: PathBuf,
}

/// Writes them all, or fails at the first that fails.
pub(super) fn all(files: &[NewFile<'_>]) -> Result<(), PublishError> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let error = Mutex::new(None);
    let write = || {
        while !failed.load(Ordering::Relaxed)
            && let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let written = write_new(file.folder, &file.name, file.content, file.attributes);
            if let Err(why) = written {
                failed.store(true, Ordering::Relaxed);
                let mut error = error.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                error.get_or_insert_with(|| PublishError::io("cannot write", &file.path, why));
            }
        }
    };
    match files.len() {
        0 => {}
        1 => write(),
        many => std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(many) {
                scope.spawn(write);
            }
        }),
    }
    let error = error.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    error.map_or(Ok(()), Err)
}
