//! One pause, and what goes wrong with it.

use herald_core::actor::Actor;
use jiff::Timestamp;
use tokio::task::JoinError;

/// The most routers that are paused at the same time.
pub(super) const MOST: usize = 10_000;

/// A pause of a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// The router.
    pub router: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; without it, until it is resumed.
    pub until: Option<Timestamp>,
    /// Who paused it, and why. Secrets are hidden.
    pub by: Actor,
}

/// A pause could not be recorded or read.
#[derive(Debug, thiserror::Error)]
pub enum PauseError {
    /// The file.
    #[error("the pauses in the journal: {0}")]
    File(#[from] rusqlite::Error),
    /// The thread that reads it.
    #[error("the pauses in the journal: {0}")]
    Thread(#[from] JoinError),
    /// There are too many.
    #[error("{MOST} routers are paused already")]
    TooMany,
}
