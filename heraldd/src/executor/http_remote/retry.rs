//! When a broken connection to a running job is made again.

use std::time::Duration;

use tokio::time::Instant;

/// A connection that held longer than this before it broke starts the time for joining anew.
const STEADY: Duration = Duration::from_secs(5);
/// How often an answer that breaks off in the middle is asked for again.
const MOST_CUTS: u32 = 3;
/// The first pause; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The state of one job's connection.
pub(super) struct Retry {
    window: Duration,
    since: Option<Instant>,
    pause: Duration,
    cuts: u32,
    /// Something was sent before, so the job must not be started a second time.
    pub(super) join: bool,
}

impl Retry {
    /// Gives up when no connection could be made again for `window`.
    pub(super) fn new(window: Duration) -> Self {
        Self { window, since: None, pause: FIRST_PAUSE, cuts: 0, join: false }
    }

    /// The same for a job that was sent by an earlier process: nothing but joining it will do.
    pub(super) fn joining(window: Duration) -> Self {
        Self { join: true, ..Self::new(window) }
    }

    /// Waits before the next attempt. `held` is how long the last one did, `cut` whether its answer had begun. False
    /// when there is no use in another.
    pub(super) async fn again(&mut self, held: Duration, cut: bool) -> bool {
        self.join = true;
        self.cuts += u32::from(cut);
        if held > STEADY {
            (self.since, self.pause) = (None, FIRST_PAUSE);
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() + self.pause > self.window || self.cuts > MOST_CUTS {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tries_within_the_window_and_after_a_steady_connection_anew() {
        let (short, long) = (Duration::ZERO, Duration::from_secs(6));
        let begun = Instant::now();
        let mut retry = Retry::new(Duration::from_secs(15));
        let mut attempts = 0;
        while retry.again(short, false).await {
            attempts += 1;
        }
        assert_eq!(attempts, 6, "0.2, 0.4, 0.8, 1.6, 3.2, 5");
        assert!(begun.elapsed() <= Duration::from_secs(15));
        assert!(retry.join);
        assert!(retry.again(long, false).await, "it had held for a while");

        let mut retry = Retry::new(Duration::from_secs(15));
        for _ in 0..MOST_CUTS {
            assert!(retry.again(long, true).await);
        }
        assert!(!retry.again(long, true).await, "the answer breaks every time");
    }
}
