//! The files of a `state_dir`, and copies of them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use herald_base::private_file::ForeignAccess;

use crate::journal::segment::{SegmentError, SegmentReader};
use crate::journal::{log, seal};
use crate::lock::{self, OpenError};

/// The logs of jobs.
pub(super) use crate::job_log::LOGS;
/// Why a state cannot be checked, copied or repaired.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file.
    #[error("{path}: {error}")]
    Disk {
        /// Its path.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The history.
    #[error("{path}: {error}")]
    History {
        /// Its path.
        path: String,
        /// What SQLite says.
        error: rusqlite::Error,
    },
    /// The folder cannot be used: a daemon uses it, say.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The folder is not what it has to be.
    #[error("{0}")]
    Refused(String),
}

pub(super) fn disk(path: &Path) -> impl Fn(io::Error) -> StateError + '_ {
    |error| StateError::Disk { path: path.display().to_string(), error }
}

pub(super) fn history(path: &Path) -> impl Fn(rusqlite::Error) -> StateError + '_ {
    |error| StateError::History { path: path.display().to_string(), error }
}

/// The history of a folder that has to hold a state.
pub(super) fn database(folder: &Path) -> Result<PathBuf, StateError> {
    let path = lock::file(folder);
    if path.exists() {
        return Ok(path);
    }
    let why = match seal::lost_history(folder) {
        Some(lost) => lost,
        None => format!("{} holds no state: there is no journal.db", folder.display()),
    };
    Err(StateError::Refused(why))
}

/// Makes a folder for a copy; one that is there has to be empty, and of no use to others.
pub(super) fn make_empty(folder: &Path) -> Result<(), StateError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(disk(folder))?;
    // What leads there counts as well: a link of another user leads where that user wants.
    for about in [std::fs::symlink_metadata(folder), std::fs::metadata(folder)] {
        if let Some(access) = ForeignAccess::of(&about.map_err(disk(folder))?) {
            let (shown, command) = (folder.display(), access.correction(folder));
            return Err(StateError::Refused(format!(
                "{shown} {access}, who could read or change the copy; name a new folder, or correct it: {command}"
            )));
        }
    }
    refuse_full(folder, &[])
}

/// Refuses a folder that holds anything but these.
pub(super) fn refuse_full(folder: &Path, but: &[&str]) -> Result<(), StateError> {
    for entry in std::fs::read_dir(folder).map_err(disk(folder))? {
        let name = entry.map_err(disk(folder))?.file_name();
        if !but.iter().any(|but| name == *but) {
            let (folder, name) = (folder.display(), name.display());
            return Err(StateError::Refused(format!(
                "{folder} is not empty ({name}); move it away, or name an empty or a new folder"
            )));
        }
    }
    Ok(())
}

/// Copies a file; the copy is private and on the disk. False: there is none.
pub(super) fn copy(from: &Path, to: &Path) -> Result<bool, StateError> {
    let mut source = match File::open(from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        other => other.map_err(disk(from))?,
    };
    let mut target = create(to)?;
    io::copy(&mut source, &mut target).and_then(|_| target.sync_all()).map_err(disk(to))?;
    Ok(true)
}

pub(super) fn create(path: &Path) -> Result<File, StateError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(disk(path))
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), StateError> {
    let mut file = create(path)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(disk(path))
}

pub(super) fn make_folder(path: &Path) -> Result<(), StateError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(disk(path))
}

/// Copies the logs of jobs. Gives how many.
pub(super) fn copy_logs(from: &Path, to: &Path) -> Result<u64, StateError> {
    let mut count = 0;
    for day in entries(&from.join(LOGS))? {
        let Some(name) = day.file_name() else { continue };
        let target = to.join(LOGS).join(name);
        for file in entries(&day)? {
            let Some(name) = file.file_name() else { continue };
            make_folder(&target)?;
            // One that is gone went with its job.
            count += u64::from(copy(&file, &target.join(name))?);
        }
        sync(&target)?;
    }
    sync(&to.join(LOGS))?;
    Ok(count)
}

/// The files and folders in a folder, in order; none where there is no folder, or it is a file.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, StateError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        other => other.map_err(disk(folder))?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(disk(folder))?.path());
    }
    paths.sort_unstable();
    Ok(paths)
}

/// The names in this folder outlive a power cut.
pub(super) fn sync(folder: &Path) -> Result<(), StateError> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other.map_err(disk(folder)),
    }
}

/// One file of the log, as far as it is whole.
pub(super) struct WholeSegment {
    pub(super) path: PathBuf,
    /// Up to where it is whole.
    pub(super) length: u64,
    /// Why what comes then is not.
    pub(super) damage: Option<String>,
}

/// Reads the files of the log in order, and shows each batch with its number.
pub(super) fn read_log(
    folder: &Path,
    mut batch: impl FnMut(u64, &[u8]),
) -> Result<Vec<WholeSegment>, StateError> {
    let mut segments = Vec::new();
    for path in entries(&log::folder(folder))? {
        if path.extension().is_none_or(|ending| ending != "log") {
            continue;
        }
        match read_segment(&path, &mut batch) {
            // The history has taken it in.
            Err(SegmentError::Disk(error)) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let damage = Some(error.to_string());
                segments.push(WholeSegment { path, length: 0, damage });
            }
            Ok((length, damage)) => segments.push(WholeSegment { path, length, damage }),
        }
    }
    Ok(segments)
}

fn read_segment(
    path: &Path,
    batch: &mut impl FnMut(u64, &[u8]),
) -> Result<(u64, Option<String>), SegmentError> {
    let Some(mut reader) = SegmentReader::open(path)? else { return Ok((0, None)) };
    let mut damage = None;
    loop {
        match reader.next()? {
            Some((number, content)) => batch(number, &content),
            None => {
                let at = reader.at;
                if !reader.skip_damaged()? {
                    return Ok((at, damage));
                }
                damage = Some(format!("damaged at byte {at}"));
            }
        }
    }
}
