//! What of the state is damaged: it is left out, named, and everything else goes on.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::ErrorCode;

/// So much is named; more of it says nothing new.
const MOST: usize = 100;

/// What was found, a sentence each. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Damage(Arc<Mutex<Vec<String>>>);

impl Damage {
    /// Names something, once.
    pub(crate) fn found(&self, what: String) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST && !known.contains(&what) {
            tracing::error!("the state is damaged: {what}");
            known.push(what);
        }
    }

    /// Everything that was found since the start.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Names the reason why something could not be read, if it is damage. Gives whether it is.
    pub(crate) fn is_behind(&self, error: &rusqlite::Error, what: &str) -> bool {
        let damaged = is_damage(error);
        if damaged {
            self.found(format!("{what} cannot be read: {error}"));
        }
        damaged
    }
}

/// Whether the file is damaged, and not just busy, full or out of reach.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, what) => {
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                || what.as_deref().is_some_and(is_of_layout)
        }
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => true,
        rusqlite::Error::SqlInputError { msg, .. } => is_of_layout(msg),
        _ => false,
    }
}

/// Whether tables are not as they were made: our own statements fit those.
fn is_of_layout(what: &str) -> bool {
    what.starts_with("no such ") || what.ends_with(" already exists")
}
