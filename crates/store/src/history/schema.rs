//! The tables, their version, and the way from older versions.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::journal::disk_space;
use crate::lock::OpenError;
use crate::permissions;

/// The tables of the last version.
const TABLES: [&str; 12] = [
    "attempts",
    "audit",
    "cursors",
    "drains",
    "events",
    "idempotency",
    "jobs",
    "keys",
    "pauses",
    "position",
    "seal_check",
    "sessions",
];

/// Requests that are carried out once; without a file, a table in memory has the same form.
pub(crate) const IDEMPOTENCY: &str = "
-- requests that are carried out once: who sent which key (a digest), what was asked for (a digest), and the response;
-- without a status it is not known
CREATE TABLE idempotency (
    key BLOB PRIMARY KEY,
    request BLOB NOT NULL,
    at INTEGER NOT NULL,
    size INTEGER NOT NULL DEFAULT 0,
    status INTEGER,
    content_type TEXT,
    location TEXT,
    body BLOB
) WITHOUT ROWID;
CREATE INDEX idempotency_by_time ON idempotency (at, size);
";

/// Each entry leads from the version that is its index to the next one. Never change an entry that was released.
const MIGRATIONS: [&str; 11] = [
    "
CREATE TABLE events (
    id TEXT PRIMARY KEY,
    trigger_name TEXT NOT NULL,
    -- JSON, secrets hidden
    param TEXT NOT NULL,
    -- the same with its secrets, sealed; NULL when there is none
    sealed BLOB,
    depth INTEGER NOT NULL,
    -- all times are milliseconds since 1970
    accepted_at INTEGER NOT NULL,
    routed_at INTEGER,
    decisions TEXT
) WITHOUT ROWID;
CREATE INDEX events_unrouted ON events (id) WHERE routed_at IS NULL;
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL,
    router TEXT NOT NULL,
    task TEXT NOT NULL,
    trigger_name TEXT NOT NULL,
    selector TEXT NOT NULL,
    executor TEXT NOT NULL,
    depth INTEGER NOT NULL,
    select_param TEXT NOT NULL,
    job_param TEXT NOT NULL,
    status TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    queued_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    retry_at INTEGER,
    error TEXT,
    result TEXT
) WITHOUT ROWID;
CREATE INDEX jobs_by_router ON jobs (router, id);
CREATE INDEX jobs_by_status ON jobs (status, id);
CREATE INDEX jobs_by_event ON jobs (event_id);
CREATE TABLE attempts (
    job_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER,
    ended_at INTEGER NOT NULL,
    error TEXT,
    PRIMARY KEY (job_id, attempt)
) WITHOUT ROWID;
CREATE TABLE keys (name TEXT PRIMARY KEY, event_id TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX keys_by_end ON keys (until);
CREATE TABLE marks (mark TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
",
    "
-- the number of the batch of the log that is taken in next
CREATE TABLE position (only INTEGER PRIMARY KEY CHECK (only = 0), next INTEGER NOT NULL);
INSERT INTO position (only, next) VALUES (0, 0);
",
    "
-- from here on param, select_param, job_param and result may be packed (BLOB), which is for those who know of it
",
    "
-- up to which position sources of events were followed; a due time is its nanoseconds since 1970 in 16 bytes, the sign
-- bit inverted
CREATE TABLE cursors (source TEXT PRIMARY KEY, position BLOB NOT NULL) WITHOUT ROWID;
INSERT INTO cursors (source, position)
    SELECT mark, unhex(CASE WHEN at < 0 THEN '7fffffffffffffff' ELSE '8000000000000000' END
                       || printf('%016x', at * 1000000))
    FROM marks;
DROP TABLE marks;
-- who or what caused it, JSON; NULL is nobody for an event, and the event's for a job
ALTER TABLE events ADD COLUMN actor TEXT;
ALTER TABLE jobs ADD COLUMN actor TEXT;
ALTER TABLE jobs ADD COLUMN cancelled_by TEXT;
",
    "
-- a constant that was sealed with the key of the sealed rows: says whether seal.key is that key
CREATE TABLE seal_check (only INTEGER PRIMARY KEY CHECK (only = 0), sealed BLOB NOT NULL);
",
    "
-- who did what; refused says why it was not done, NULL is that it was
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    user_name TEXT,
    via TEXT NOT NULL,
    address TEXT,
    reason TEXT,
    act TEXT NOT NULL,
    target TEXT NOT NULL,
    refused TEXT
);
CREATE INDEX audit_by_outcome ON audit ((refused IS NOT NULL), id);
",
    "
-- who is logged in to the page; account changes with the password and the role
CREATE TABLE sessions (
    digest BLOB PRIMARY KEY,
    user_name TEXT,
    account TEXT,
    address TEXT,
    agent TEXT,
    created_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL
) WITHOUT ROWID;
",
    "
-- routers that start nothing: since when, until when (NULL is until they are resumed), and by whom, JSON
CREATE TABLE pauses (router TEXT PRIMARY KEY, since INTEGER NOT NULL, until INTEGER, actor TEXT NOT NULL) WITHOUT ROWID;
",
    IDEMPOTENCY,
    "
-- nodes that are drained, which get no new jobs: as the routers that are paused
CREATE TABLE drains (node TEXT PRIMARY KEY, since INTEGER NOT NULL, until INTEGER, actor TEXT NOT NULL) WITHOUT ROWID;
",
    "
-- why an act had no effect although it was allowed
ALTER TABLE audit ADD COLUMN failed TEXT;
",
];

