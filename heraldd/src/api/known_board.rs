//! The boards of a configuration, each with what was seen of it last.

use herald_boards::settings::BoardSettings;
use herald_control::model;
use herald_store::changes::RouterEnds;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A board, and what was seen last of it.
pub(super) struct KnownBoard {
    pub(super) board: BoardSettings,
    /// One look at a time, whose result everybody gets who asked meanwhile.
    pub(super) seen: Mutex<Option<SeenBoard>>,
}

/// What was seen of a board.
pub(super) struct SeenBoard {
    /// When.
    pub(super) at: Instant,
    /// Whether jobs ended since.
    pub(super) ends: RouterEnds,
    /// What it was.
    pub(super) resource: model::BoardResource,
}

impl KnownBoard {
    pub(super) fn new(board: &BoardSettings) -> Self {
        Self { board: board.clone(), seen: Mutex::default() }
    }
}
