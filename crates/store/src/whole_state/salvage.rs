//! What is whole of a damaged state, as a new one.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::beside::copy_beside;
use super::check::bad_value;
use super::files::{StateError, copy, copy_logs, database, history, make_empty, read_log, sync};
use crate::history::{index, schema, seal_check};
use crate::journal::entry::{self, millis};
use crate::journal::seal::{self, Seal};
use crate::lock::{self, lock};

/// The tables of the history, each with its key.
const TABLES: [(&str, &str); 9] = [
    ("events", "id"),
    ("jobs", "id"),
    ("attempts", "job_id, attempt"),
    ("keys", "name"),
    ("cursors", "source"),
    ("audit", "id"),
    ("pauses", "router"),
    ("idempotency", "key"),
    ("drains", "node"),
];
/// Ids that an index has, although the page of the row may be damaged.
const INDEXED: [(&str, &str); 4] = [
    ("jobs", "SELECT id FROM jobs INDEXED BY jobs_by_event"),
    ("jobs", "SELECT id FROM jobs INDEXED BY jobs_by_status WHERE status > ''"),
    ("events", "SELECT DISTINCT event_id FROM jobs INDEXED BY jobs_by_event"),
    ("events", "SELECT id FROM events WHERE routed_at IS NULL"),
];

/// What could be kept, and what not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Events in the new state.
    pub events: u64,
    /// Jobs in the new state.
    pub jobs: u64,
    /// What is lost, a sentence each.
    pub lost: Vec<String>,
}

/// Writes what is whole of a `state_dir` that no daemon uses into an empty or new folder. Changes nothing in the old.
///
/// # Errors
/// [`StateError`]: a daemon uses it, the new folder is not empty, a disk refuses.
pub fn salvage(folder: &Path, target: &Path, now: Timestamp) -> Result<Salvaged, StateError> {
    let path = database(folder)?;
    let _lock = lock(folder)?;
    make_empty(target)?;
    let mut salvaged = Salvaged::default();
    let mut new = schema::open(&lock::file(target))?;
    // SQLite writes to what it opens, so it gets a copy.
    let aside = target.join("damaged.db");
    copy(&path, &aside)?;
    copy(&path.with_extension("db-wal"), &target.join("damaged.db-wal"))?;
    match schema::connect(&aside, false) {
        Ok(old) => copy_history(&old, &new, &mut salvaged.lost),
        Err(error) => salvaged.lost.push(format!("the history: {error}")),
    }
    for ending in ["db", "db-wal", "db-shm"] {
        // They may not all be there.
        let _ = std::fs::remove_file(aside.with_extension(ending));
    }
    take_in_log(folder, &mut new, &mut salvaged.lost)?;
    take_key(folder, target, &new, now, &mut salvaged.lost)?;
    copy_logs(folder, target)?;
    copy_beside(folder, target, Duration::ZERO)?;
    let count = |table: &str| -> Result<u64, StateError> {
        let sql = format!("SELECT count(*) FROM {table}");
        let count: i64 = new.query_row(&sql, [], |row| row.get(0)).map_err(history(&path))?;
        Ok(u64::try_from(count).unwrap_or(0))
    };
    (salvaged.events, salvaged.jobs) = (count("events")?, count("jobs")?);
    drop(new);
    sync(target)?;
    Ok(salvaged)
}

