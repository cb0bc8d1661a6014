//! The drained nodes on disk: a table of `journal.db`.

use herald_core::actor::Actor;
use herald_core::secret::Mask;
use rusqlite::{Row, params};

use super::record::{Drain, DrainError};
use crate::audit::file::with_connection;
use crate::journal::entry::{millis, time};
use crate::journal::stored_actor::StoredActor;
use crate::store::JournalStore;

pub(super) async fn load(store: &JournalStore) -> Result<Vec<Drain>, DrainError> {
    with_connection(store, |connection| {
        let mut statement =
            connection.prepare_cached("SELECT node, since, actor FROM drains ORDER BY node")?;
        statement.query_map([], drain)?.collect()
    })
    .await
}

pub(super) async fn save(store: &JournalStore, drain: Drain) -> Result<(), DrainError> {
    with_connection(store, move |connection| {
        // Texts: never fails. Its secrets are hidden already.
        let actor = serde_json::to_string(&StoredActor::of(&drain.by, &Mask::new())).unwrap_or_default();
        connection
            .prepare_cached("INSERT OR REPLACE INTO drains (node, since, actor) VALUES (?1, ?2, ?3)")?
            .execute(params![drain.node, millis(drain.since), actor])?;
        Ok(())
    })
    .await
}

pub(super) async fn delete(store: &JournalStore, node: String) -> Result<(), DrainError> {
    with_connection(store, move |connection| {
        connection.prepare_cached("DELETE FROM drains WHERE node = ?1")?.execute([node])?;
        Ok(())
    })
    .await
}

fn drain(row: &Row<'_>) -> rusqlite::Result<Drain> {
    let actor: String = row.get(2)?;
    let by = serde_json::from_str::<StoredActor>(&actor).map(Actor::from);
    Ok(Drain {
        node: row.get(0)?,
        since: time(row.get(1)?),
        by: by.unwrap_or_else(|_| Actor { user: None, via: "unknown".into(), address: None, reason: None }),
    })
}
