//! Where logs are kept: a folder, or memory.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::job_log::address::{self, Address, JobId};
use crate::job_log::memory::MemoryLogs;

/// The folder of the logs in a `state_dir`.
pub const LOGS: &str = "log";

/// Where logs are kept. All here blocks on the disk.
#[derive(Debug, Clone)]
pub(super) enum LogPlace {
    Folder(Arc<Path>),
    Memory(MemoryLogs),
}

/// The file of an attempt, for appending; made with its folders where it is missing.
pub(super) fn open_file(folder: &Path, address: Address) -> io::Result<File> {
    let path = address.path(folder);
    let open = || OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path);
    let mut tries = 0;
    loop {
        match open() {
            // A sweep may take the empty folder of the day away in between.
            Err(why) if why.kind() == ErrorKind::NotFound && tries < 3 => tries += 1,
            other => return other,
        }
        DirBuilder::new().recursive(true).mode(0o700).create(address.job.day(folder))?;
    }
}

impl LogPlace {
    /// Up to `most` bytes of a log from a position; `None` when there is no such log.
    pub(super) fn read(&self, address: Address, from: u64, most: usize) -> io::Result<Option<Vec<u8>>> {
        let folder = match self {
            Self::Memory(logs) => return Ok(logs.read(address, from, most)),
            Self::Folder(folder) => folder,
        };
        let mut file = match File::open(address.path(folder)) {
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut bytes = Vec::new();
        // No file is that long, and the system refuses to look there.
        if i64::try_from(from).is_ok() {
            file.seek(SeekFrom::Start(from))?;
            file.take(most as u64).read_to_end(&mut bytes)?;
        }
        Ok(Some(bytes))
    }

    /// The attempts of a job that have a log, in order.
    pub(super) fn attempts(&self, job: JobId) -> io::Result<Vec<u32>> {
        let mut found: Vec<u32> = match self {
            Self::Memory(logs) => logs.attempts(job),
            Self::Folder(folder) => {
                names(&job.day(folder))?.iter().filter_map(|name| job.attempt_of(name)).collect()
            }
        };
        found.sort_unstable();
        Ok(found)
    }

    /// Removes these logs, as far as they are there; `freed` learns the size of each.
    pub(super) fn remove(&self, addresses: &BTreeSet<Address>, freed: impl Fn(u64)) -> io::Result<()> {
        let folder = match self {
            Self::Memory(logs) => {
                logs.remove(addresses);
                return Ok(());
            }
            Self::Folder(folder) => folder,
        };
        for address in addresses {
            freed(remove_log(folder, *address)?);
        }
        let days: BTreeSet<PathBuf> = addresses.iter().map(|address| address.job.day(folder)).collect();
        days.iter().try_for_each(|day| sweep_day(day).map(drop))
    }

    /// Removes folders of days that are empty; gives how many.
    pub(super) fn sweep(&self) -> io::Result<usize> {
        let Self::Folder(folder) = self else { return Ok(0) };
        let mut swept = 0;
        for name in names(folder)? {
            if is_day(&name) && sweep_day(&folder.join(name))? {
                swept += 1;
            }
        }
        Ok(swept)
    }
}

/// Removes a log with its index; gives its size.
fn remove_log(folder: &Path, address: Address) -> io::Result<u64> {
    let path = address.path(folder);
    let size = std::fs::metadata(&path).map_or(0, |about| about.len());
    gone(std::fs::remove_file(path))?;
    gone(std::fs::remove_file(address.index_path(folder)))?;
    Ok(size)
}

/// What is done with a log.
pub(super) enum Removal {
    /// It goes.
    Remove,
    /// It stays.
    Keep,
    /// It stays, and so does all that is younger.
    Enough,
}

/// Shows the logs of a folder, the oldest first, and removes those that are to go; `freed` learns the size of each.
pub(super) fn remove_oldest(
    folder: &Path,
    mut choose: impl FnMut(Address) -> Removal,
    freed: impl Fn(u64),
) -> io::Result<()> {
    for day in days(folder)? {
        let mut logs: Vec<Address> = logs_of(&day)?;
        // Ids begin with their time.
        logs.sort_unstable();
        for address in logs {
            match choose(address) {
                Removal::Remove => freed(remove_log(folder, address)?),
                Removal::Keep => {}
                Removal::Enough => return Ok(()),
            }
        }
        sweep_day(&day)?;
    }
    Ok(())
}

/// The size of all logs in a folder.
pub(super) fn size(folder: &Path) -> io::Result<u64> {
    let mut size = 0;
    for day in days(folder)? {
        let logs = logs_of(&day)?;
        let sizes = logs.iter().filter_map(|log| std::fs::metadata(log.path(folder)).ok());
        size += sizes.map(|about| about.len()).sum::<u64>();
    }
    Ok(size)
}

/// The folders of days, the oldest first.
fn days(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut days: Vec<String> = names(folder)?.into_iter().filter(|name| is_day(name)).collect();
    days.sort_unstable();
    Ok(days.into_iter().map(|day| folder.join(day)).collect())
}

fn logs_of(day: &Path) -> io::Result<Vec<Address>> {
    let parts = names(day)?.into_iter().filter_map(|name| address::split(&name));
    Ok(parts.map(|(job, attempt)| Address { job, attempt }).collect())
}

/// The names in a folder that are text; none where there is no folder.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
    names.filter_map(io::Result::transpose).collect()
}

/// `2026-11-24`.
fn is_day(name: &str) -> bool {
    let shape: String = name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00"
}

/// Removes the folder if it is empty.
fn sweep_day(day: &Path) -> io::Result<bool> {
    match std::fs::remove_dir(day) {
        Ok(()) => Ok(true),
        Err(why) if matches!(why.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(why) => gone(Err(why)).map(|()| false),
    }
}

/// What is gone already needs no removing.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
