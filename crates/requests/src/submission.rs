//! Requests that are becoming events. A trigger that takes the place of another one waits for them: they are routed by
//! the configuration that has their trigger.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// How long they are waited for: a journal may be stuck.
const LONGEST: Duration = Duration::from_secs(1);

/// The requests of a listener that are becoming events.
#[derive(Clone, Default)]
pub struct EventSubmissions(Arc<watch::Sender<usize>>);

/// One of them, until this is dropped.
pub(crate) struct EventSubmission(EventSubmissions);

impl EventSubmissions {
    pub(crate) fn begin(&self) -> EventSubmission {
        self.0.send_modify(|count| *count += 1);
        EventSubmission(self.clone())
    }

    /// Resolves once there are none, or they take too long.
    pub async fn over(&self) {
        let mut count = self.0.subscribe();
        let _ = tokio::time::timeout(LONGEST, count.wait_for(|count| *count == 0)).await;
    }
}

impl Drop for EventSubmission {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
