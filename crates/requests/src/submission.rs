//! Requests that are becoming events. A trigger that takes the place of another one waits for them: they are routed by
//! the configuration that has their trigger.

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How long they are waited for: a journal may be stuck.
const LONGEST: Duration = Duration::from_secs(1);

/// The requests of a listener that are becoming events.
#[derive(Clone, Default)]
pub struct EventSubmissions(TaskTracker);

/// One of them, until this is dropped.
pub(crate) type EventSubmission = TaskTrackerToken;

impl EventSubmissions {
    pub(crate) fn begin(&self) -> EventSubmission {
        let submission = self.0.token();
        // It is counted before the request asks whether another trigger is coming. That one says that it comes, and
        // looks at the count only then: one of the two sees the other.
        fence(Ordering::SeqCst);
        submission
    }

    /// Resolves once there are none, or they take too long.
    pub async fn over(&self) {
        // A tracker reports that it is empty only once it is closed; it goes on counting.
        self.0.close();
        fence(Ordering::SeqCst);
        let _ = tokio::time::timeout(LONGEST, self.0.wait()).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_under_way_are_waited_for_and_not_for_ever() {
        let submissions = EventSubmissions::default();
        assert!(submissions.over().now_or_never().is_some(), "there is none");
        // Also after somebody waited before.
        for _ in 0..2 {
            let (first, second) = (submissions.begin(), submissions.begin());
            let other = submissions.clone();
            let over = tokio::spawn(async move { other.over().await });
            tokio::task::yield_now().await;
            drop(first);
            tokio::task::yield_now().await;
            assert!(!over.is_finished());
            drop(second);
            tokio::task::yield_now().await;
            assert!(over.is_finished());
            over.await.unwrap();
        }
        let _stuck = submissions.begin();
        let began = tokio::time::Instant::now();
        submissions.over().await;
        assert_eq!(began.elapsed(), LONGEST);
    }
}
