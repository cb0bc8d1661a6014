//! Why a state cannot be used.

use std::path::Path;

use crate::damage::is_damage;

/// Why the state cannot be used: one sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub String);

impl OpenError {
    /// Of the history: what is wrong with it, and the way out where it is damaged.
    pub(crate) fn of_history(path: &Path, error: &rusqlite::Error) -> Self {
        let shown = path.display();
        let mut text = format!("the journal {shown} cannot be used: {error}");
        if is_damage(error) {
            text.push_str(
                "; put a backup back with `heraldd state restore`, or keep what is whole with `heraldd state salvage`",
            );
        }
        Self(text)
    }
}