fn copy_history(old: &Connection, new: &Connection, lost: &mut Vec<String>) {
    let begun = new.execute_batch("BEGIN");
    for (table, key) in TABLES {
        if let Err(error) = copy_table(old, new, table, key, lost) {
            lost.push(format!("a part of the table {table}: {error}"));
        }
    }
    for (table, ids) in INDEXED {
        if let Err(error) = copy_indexed(old, new, table, ids, lost) {
            lost.push(format!("a part of what an index of {table} has: {error}"));
        }
    }
    let next = index::position(old);
    let kept = next.and_then(|next| {
        new.execute("UPDATE position SET next = ?1", [i64::try_from(next).unwrap_or(i64::MAX)])
    });
    if let Err(error) = kept {
        lost.push(format!("how far the history had taken in the journal: {error}"));
    }
    // Of another table there may be none in an older state.
    if let Ok(sealed) = old.query_row("SELECT sealed FROM seal_check", [], |row| row.get::<_, Vec<u8>>(0)) {
        let _ = new.execute("INSERT INTO seal_check (only, sealed) VALUES (0, ?1)", [sealed]);
    }
    if let Err(error) = begun.and_then(|()| new.execute_batch("COMMIT")) {
        lost.push(format!("the history: {error}"));
    }
}

/// The columns that both have.
fn columns(old: &Connection, new: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let read = |connection: &Connection| -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    let known = read(new)?;
    Ok(read(old)?.into_iter().filter(|column| known.contains(column)).collect())
}