/// How long a connection waits for another one's lock; only the copying of the log back into the file takes any.
const BUSY: Duration = Duration::from_secs(5);

/// On a file system smaller than this, the log of SQLite is copied back into the file after few pages.
const SMALL_DISK: u64 = 256 << 20;
/// After so many: 256 KiB. SQLite's own 4 MiB may be all that there is.
const FEW_PAGES: u32 = 64;

/// Opens the file for writing, and brings it to the present version.
pub(crate) fn open(path: &Path) -> Result<Connection, OpenError> {
    let unusable = |error: &dyn std::fmt::Display| {
        OpenError(format!("the journal {} cannot be used: {error}", path.display()))
    };
    // SQLite gives the files beside it the mode of this one, and would leave this one to the umask.
    drop(permissions::open_private(path).map_err(|error| unusable(&error))?);
    let of_history = |error: rusqlite::Error| OpenError::of_history(path, &error);
    let mut connection = connect(path, true).map_err(of_history)?;
    let version =
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)).map_err(of_history)?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > MIGRATIONS.len() {
        return Err(OpenError(format!(
            "the journal {} is of version {version}, and this heraldd knows versions up to {}; use a newer heraldd, or \
             another state_dir",
            path.display(),
            MIGRATIONS.len()
        )));
    }
    if version == 0
        && let Some(what) = differences(&connection).map_err(of_history)?.pop()
    {
        return Err(OpenError::of_damage(path, &what));
    }
    if version < MIGRATIONS.len() {
        migrate(&mut connection, version).map_err(of_history)?;
    }
    Ok(connection)
}

/// From this version to the last one, at once: the disk is waited for once.
fn migrate(connection: &mut Connection, from: usize) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    MIGRATIONS.iter().skip(from).try_for_each(|migration| transaction.execute_batch(migration))?;
    transaction.pragma_update(None, "user_version", version())?;
    transaction.commit()
}

/// The version of the schema.
pub(super) fn version() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Where the tables of a file are not those of its version: a sentence each.
pub(crate) fn differences(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version == 0 && !layout(connection)?.is_empty() {
        return Ok(vec!["its version is missing: it is 0, and there are tables".to_owned()]);
    }
    let (meant, there) = (of_version(version)?, layout(connection)?);
    let differs = |(table, columns): (String, Vec<String>)| match there.get(&table) {
        None => Some(format!("the table {table} is missing")),
        Some(found) if *found != columns => Some(format!("the table {table} has other columns")),
        Some(_) => None,
    };
    Ok(layout(&meant)?.into_iter().filter_map(differs).collect())
}

/// Makes tables that are missing, without anything in them, and says which. Without its position the history cannot go
/// on: that one stays missing.
pub(crate) fn make_missing(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    if has_all_tables(connection)? {
        return Ok(Vec::new());
    }
    let (meant, there) = (of_version(MIGRATIONS.len())?, layout(connection)?);
    let mut made = Vec::new();
    for table in layout(&meant)?.into_keys().filter(|table| table != "position" && !there.contains_key(table))
    {
        let mut parts =
            meant.prepare("SELECT sql FROM sqlite_schema WHERE tbl_name = ?1 AND sql IS NOT NULL")?;
        let parts: Vec<String> = parts.query_map([&table], |row| row.get(0))?.collect::<Result<_, _>>()?;
        parts.iter().try_for_each(|part| connection.execute_batch(part))?;
        made.push(format!("the table {table} was missing, and begins empty"));
    }
    Ok(made)
}

/// Whether there is a table of each name. A start asks only for that: a whole layout takes milliseconds.
fn has_all_tables(connection: &Connection) -> rusqlite::Result<bool> {
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables: HashSet<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(TABLES.iter().all(|table| tables.contains(*table)))
}

/// An empty history of this version.
fn of_version(version: usize) -> rusqlite::Result<Connection> {
    let meant = Connection::open_in_memory()?;
    MIGRATIONS.iter().take(version).try_for_each(|migration| meant.execute_batch(migration))?;
    Ok(meant)
}

/// The columns of each table, in order.
fn layout(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Vec<String>>> {
    let columns = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
                   WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid";
    let mut statement = connection.prepare(columns)?;
    let mut rows = statement.query([])?;
    let mut tables = BTreeMap::<String, Vec<String>>::new();
    while let Some(row) = rows.next()? {
        tables.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(tables)
}

/// Lets a statement that is kept be prepared once. Otherwise SQLite looks for a better plan whenever its values change,
/// and rusqlite clears them each time.
pub(crate) fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// A connection to the file as it is.
pub(crate) fn connect(path: &Path, write: bool) -> rusqlite::Result<Connection> {
    // Also a reader writes the index of the log.
    let access = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, access)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    keep_plans(&connection)?;
    if write {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let folder = path.parent().unwrap_or(path);
        if disk_space::space(folder).is_ok_and(|space| space.total < SMALL_DISK) {
            connection.pragma_update(None, "wal_autocheckpoint", FEW_PAGES)?;
        }
    } else {
        connection.pragma_update(None, "query_only", true)?;
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_those_of_the_last_version() {
        let last = of_version(MIGRATIONS.len()).unwrap();
        let tables: Vec<String> = layout(&last).unwrap().into_keys().collect();
        assert_eq!(tables, TABLES);
        assert!(has_all_tables(&last).unwrap());
        last.execute_batch("DROP TABLE pauses").unwrap();
        assert!(!has_all_tables(&last).unwrap());
    }
}
