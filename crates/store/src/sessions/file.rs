//! The sessions on disk: a table of `journal.db`.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::record::{NewSession, Session, SessionError, SessionId};
use crate::audit::file::with_connection;
use crate::journal::entry::{millis, time};
use crate::store::JournalStore;

pub(super) async fn load(store: &JournalStore) -> Result<Vec<Session>, SessionError> {
    with_connection(store, |connection| {
        let mut statement = connection.prepare_cached(
            "SELECT digest, user_name, account, address, agent, created_at, used_at FROM sessions ORDER BY used_at",
        )?;
        statement.query_map([], session)?.collect()
    })
    .await
}

pub(super) async fn save(store: &JournalStore, session: Session) -> Result<(), SessionError> {
    with_connection(store, move |connection| insert(connection, &session)).await
}

fn insert(connection: &Connection, session: &Session) -> rusqlite::Result<()> {
    let NewSession { user, account, address, agent } = &session.of;
    let mut statement = connection.prepare_cached(
        "INSERT INTO sessions (digest, user_name, account, address, agent, created_at, used_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let (created_at, used_at) = (millis(session.created_at), millis(session.used_at));
    statement.execute(params![session.id.0, user, account, address, agent, created_at, used_at])?;
    Ok(())
}

/// Records that it is used. One that has ended meanwhile does not begin again.
pub(super) async fn save_use(
    store: &JournalStore,
    id: SessionId,
    used_at: Timestamp,
) -> Result<(), SessionError> {
    with_connection(store, move |connection| {
        let mut statement =
            connection.prepare_cached("UPDATE sessions SET used_at = ?2 WHERE digest = ?1")?;
        statement.execute(params![id.0, millis(used_at)])?;
        Ok(())
    })
    .await
}

pub(super) async fn delete(store: &JournalStore, ids: Vec<SessionId>) -> Result<(), SessionError> {
    with_connection(store, move |connection| {
        for id in &ids {
            connection.prepare_cached("DELETE FROM sessions WHERE digest = ?1")?.execute([id.0])?;
        }
        Ok(())
    })
    .await
}

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    let of = NewSession { user: row.get(1)?, account: row.get(2)?, address: row.get(3)?, agent: row.get(4)? };
    let (created_at, used_at) = (time(row.get(5)?), time(row.get(6)?));
    Ok(Session { id: SessionId(row.get(0)?), of, created_at, used_at, recorded_at: used_at })
}
