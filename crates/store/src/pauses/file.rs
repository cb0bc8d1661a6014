//! The pauses on disk: a table of `journal.db`.

use herald_core::actor::Actor;
use herald_core::secret::Mask;
use rusqlite::{Row, params};

use super::record::{Pause, PauseError};
use crate::audit::file::with_connection;
use crate::journal::entry::{millis, time};
use crate::journal::stored_actor::StoredActor;
use crate::store::JournalStore;

pub(super) async fn load(store: &JournalStore) -> Result<Vec<Pause>, PauseError> {
    with_connection(store, |connection| {
        let mut statement =
            connection.prepare_cached("SELECT router, since, until, actor FROM pauses ORDER BY router")?;
        statement.query_map([], pause)?.collect()
    })
    .await
}

pub(super) async fn save(store: &JournalStore, pause: Pause) -> Result<(), PauseError> {
    with_connection(store, move |connection| {
        // Texts: never fails. Its secrets are hidden already.
        let actor = serde_json::to_string(&StoredActor::of(&pause.by, &Mask::new())).unwrap_or_default();
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO pauses (router, since, until, actor) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![pause.router, millis(pause.since), pause.until.map(millis), actor])?;
        Ok(())
    })
    .await
}

pub(super) async fn delete(store: &JournalStore, router: String) -> Result<(), PauseError> {
    with_connection(store, move |connection| {
        connection.prepare_cached("DELETE FROM pauses WHERE router = ?1")?.execute([router])?;
        Ok(())
    })
    .await
}

fn pause(row: &Row<'_>) -> rusqlite::Result<Pause> {
    let actor: String = row.get(3)?;
    let by = serde_json::from_str::<StoredActor>(&actor).map(Actor::from);
    Ok(Pause {
        router: row.get(0)?,
        since: time(row.get(1)?),
        until: row.get::<_, Option<i64>>(2)?.map(time),
        by: by.unwrap_or_else(|_| Actor { user: None, via: "unknown".into(), address: None, reason: None }),
    })
}
