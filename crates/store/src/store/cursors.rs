//! How far sources of events were followed, as the history has it.

use herald_core::activation::Name;
use herald_core::position::{Cursor, Position};
use rusqlite::Connection;

/// More are not read: their names come from configurations.
const MOST: i64 = 100_000;

/// The sources whose names begin with this.
pub(super) fn below(connection: &Connection, beginning: &str) -> rusqlite::Result<Vec<Cursor>> {
    let question =
        "SELECT source, position FROM cursors WHERE source >= ?1 AND substr(source, 1, ?2) = ?1 LIMIT ?3";
    let length = i64::try_from(beginning.chars().count()).unwrap_or(i64::MAX);
    let mut found = connection.prepare_cached(question)?;
    let rows = found.query_map(rusqlite::params![beginning, length, MOST], |row| {
        let (source, position): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        Ok(Cursor { source: Name::from(source), position: Position::from_bytes(position) })
    })?;
    rows.collect()
}
