//! Why a state cannot be used.

use std::path::Path;

use crate::damage::is_damage;

/// Why the state cannot be used: one sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub String);

/// What to do about a journal that is damaged, as the end of a sentence.
const WAY_OUT: &str =
    "; put a backup back with `heraldd state restore`, or keep what is whole with `heraldd state salvage`";

impl OpenError {
    /// What to do about this error of the history, as the end of a sentence; nothing where it is not damaged.
    pub(crate) fn way_out(error: &rusqlite::Error) -> &'static str {
        if is_damage(error) { WAY_OUT } else { "" }
    }

    /// Of a history that is damaged: how, and the way out.
    pub(crate) fn of_damage(path: &Path, what: &str) -> Self {
        Self(format!("the journal {} cannot be used: {what}{WAY_OUT}", path.display()))
    }

    /// Of the history: what is wrong with it, and the way out where it is damaged.
    pub(crate) fn of_history(path: &Path, error: &rusqlite::Error) -> Self {
        let shown = path.display();
        Self(format!("the journal {shown} cannot be used: {error}{}", Self::way_out(error)))
    }
}
