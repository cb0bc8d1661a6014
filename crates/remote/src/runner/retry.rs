//! When to reconnect to a running job.

use std::time::Duration;

use tokio::time::Instant;

/// A connection that lasted longer than this before it broke resets the time for reconnecting.
const STEADY: Duration = Duration::from_secs(5);
/// How often an answer that was truncated is requested again.
const MOST_TRUNCATED: u32 = 3;
/// The first pause; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The state of one job's connection.
pub(super) struct RejoinTimer {
    window: Duration,
    since: Option<Instant>,
    pause: Duration,
    truncated: u32,
    /// The job was sent before, so it must not be started a second time.
    pub(super) join: bool,
}

impl RejoinTimer {
    /// Gives up when there was no connection for `window`.
    pub(super) fn new(window: Duration) -> Self {
        Self { window, since: None, pause: FIRST_PAUSE, truncated: 0, join: false }
    }

    /// The same for a job that an earlier process sent: it is only joined.
    pub(super) fn joining(window: Duration) -> Self {
        Self { join: true, ..Self::new(window) }
    }

    /// Waits before the next attempt. `lasted`: the time of the last one; `truncated`: its answer had begun. False when
    /// there is to be no other.
    pub(super) async fn again(&mut self, lasted: Duration, truncated: bool) -> bool {
        self.truncated += u32::from(truncated);
        if lasted > STEADY {
            (self.since, self.pause) = (None, FIRST_PAUSE);
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let left = self.window.saturating_sub(since.elapsed());
        if left.is_zero() || self.truncated > MOST_TRUNCATED {
            return false;
        }
        // The last attempt is at the end of the time.
        tokio::time::sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tries_within_the_window_and_after_a_steady_connection_again() {
        let (short, long) = (Duration::ZERO, Duration::from_secs(6));
        let begun = Instant::now();
        let mut retry = RejoinTimer::new(Duration::from_secs(15));
        let mut attempts = 0;
        while retry.again(short, false).await {
            attempts += 1;
        }
        assert_eq!(attempts, 7, "0.2, 0.4, 0.8, 1.6, 3.2, 5, and at the end");
        assert_eq!(begun.elapsed(), Duration::from_secs(15));
        assert!(retry.again(long, false).await, "it had lasted for a while");

        let mut retry = RejoinTimer::new(Duration::from_secs(15));
        for _ in 0..MOST_TRUNCATED {
            assert!(retry.again(long, true).await);
        }
        assert!(!retry.again(long, true).await, "the answer is truncated every time");
    }
}
