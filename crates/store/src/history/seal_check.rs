//! Whether `seal.key` is the key with which the parameters in the history were sealed.
//!
//! The history keeps a constant that was sealed with it. With another key, or none, nothing that waits may be started:
//! its jobs would fail for good, although the right key may be put back.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use crate::journal::seal::{self, Seal};
use crate::lock::{self, OpenError};

/// What is sealed to recognize the key.
const CONSTANT: &str = "heraldd seal.key";

/// The parameters of events that wait, or whose jobs do.
const WAITING: &str = "
SELECT sealed FROM events WHERE routed_at IS NULL AND sealed IS NOT NULL
UNION ALL
SELECT sealed FROM events WHERE routed_at IS NOT NULL AND sealed IS NOT NULL
    AND id IN (SELECT event_id FROM jobs WHERE status IN ('queued', 'running'))";

/// The same, with the ids of the events.
pub(crate) const WAITING_IDS: &str = "
SELECT id, sealed FROM events WHERE sealed IS NOT NULL AND (routed_at IS NULL
    OR id IN (SELECT event_id FROM jobs WHERE status IN ('queued', 'running')))";

/// How a key fits the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyMatch {
    /// It is the key, or nothing was sealed yet.
    Right,
    /// It is another one.
    Wrong,
    /// There is none.
    Missing,
}

/// Reads the key, or makes one where nothing waits for an older one.
///
/// # Errors
/// [`OpenError`]: what waits needs another key; or the key cannot be read or made.
pub(crate) fn open(folder: &Path, connection: &Connection) -> Result<Seal, OpenError> {
    let seal = Seal::read(folder)?;
    let fits = key_match(connection, seal.as_ref());
    let wrong = match fits {
        KeyMatch::Right => None,
        KeyMatch::Wrong => Some("is not the key that was used"),
        KeyMatch::Missing => Some("is missing"),
    };
    // With the right key nobody asks what waits.
    if let Some((wrong, waiting @ 1..)) = wrong.map(|wrong| (wrong, waiting(connection).len())) {
        let events = if waiting == 1 {
            "1 waiting event is".to_owned()
        } else {
            format!("{waiting} waiting events are")
        };
        return Err(OpenError(format!(
            "{} {wrong}, and the secrets of {events} sealed with it; restore the file (it belongs together with \
             journal.db, also in a backup), then start heraldd again; where it is lost for good, `heraldd state salvage` \
             keeps everything else",
            seal::file(folder).display()
        )));
    }
    let seal = match seal {
        Some(seal) => seal,
        None => Seal::create(folder)?,
    };
    if fits != KeyMatch::Right || stored(connection).is_none() {
        if fits == KeyMatch::Wrong {
            tracing::warn!(
                "seal.key is another one than before: the secrets of earlier events cannot be read"
            );
        }
        let no_random = || OpenError("the journal cannot be used: there are no random numbers".to_owned());
        let sealed = seal.seal(CONSTANT).ok_or_else(no_random)?;
        let sql = "INSERT OR REPLACE INTO seal_check (only, sealed) VALUES (0, ?1)";
        connection
            .execute(sql, [sealed])
            .map_err(|error| OpenError::of_history(&lock::file(folder), &error))?;
    }
    Ok(seal)
}

/// Compares a key with what was sealed.
pub(crate) fn key_match(connection: &Connection, seal: Option<&Seal>) -> KeyMatch {
    let Some(seal) = seal else { return KeyMatch::Missing };
    let fits = match stored(connection) {
        Some(sealed) => seal.unseal(&sealed).as_deref() == Some(CONSTANT),
        // Earlier versions kept no constant.
        None => {
            let waiting = waiting(connection);
            waiting.is_empty() || waiting.iter().any(|sealed| seal.unseal(sealed).is_some())
        }
    };
    if fits { KeyMatch::Right } else { KeyMatch::Wrong }
}

fn stored(connection: &Connection) -> Option<Vec<u8>> {
    let row = connection.query_row("SELECT sealed FROM seal_check", [], |row| row.get(0));
    row.optional().ok().flatten()
}

/// What waits and is sealed, as far as it can be read.
pub(crate) fn waiting(connection: &Connection) -> Vec<Vec<u8>> {
    let read = |connection: &Connection| -> rusqlite::Result<Vec<Vec<u8>>> {
        let mut statement = connection.prepare(WAITING)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.map_while(Result::ok).collect())
    };
    read(connection).unwrap_or_default()
}