/// Reads a table from its beginning up to what is damaged, and from its end.
fn copy_table(
    old: &Connection,
    new: &Connection,
    table: &str,
    key: &str,
    lost: &mut Vec<String>,
) -> rusqlite::Result<()> {
    let columns = columns(old, new, table)?;
    if columns.is_empty() {
        // An older state does not have it.
        return Ok(());
    }
    let insert = insert(table, &columns);
    let backwards = key.split(", ").map(|column| format!("{column} DESC")).collect::<Vec<_>>().join(", ");
    for order in [key, backwards.as_str()] {
        let sql = format!("SELECT {} FROM {table} ORDER BY {order}", columns.join(", "));
        let mut statement = old.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let ended = loop {
            match rows.next() {
                Ok(Some(row)) => copy_row(row, &columns, new, &insert, table, lost)?,
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        let Some(error) = ended else { return Ok(()) };
        lost.push(format!("rows of {table} on a damaged page: {error}"));
    }
    Ok(())
}

fn insert(table: &str, columns: &[String]) -> String {
    let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
    format!("INSERT OR IGNORE INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "))
}

fn copy_row(
    row: &Row<'_>,
    columns: &[String],
    new: &Connection,
    insert: &str,
    table: &str,
    lost: &mut Vec<String>,
) -> rusqlite::Result<()> {
    let mut values = Vec::with_capacity(columns.len());
    for (n, column) in columns.iter().enumerate() {
        let value = row.get_ref(n)?;
        if let Some(bad) = bad_value(column, value) {
            let id = row.get_ref(0)?.as_bytes().map(|id| String::from_utf8_lossy(id).into_owned());
            let named = format!("{table} {}: {bad}", id.unwrap_or_default());
            if !lost.contains(&named) {
                lost.push(named);
            }
            return Ok(());
        }
        values.push(Value::try_from(value)?);
    }
    // What does not fit the table is not what was written.
    if let Err(error) = new.prepare_cached(insert)?.execute(params_from_iter(values)) {
        lost.push(format!("a row of {table}: {error}"));
    }
    Ok(())
}

/// The rows of ids that an index has.
fn copy_indexed(
    old: &Connection,
    new: &Connection,
    table: &str,
    ids: &str,
    lost: &mut Vec<String>,
) -> rusqlite::Result<()> {
    let columns = columns(old, new, table)?;
    let insert = insert(table, &columns);
    let mut found: Vec<String> = Vec::new();
    let mut statement = old.prepare(ids)?;
    let mut rows = statement.query([])?;
    while let Ok(Some(row)) = rows.next() {
        found.extend(row.get::<_, String>(0));
    }
    let mut there = new.prepare(&format!("SELECT 1 FROM {table} WHERE id = ?1"))?;
    let mut statement = old.prepare(&format!("SELECT {} FROM {table} WHERE id = ?1", columns.join(", ")))?;
    for id in found {
        if there.exists([&id])? {
            continue;
        }
        let mut rows = statement.query([&id])?;
        match rows.next() {
            Ok(Some(row)) => copy_row(row, &columns, new, &insert, table, lost)?,
            // An event goes before its last job only when it was trimmed.
            Ok(None) => {}
            Err(error) => {
                let named = format!("{table} {id}: {error}");
                if !lost.contains(&named) {
                    lost.push(named);
                }
            }
        }
    }
    Ok(())
}

/// Takes what the history had not taken in yet from the files of the log, also behind a hole.
fn take_in_log(folder: &Path, new: &mut Connection, lost: &mut Vec<String>) -> Result<(), StateError> {
    let path = lock::file(folder);
    let mut next = index::position(new).map_err(history(&path))?;
    let mut missing = Vec::new();
    let segments = read_log(folder, |number, content| {
        if number < next {
            return;
        }
        if number > next {
            missing.push(format!("batches {next} to {} of the journal", number - 1));
        }
        let mut entries = Vec::new();
        let decoded = entry::decode(content, &mut entries).map_err(|error| error.to_string());
        let taken = decoded.and_then(|()| {
            index::take_in(new, entries, number + 1).map(drop).map_err(|error| error.to_string())
        });
        if let Err(error) = taken {
            missing.push(format!("batch {number} of the journal: {error}"));
        }
        next = number + 1;
    })?;
    lost.extend(missing);
    for segment in segments {
        lost.extend(segment.damage.map(|damage| format!("a part of {}: {damage}", segment.path.display())));
    }
    // The journal of the new state begins with the next batch.
    let next = i64::try_from(next).unwrap_or(i64::MAX);
    new.execute("UPDATE position SET next = ?1", [next]).map_err(history(&path))?;
    Ok(())
}

/// Takes the key, and ends what waits and was sealed with another one.
fn take_key(
    folder: &Path,
    target: &Path,
    new: &Connection,
    now: Timestamp,
    lost: &mut Vec<String>,
) -> Result<(), StateError> {
    let path = lock::file(target);
    let key = Seal::read(folder).unwrap_or_else(|error| {
        lost.push(error.to_string());
        None
    });
    let mut sealed = Vec::new();
    {
        let mut statement = new.prepare(seal_check::WAITING_IDS).map_err(history(&path))?;
        let mut rows = statement.query([]).map_err(history(&path))?;
        while let Some(row) = rows.next().map_err(history(&path))? {
            let pair: rusqlite::Result<(String, Vec<u8>)> = row.get(0).and_then(|id| Ok((id, row.get(1)?)));
            sealed.push(pair.map_err(history(&path))?);
        }
    }
    let opens = |bytes: &[u8]| key.as_ref().is_some_and(|key| key.unseal(bytes).is_some());
    for (event, _) in sealed.iter().filter(|(_, bytes)| !opens(bytes)) {
        lost.push(format!(
            "event {event} and its waiting jobs: their secrets cannot be read with this seal.key"
        ));
        let why = "the secrets of its event were sealed with a key that is lost";
        let ended = new.execute(
            "UPDATE jobs SET status = 'lost', ended_at = ?2, error = ?3
             WHERE event_id = ?1 AND status IN ('queued', 'running')",
            params![event, millis(now), why],
        );
        let routed = ended.and_then(|_| {
            let sql = "UPDATE events SET routed_at = ifnull(routed_at, ?2), sealed = NULL WHERE id = ?1";
            new.execute(sql, params![event, millis(now)])
        });
        routed.map_err(history(&path))?;
    }
    if seal_check::key_match(new, key.as_ref()) == seal_check::KeyMatch::Right {
        copy(&seal::file(folder), &seal::file(target))?;
        return Ok(());
    }
    new.execute("DELETE FROM seal_check", []).map_err(history(&path))?;
    if sealed.iter().any(|(_, bytes)| opens(bytes)) {
        copy(&seal::file(folder), &seal::file(target))?;
    }
    Ok(())
}
