//! One pause, and what goes wrong with it.

use herald_core::actor::Actor;
use jiff::Timestamp;
use tokio::task::JoinError;

/// The most routers or nodes that are paused at the same time.
pub(super) const MOST: usize = 10_000;

/// What is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PausedKind {
    /// Routers: their jobs wait.
    #[default]
    Routers,
    /// Nodes, which are called drained: they get no new jobs.
    Nodes,
}

impl std::fmt::Display for PausedKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Routers => "paused routers",
            Self::Nodes => "drained nodes",
        })
    }
}

/// A pause of a router or a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Its name.
    pub name: String,
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
    #[error("there are {MOST} {0} already")]
    TooMany(PausedKind),
}
