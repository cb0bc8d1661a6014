//! Where the log ends: which file is the newest, and how far its blocks reach.
//!
//! It is a file of a few bytes, `journal.end`, beside the folder of the log. It is written when a file is begun or
//! gets more blocks, so that at the next start a file that is missing or shorter is noticed: what was recorded in it is
//! lost.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::permissions;

/// Two numbers of twenty digits, a space and a line end.
const LENGTH: usize = 42;

/// The newest file of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewestFile {
    /// Its number.
    pub(crate) number: u64,
    /// How long it is at least.
    pub(crate) length: u64,
}

/// Keeps it on the disk.
#[derive(Debug)]
pub(crate) struct LogEnd(File);

impl LogEnd {
    /// # Errors
    /// When the file cannot be had.
    pub(crate) fn open(state_dir: &Path) -> io::Result<Self> {
        permissions::open_private(&state_dir.join("journal.end")).map(Self)
    }

    /// What was kept. `None`: the log is empty, or nothing is known of it.
    pub(crate) fn read(&self) -> Option<NewestFile> {
        read(&self.0)
    }

    /// Keeps this.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn set(&self, newest: NewestFile) -> io::Result<()> {
        let text = format!("{:020} {:020}\n", newest.number, newest.length);
        self.0.write_all_at(text.as_bytes(), 0)?;
        self.0.sync_data()
    }

    /// The log is empty, or nothing is known of its end.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn clear(&self) -> io::Result<()> {
        self.0.write_all_at(&[b'-'; LENGTH], 0)?;
        self.0.sync_data()
    }
}

fn read(file: &File) -> Option<NewestFile> {
    let mut bytes = [0; LENGTH];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let (number, length) = std::str::from_utf8(&bytes).ok()?.trim().split_once(' ')?;
    Some(NewestFile { number: number.parse().ok()?, length: length.parse().ok()? })
}

/// What is kept of a state that somebody else may be using.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn peek(state_dir: &Path) -> io::Result<Option<NewestFile>> {
    match File::open(state_dir.join("journal.end")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => Ok(read(&other?)),
    }
}
