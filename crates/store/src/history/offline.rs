//! The history of a daemon that does not run, read without a trace: no lock is taken, and nothing is written.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::event_list::{self, EventPage, EventQuery};
use super::lookup::{FoundId, IdLookup};
use super::lookup_file;
use super::query::{JobQuery, is_id};
use super::view::{EventView, JobPage, JobView};
use super::{read, schema};
use crate::lock;

/// The history of a `state_dir`, as it was at the last stop. What was then only in the journal is not in it.
pub struct OfflineHistory {
    connection: Connection,
    path: PathBuf,
}

/// Why it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// There is none.
    #[error("there is no history at {}", .0.display())]
    Missing(PathBuf),
    /// This user may not read it, say.
    #[error("{}: {error}", path.display())]
    Disk {
        /// Its file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It was written by another version.
    #[error(
        "the history {} was written by another version of heraldd ({found}, this one has {own}); start that of this version",
        path.display()
    )]
    Version {
        /// Its file.
        path: PathBuf,
        /// The version of its tables.
        found: u32,
        /// That of this program.
        own: u32,
    },
    /// The cursor is not one of a page.
    #[error("the cursor is not one that an earlier page gave")]
    Cursor,
    /// Its file.
    #[error("the history {} cannot be read: {error}; `heraldd state check` reports what is damaged", path.display())]
    File {
        /// Where it is.
        path: PathBuf,
        /// What SQLite says.
        error: rusqlite::Error,
    },
}

impl OfflineHistory {
    /// Opens that of this `state_dir`.
    ///
    /// # Errors
    /// [`OfflineError`].
    pub fn open(folder: &Path) -> Result<Self, OfflineError> {
        let path = lock::file(folder);
        if let Err(error) = std::fs::File::open(&path) {
            return Err(match error.kind() {
                ErrorKind::NotFound => OfflineError::Missing(path),
                _ => OfflineError::Disk { path, error },
            });
        }
        let of_file = |error| OfflineError::File { path: path.clone(), error };
        let access =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(address(&path), access).map_err(of_file)?;
        let found: u32 =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(of_file)?;
        let own = schema::version();
        if found != own {
            return Err(OfflineError::Version { path, found, own });
        }
        Ok(Self { connection, path })
    }

    /// A page of jobs, newest first.
    ///
    /// # Errors
    /// [`OfflineError`].
    pub fn jobs(&self, query: &JobQuery) -> Result<JobPage, OfflineError> {
        if !query.has_valid_cursor() {
            return Err(OfflineError::Cursor);
        }
        self.read(|connection| read::jobs(connection, query))
    }

    /// One job, if it is known.
    ///
    /// # Errors
    /// [`OfflineError`].
    pub fn job(&self, id: &str) -> Result<Option<JobView>, OfflineError> {
        self.read(|connection| read::job(connection, id))
    }

    /// A page of events, newest first.
    ///
    /// # Errors
    /// [`OfflineError`].
    pub fn events(&self, query: &EventQuery) -> Result<EventPage, OfflineError> {
        if !query.cursor.as_deref().is_none_or(is_id) {
            return Err(OfflineError::Cursor);
        }
        self.read(|connection| event_list::events(connection, query))
    }

    /// One event, if it is known.
    ///
    /// # Errors
    /// [`OfflineError`].
    pub fn event(&self, id: &str) -> Result<Option<EventView>, OfflineError> {
        self.read(|connection| read::event(connection, id))
    }

    /// The ids that a lookup means, the newest first.
    ///
    /// # Errors
    /// [`OfflineError`].
    pub fn ids(&self, lookup: &IdLookup) -> Result<Vec<FoundId>, OfflineError> {
        self.read(|connection| lookup_file::ids(connection, lookup))
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, OfflineError> {
        read(&self.connection).map_err(|error| OfflineError::File { path: self.path.clone(), error })
    }
}

/// The file as SQLite takes it. After a clean stop it is whole by itself, and is read without its locks. After a crash
/// a part of it is in its log, whose index then is made in memory.
fn address(path: &Path) -> String {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let has_log = std::fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let how = if has_log { "readonly_shm=1" } else { "immutable=1" };
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte);
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let bytes = path.as_os_str().as_bytes().iter();
    let path: String =
        bytes.map(|b| if plain(b) { char::from(*b).to_string() } else { format!("%{b:02X}") }).collect();
    format!("file:{path}?mode=ro&{how}")
}

#[cfg(test)]
mod tests {
    use super::super::lookup::{IdKind, WantedId};
    use super::*;

    /// The names and sizes of everything in a folder.
    fn files(folder: &Path) -> Vec<(std::ffi::OsString, u64, std::time::SystemTime)> {
        let entry = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            let found = entry.metadata().unwrap();
            (entry.file_name(), found.len(), found.modified().unwrap())
        };
        let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(entry).collect();
        all.sort();
        all
    }

    const ONE: &str = "INSERT INTO jobs (id, event_id, router, task, trigger_name, executor, selector, select_param,
        job_param, depth, status, attempt, queued_at) VALUES (?1, ?1, 'r', 't', 'x', 'e', 's', '{}', '{}', 0, 'succeeded', 1, 0)";

    const ID: &str = "00000000-0000-0000-0000-000000000001";

    #[test]
    fn what_a_stop_or_a_crash_left_is_read_and_stays_as_it_is() {
        for crashed in [false, true] {
            // A folder whose name is not plain in an address.
            let folder = tempfile::Builder::new().prefix("a ?#%41").tempdir().unwrap();
            let connection = schema::open(&lock::file(folder.path())).unwrap();
            connection.execute(ONE, [ID]).unwrap();
            let left = tempfile::Builder::new().prefix("b ?#%41").tempdir().unwrap();
            if !crashed {
                connection.close().unwrap();
            }
            // As a process that was killed leaves them.
            for (name, ..) in files(folder.path()) {
                std::fs::copy(folder.path().join(&name), left.path().join(&name)).unwrap();
            }
            let before = files(left.path());
            assert_eq!(before.len() > 1, crashed, "{before:?}");
            let query = JobQuery { limit: 5, ..JobQuery::default() };
            let history = OfflineHistory::open(left.path()).unwrap();
            let page = history.jobs(&query).unwrap();
            assert_eq!(page.jobs.len(), 1, "{crashed}");
            let wanted = WantedId::Latest { router: Some("r".to_owned()) };
            let found = history.ids(&IdLookup { kind: IdKind::Job, wanted }).unwrap();
            assert_eq!(&*found[0].id, ID, "{crashed}");
            assert_eq!(&*history.job(ID).unwrap().unwrap().summary.router, "r", "{crashed}");
            let query = EventQuery { limit: 5, ..EventQuery::default() };
            assert_eq!(history.events(&query).unwrap().events, [], "{crashed}");
            assert!(history.event(ID).unwrap().is_none(), "{crashed}");
            assert_eq!(files(left.path()), before, "{crashed}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let open = || OfflineHistory::open(folder.path()).err().map(|error| error.to_string());
        assert!(open().unwrap().starts_with("there is no history at "));
        let connection = schema::open(&lock::file(folder.path())).unwrap();
        connection.pragma_update(None, "user_version", 7777).unwrap();
        connection.close().unwrap();
        assert!(open().unwrap().contains("another version of heraldd (7777, "));
        std::fs::write(
            lock::file(folder.path()),
            "no database, but long enough to be read as one".repeat(99),
        )
        .unwrap();
        assert!(open().unwrap().contains("`heraldd state check`"));
    }
}
