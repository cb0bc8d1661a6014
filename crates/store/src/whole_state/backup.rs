//! Copies of a state: made while a daemon may be using it, and put back.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::beside::copy_beside;
use super::check::{StateReport, inspect};
use super::files::{
    StateError, copy, copy_logs, create, database, disk, history, make_empty, make_folder, read_log,
    refuse_full, sync, write,
};
use crate::history::schema;
use crate::journal::{log, seal};
use crate::lock::{self, lock};

/// The file that a copy gets last: without it, it is not whole.
const MARK: &str = "backup";
/// How long publications that run may take to end.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
const FIRST_LINE: &str = "herald state backup 1\n";

/// Copies a `state_dir` into an empty or new folder. A daemon may be using it; the copy is its state at one moment of
/// the copying, except that logs of running jobs may be a little longer.
///
/// # Errors
/// [`StateError`]. What was copied by then is not a whole copy, and is refused by [`restore`].
pub fn backup(folder: &Path, target: &Path, now: Timestamp) -> Result<(), StateError> {
    let path = database(folder)?;
    make_empty(target)?;
    copy(&seal::file(folder), &seal::file(target))?;
    // The journal before the history: what is removed from the one meanwhile is in the other.
    copy_journal(folder, target)?;
    let copied = lock::file(target);
    drop(create(&copied)?);
    let connection = schema::connect(&path, false).map_err(history(&path))?;
    connection.pragma_update(None, "query_only", false).map_err(history(&path))?;
    let into = copied.to_str().ok_or_else(|| {
        StateError::Refused(format!("{} is not valid UTF-8; name another folder", copied.display()))
    })?;
    connection.execute("VACUUM INTO ?1", [into]).map_err(history(&path))?;
    std::fs::File::open(&copied).and_then(|file| file.sync_all()).map_err(disk(&copied))?;
    copy_logs(folder, target)?;
    copy_beside(folder, target, LONGEST_WAIT)?;
    write(&target.join(MARK), &format!("{FIRST_LINE}{now}\n"))?;
    sync(target)
}

/// The whole batches of each file.
fn copy_journal(folder: &Path, target: &Path) -> Result<(), StateError> {
    let to = log::folder(target);
    make_folder(&to)?;
    for segment in read_log(folder, |_, _| {})? {
        if let Some(damage) = segment.damage {
            let path = segment.path.display();
            return Err(StateError::Refused(format!(
                "{path}: {damage}; `heraldd state salvage` keeps what is whole"
            )));
        }
        let Some(name) = segment.path.file_name().filter(|_| segment.length > 0) else { continue };
        let copied = to.join(name);
        copy(&segment.path, &copied)?;
        if copied.exists() {
            let file = std::fs::OpenOptions::new().write(true).open(&copied).map_err(disk(&copied))?;
            file.set_len(segment.length).and_then(|()| file.sync_all()).map_err(disk(&copied))?;
        }
    }
    sync(&to)
}

/// Puts a copy into an empty or new `state_dir`, after it was checked.
///
/// # Errors
/// [`StateError`]: the folder is not empty, a daemon uses it, the copy is not whole…
pub fn restore(copied: &Path, folder: &Path) -> Result<StateReport, StateError> {
    let mark = std::fs::read_to_string(copied.join(MARK)).unwrap_or_default();
    if !mark.starts_with(FIRST_LINE) {
        let copied = copied.display();
        return Err(StateError::Refused(format!(
            "{copied} is not a whole backup: there is no file \"{MARK}\""
        )));
    }
    let report = inspect(copied)?;
    if let Some(problem) = report.problems.first() {
        return Err(StateError::Refused(format!("{} is damaged: {problem}", copied.display())));
    }
    let _lock = lock(folder)?;
    refuse_full(folder, &["lock", "journal"])?;
    refuse_full(&log::folder(folder), &[])?;
    copy(&seal::file(copied), &seal::file(folder))?;
    make_folder(&log::folder(folder))?;
    for segment in read_log(copied, |_, _| {})? {
        let Some(name) = segment.path.file_name() else { continue };
        copy(&segment.path, &log::folder(folder).join(name))?;
    }
    sync(&log::folder(folder))?;
    copy_logs(copied, folder)?;
    copy_beside(copied, folder, Duration::ZERO)?;
    // Last, under its name at once: before, the folder holds no state.
    let aside = lock::file(folder).with_extension("new");
    copy(&lock::file(copied), &aside)?;
    std::fs::rename(&aside, lock::file(folder)).map_err(disk(&aside))?;
    sync(folder)?;
    Ok(report)
}
