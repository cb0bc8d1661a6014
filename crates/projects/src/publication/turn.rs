//! Turns of publications whose contents are in memory: a first sync of many projects needs no more than a few of them.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many have their contents in memory at once. One keeps the disk busy by itself, with 16 files at a time.
const AT_ONCE: usize = 2;
/// How long one waits for its turn: a disk or an etcd that hangs does not hold up the projects of others.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The turns of an executor.
pub(crate) struct ContentTurns(Semaphore);

/// A turn; it is over when this is dropped.
pub(crate) type ContentTurn<'a> = SemaphorePermit<'a>;

impl Default for ContentTurns {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl ContentTurns {
    /// Waits for a turn, though not for ever: after a while it begins without one.
    pub(crate) async fn next(&self) -> Option<ContentTurn<'_>> {
        tokio::time::timeout(LONGEST_WAIT, self.0.acquire()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_never_ends_holds_up_the_next_for_seconds_only() {
        let turns = ContentTurns::default();
        let began = tokio::time::Instant::now();
        let (one, other) = (turns.next().await, turns.next().await);
        assert!(one.is_some() && other.is_some() && began.elapsed().is_zero());
        assert!(turns.next().await.is_none());
        assert_eq!(began.elapsed(), LONGEST_WAIT);
        drop(one);
        assert!(turns.next().await.is_some());
        assert_eq!(began.elapsed(), LONGEST_WAIT);
    }
}
