//! The audit on disk: a table of `journal.db` with a connection of its own, synced with each entry.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use herald_core::activation::Name;
use herald_core::actor::Actor;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, TransactionBehavior, params, params_from_iter};
use tokio::task::JoinError;

use super::record::AuditClass;
use super::{AuditEntry, AuditError, AuditLog, AuditPage, AuditQuery, AuditRecord, MOST_ENTRIES, MOST_KEPT};
use crate::history::schema;
use crate::journal::entry::{millis, time};
use crate::lock;
use crate::store::JournalStore;

/// After so many entries it looks whether there are too many.
const TRIM_EVERY: i64 = 64;

#[async_trait]
impl AuditLog for JournalStore {
    async fn record(&self, record: AuditRecord) -> Result<u64, AuditError> {
        with_connection(self, move |connection| insert(connection, &record)).await
    }

    async fn fail(&self, id: u64, why: String) -> Result<(), AuditError> {
        let id = i64::try_from(id).unwrap_or(i64::MAX);
        let update = "UPDATE audit SET failed = ?2 WHERE id = ?1";
        with_connection(self, move |connection| connection.execute(update, params![id, why]).map(drop)).await
    }

    async fn entries(&self, query: AuditQuery) -> Result<AuditPage, AuditError> {
        with_connection(self, move |connection| select(connection, &query)).await
    }
}

/// Off the async threads. Sessions are rare, and use the same connection.
pub(crate) async fn with_connection<T: Send + 'static, E: From<rusqlite::Error> + From<JoinError>>(
    store: &JournalStore,
    work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, E> {
    let (slot, path) = (store.audit.clone(), lock::file(store.folder()));
    let done = tokio::task::spawn_blocking(move || on_file(&slot, &path, work));
    Ok(done.await??)
}

fn on_file<T>(
    slot: &Mutex<Option<Connection>>,
    path: &Path,
    work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    let mut connection = match slot.take() {
        Some(connection) => connection,
        None => schema::connect(path, true)?,
    };
    let done = work(&mut connection)?;
    *slot = Some(connection);
    Ok(done)
}

fn insert(connection: &mut Connection, record: &AuditRecord) -> rusqlite::Result<u64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Actor { user, via, address, reason } = &record.actor;
    transaction
        .prepare_cached(
            "INSERT INTO audit (at, user_name, via, address, reason, act, target, refused, failed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            millis(record.at),
            user.as_deref(),
            &**via,
            address.as_deref(),
            reason.as_deref(),
            record.act,
            record.target,
            record.refused,
            record.failed
        ])?;
    let id = transaction.last_insert_rowid();
    if id % TRIM_EVERY == 0 {
        trim(&transaction, MOST_KEPT)?;
    }
    transaction.commit()?;
    Ok(id.unsigned_abs())
}

pub(super) fn trim(connection: &Connection, most: usize) -> rusqlite::Result<()> {
    for class in AuditClass::ALL {
        let of_class = class.condition();
        let sql = format!(
            "DELETE FROM audit WHERE {of_class} AND id <=
             (SELECT id FROM audit WHERE {of_class} ORDER BY id DESC LIMIT 1 OFFSET ?1)"
        );
        connection.prepare_cached(&sql)?.execute([i64::try_from(most).unwrap_or(i64::MAX)])?;
    }
    Ok(())
}

fn select(connection: &Connection, query: &AuditQuery) -> rusqlite::Result<AuditPage> {
    let limit = query.limit.clamp(1, MOST_ENTRIES);
    let (mut conditions, mut values): (Vec<&str>, Vec<Sql>) = (vec!["1"], Vec::new());
    if let Some(before) = query.before {
        conditions.push("id < ?");
        values.push(Sql::Integer(i64::try_from(before).unwrap_or(i64::MAX)));
    }
    for (condition, text) in [("user_name = ?", &query.user), ("act = ?", &query.act)] {
        if let Some(text) = text {
            conditions.push(condition);
            values.push(Sql::Text(text.clone()));
        }
    }
    let sql = format!(
        "SELECT id, at, user_name, via, address, reason, act, target, refused, failed FROM audit WHERE {} ORDER BY id DESC LIMIT {}",
        conditions.join(" AND "),
        limit + 1
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), entry)?;
    Ok(AuditPage::of(rows.collect::<Result<_, _>>()?, limit))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let name = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(column)?.map(Name::from));
    let actor = Actor {
        user: name(2)?,
        via: Name::from(row.get::<_, String>(3)?),
        address: name(4)?,
        reason: name(5)?,
    };
    let (act, target, refused, failed) = (row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?);
    let record = AuditRecord { at: time(row.get(1)?), actor, act, target, refused, failed };
    Ok(AuditEntry { id: row.get::<_, i64>(0)?.unsigned_abs(), record })
}
