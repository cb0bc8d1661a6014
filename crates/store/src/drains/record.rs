//! One drain, and what goes wrong with it.

use herald_core::actor::Actor;
use jiff::Timestamp;
use tokio::task::JoinError;

/// The most nodes that are drained at the same time.
pub(super) const MOST: usize = 10_000;

/// That a node gets no new jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// The node.
    pub node: String,
    /// Since when.
    pub since: Timestamp,
    /// Who drained it, and why. Secrets are hidden.
    pub by: Actor,
}

/// A drain could not be recorded or read.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// The file.
    #[error("the drained nodes in the journal: {0}")]
    File(#[from] rusqlite::Error),
    /// The thread that reads it.
    #[error("the drained nodes in the journal: {0}")]
    Thread(#[from] JoinError),
    /// There are too many.
    #[error("{MOST} nodes are drained already")]
    TooMany,
}
