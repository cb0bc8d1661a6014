//! Whether a state is whole.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;

use super::files::{StateError, database, disk, entries, history, read_log};
use crate::history::seal_check::{self, KeyMatch};
use crate::history::{index, schema};
use crate::journal::log_end::{self, NewestFile};
use crate::journal::packed::Packed;
use crate::journal::seal::Seal;
use crate::journal::{count_entries, log};
use crate::lock::OpenError;
use crate::permissions;

/// How many problems SQLite names.
const MOST: u32 = 20;

/// What a state holds, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateReport {
    /// Events in the history.
    pub events: u64,
    /// Jobs in the history.
    pub jobs: u64,
    /// Batches of the journal that the history has not taken in yet.
    pub batches: u64,
    /// A sentence each; none: it is whole.
    pub problems: Vec<String>,
}

/// Reads everything in a `state_dir` except the logs of jobs. A daemon may be using it.
///
/// # Errors
/// When there is no state, or it cannot be read at all.
pub fn check(folder: &Path) -> Result<StateReport, StateError> {
    let mut report = inspect(folder)?;
    report.problems.extend(permissions::problems(folder));
    Ok(report)
}

/// Whether a start would refuse this `state_dir` because other users can change what is in it. A missing one is fine.
///
/// # Errors
/// The sentence with which it would be refused.
pub fn check_access(folder: &Path) -> Result<(), OpenError> {
    permissions::check_access(folder)
}

/// As [`check`], but for the permissions.
pub(super) fn inspect(folder: &Path) -> Result<StateReport, StateError> {
    let path = database(folder)?;
    let mut report = StateReport::default();
    // Before the position of the history: what is removed meanwhile is in the history then.
    let log = Batches::read(folder, &mut report.problems)?;
    report.problems.extend(newest_is_missing(folder)?);
    let connection = schema::connect(&path, false).map_err(history(&path))?;
    // Nothing is written to a file that may be damaged; without the setting it is only tidied when it is closed.
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    check_file(&connection, &path, &mut report);
    match index::position(&connection) {
        Ok(next) => {
            report.batches = log.numbers.iter().filter(|number| **number >= next).count() as u64;
            report.problems.extend(log.hole(next));
        }
        Err(error) => report.problems.push(format!(
            "the position of the history in the journal (table position) cannot be read: {error}"
        )),
    }
    check_key(folder, &connection, &mut report)?;
    Ok(report)
}

struct Batches {
    numbers: Vec<u64>,
}

impl Batches {
    fn read(folder: &Path, problems: &mut Vec<String>) -> Result<Self, StateError> {
        let mut numbers = Vec::new();
        let mut invalid = Vec::new();
        let segments = read_log(folder, |number, content| {
            numbers.push(number);
            if let Err(error) = count_entries(content) {
                invalid.push(format!("batch {number} of the journal is not valid: {error}"));
            }
        })?;
        problems.extend(invalid);
        for segment in segments {
            problems.extend(segment.damage.map(|damage| format!("{}: {damage}", segment.path.display())));
        }
        Ok(Self { numbers })
    }

    /// A batch that is missing before another one.
    fn hole(&self, next: u64) -> Option<String> {
        let mut wanted = next;
        for number in self.numbers.iter().filter(|number| **number >= next) {
            if *number > wanted {
                return Some(format!("batch {wanted} of the journal is missing, and there are later ones"));
            }
            wanted = number + 1;
        }
        None
    }
}

/// The newest file of the log, where it is not there or shorter than it was.
fn newest_is_missing(folder: &Path) -> Result<Option<String>, StateError> {
    let read = || -> Result<Option<NewestFile>, StateError> { log_end::peek(folder).map_err(disk(folder)) };
    let Some(newest) = read()? else { return Ok(None) };
    let log = log::folder(folder);
    let files: Vec<_> =
        entries(&log)?.into_iter().filter_map(|path| Some((log::number(&path)?, path))).collect();
    let missing = log::missing(&log, &files, newest);
    // A running daemon may have begun another one meanwhile.
    Ok(if read()? == Some(newest) { missing } else { None })
}

