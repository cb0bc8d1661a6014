//! The boards of a configuration, each with what was seen of it last.

use std::time::Duration;

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

/// How long what was seen counts: what a line leaves out becomes more with time, without the end of a job.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(30);

impl SeenBoard {
    /// What was seen, where it still counts. Otherwise it is taken away: who looks now may not come to the end.
    pub(super) fn fresh(slot: &mut Option<Self>) -> Option<model::BoardResource> {
        let mut seen = slot.take()?;
        let is_fresh = seen.at.elapsed() < LOOK_AGAIN && !seen.ends.has_ended();
        is_fresh.then(|| slot.insert(seen).resource.clone())
    }
}

impl KnownBoard {
    pub(super) fn new(board: &BoardSettings) -> Self {
        Self { board: board.clone(), seen: Mutex::default() }
    }
}

#[cfg(test)]
mod tests {
    use herald_store::changes::Changes;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_count_any_more_is_taken_away() {
        let changes = Changes::default();
        let seen = || SeenBoard {
            at: Instant::now(),
            ends: changes.ends_of(Vec::new()),
            resource: model::BoardResource { name: "b".to_owned(), title: "b".to_owned(), tiles: Vec::new() },
        };
        let mut slot = Some(seen());
        for (seconds, is_fresh) in [(0, true), (29, true), (1, false), (0, false)] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            let found = SeenBoard::fresh(&mut slot);
            assert_eq!((found.is_some(), slot.is_some()), (is_fresh, is_fresh), "{seconds}");
        }
    }
}
