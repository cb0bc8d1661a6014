//! The pauses on disk: a table of `journal.db` for each kind.

use herald_core::actor::Actor;
use herald_core::secret::Mask;
use rusqlite::{Connection, Row, params};

use super::record::{Pause, PauseError, PausedKind};
use crate::audit::file::with_connection;
use crate::journal::entry::{millis, time};
use crate::journal::stored_actor::StoredActor;
use crate::store::JournalStore;

/// What is asked of the table of a kind.
struct PauseSql {
    all: &'static str,
    save: &'static str,
    delete: &'static str,
}

fn sql(kind: PausedKind) -> PauseSql {
    match kind {
        PausedKind::Routers => PauseSql {
            all: "SELECT router, since, until, actor FROM pauses ORDER BY router",
            save: "INSERT OR REPLACE INTO pauses (router, since, until, actor) VALUES (?1, ?2, ?3, ?4)",
            delete: "DELETE FROM pauses WHERE router = ?1",
        },
        PausedKind::Nodes => PauseSql {
            all: "SELECT node, since, until, actor FROM drains ORDER BY node",
            save: "INSERT OR REPLACE INTO drains (node, since, until, actor) VALUES (?1, ?2, ?3, ?4)",
            delete: "DELETE FROM drains WHERE node = ?1",
        },
    }
}

/// What can be read; what cannot is named as damage of the state.
pub(super) async fn load(store: &JournalStore, kind: PausedKind) -> Result<Vec<Pause>, PauseError> {
    let damage = store.damage();
    with_connection(store, move |connection| {
        let mut whole = Vec::new();
        match read(connection, kind, &mut whole) {
            Err(error) if !damage.is_behind(&error, &format!("a part of the {kind} in journal.db")) => {
                Err(error)
            }
            _ => Ok(whole),
        }
    })
    .await
}

fn read(connection: &Connection, kind: PausedKind, whole: &mut Vec<Pause>) -> rusqlite::Result<()> {
    let mut damaged = Ok(());
    let mut statement = connection.prepare_cached(sql(kind).all)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match pause(row) {
            Ok(pause) => whole.push(pause),
            Err(error) => damaged = Err(error),
        }
    }
    damaged
}

pub(super) async fn save(store: &JournalStore, kind: PausedKind, pause: Pause) -> Result<(), PauseError> {
    with_connection(store, move |connection| {
        // Texts: never fails. Its secrets are hidden already.
        let actor = serde_json::to_string(&StoredActor::of(&pause.by, &Mask::new())).unwrap_or_default();
        let row = params![pause.name, millis(pause.since), pause.until.map(millis), actor];
        connection.prepare_cached(sql(kind).save)?.execute(row)?;
        Ok(())
    })
    .await
}

pub(super) async fn delete(store: &JournalStore, kind: PausedKind, name: String) -> Result<(), PauseError> {
    with_connection(store, move |connection| {
        connection.prepare_cached(sql(kind).delete)?.execute([name])?;
        Ok(())
    })
    .await
}

fn pause(row: &Row<'_>) -> rusqlite::Result<Pause> {
    let actor: String = row.get(3)?;
    let by = serde_json::from_str::<StoredActor>(&actor).map(Actor::from);
    Ok(Pause {
        name: row.get(0)?,
        since: time(row.get(1)?),
        until: row.get::<_, Option<i64>>(2)?.map(time),
        by: by.unwrap_or_else(|_| Actor { user: None, via: "unknown".into(), address: None, reason: None }),
    })
}