fn check_file(connection: &Connection, path: &Path, report: &mut StateReport) {
    let shown = path.display();
    let lines = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(&format!("PRAGMA integrity_check({MOST})"))?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    match lines() {
        Ok(lines) => {
            let bad = lines.iter().filter(|line| *line != "ok");
            report.problems.extend(bad.map(|line| format!("{shown}: {}", line.trim().replace('\n', "; "))));
        }
        Err(error) => report.problems.push(format!("{shown}: {error}")),
    }
    match schema::differences(connection) {
        Ok(found) => report.problems.extend(found.into_iter().map(|found| format!("{shown}: {found}"))),
        Err(error) => report.problems.push(format!("{shown}: its layout cannot be read: {error}")),
    }
    for table in TABLES {
        let read = check_rows(connection, table, &mut |problem| report.problems.push(problem));
        if let Some(error) = read.error {
            report.problems.push(format!("{} cannot be read to the end: {error}", table.name));
        }
        match table.name {
            "events" => report.events = read.whole,
            "jobs" => report.jobs = read.whole,
            _ => {}
        }
    }
}

/// A table of the history, and what its rows are known by.
#[derive(Clone, Copy)]
pub(crate) struct HistoryTable {
    pub(crate) name: &'static str,
    key: &'static str,
}

/// Those with the most in them.
pub(crate) const TABLES: [HistoryTable; 5] = [
    HistoryTable { name: "events", key: "id" },
    HistoryTable { name: "jobs", key: "id" },
    HistoryTable { name: "attempts", key: "job_id" },
    HistoryTable { name: "keys", key: "name" },
    HistoryTable { name: "cursors", key: "source" },
];

/// The result of reading a table.
pub(crate) struct CheckedRows {
    /// How many rows are whole.
    whole: u64,
    /// Why it was not read to the end.
    pub(crate) error: Option<rusqlite::Error>,
}

/// Reads every row of a table, and gives a sentence for each that is damaged.
pub(crate) fn check_rows(
    connection: &Connection,
    HistoryTable { name: table, key }: HistoryTable,
    found: &mut dyn FnMut(String),
) -> CheckedRows {
    let mut whole = 0;
    let mut read = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare(&format!("SELECT {key}, * FROM {table} ORDER BY {key}"))?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut columns = columns.iter().enumerate();
            let bad = columns.find_map(|(n, column)| bad_value(column, row.get_ref(n).ok()?));
            match bad {
                None => whole += 1,
                Some(bad) => {
                    let id = row.get_ref(0)?.as_bytes().map(|id| String::from_utf8_lossy(id).into_owned());
                    found(format!("{table} {}: {bad}", id.unwrap_or_default()));
                }
            }
        }
        Ok(())
    };
    let error = read().err();
    CheckedRows { whole, error }
}

/// Columns whose values may be packed. The bytes in others (what is sealed, positions) may begin in any way.
const PACKED: [&str; 4] = ["param", "select_param", "job_param", "result"];

/// Why a value of this column cannot be what was written.
pub(super) fn bad_value(column: &str, value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Text(text) => std::str::from_utf8(text).err().map(|error| error.to_string()),
        ValueRef::Blob(bytes) if PACKED.contains(&column) && Packed::is_marked(bytes) => {
            Packed::Bytes(bytes.into()).unpack().err().map(|error| error.to_string())
        }
        _ => None,
    }
}

fn check_key(folder: &Path, connection: &Connection, report: &mut StateReport) -> Result<(), StateError> {
    let seal = Seal::read(folder)?;
    let waiting = seal_check::waiting(connection).len();
    let wrong = match seal_check::key_match(connection, seal.as_ref()) {
        KeyMatch::Wrong => "is another one than was used",
        KeyMatch::Missing if waiting > 0 => "is missing",
        KeyMatch::Missing | KeyMatch::Right => return Ok(()),
    };
    report.problems.push(format!("seal.key {wrong}; {waiting} waiting events are sealed"));
    Ok(())
}
