//! The workers of this process: they outlive a reload, and the triggers that started them, until what they run has
//! ended.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herald_queue::QueueWorker;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// All of them. Cheap to clone.
#[derive(Clone, Default)]
pub struct QueueWorkers(Arc<AllWorkers>);

#[derive(Default)]
struct AllWorkers {
    tasks: TaskTracker,
    closed: CancellationToken,
    /// Workers that exist or existed in this process, by queue and trigger.
    names: Mutex<HashSet<String>>,
}

impl QueueWorkers {
    /// Whether this is the first worker of this name in this process: it takes over what an earlier process had.
    #[must_use]
    pub fn is_first(&self, queue: &str, trigger: &str) -> bool {
        let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(format!("{queue}\0{trigger}"))
    }

    /// Sees to it that what this worker runs is reported.
    pub fn finish(&self, worker: QueueWorker) {
        let closed = self.0.closed.clone();
        self.0.tasks.spawn(async move { worker.finish(&closed).await });
    }

    /// Waits this long for the last reports. What is not reported by then, others learn when its leases end.
    pub async fn close(&self, longest: Duration) {
        self.0.tasks.close();
        let _ = tokio::time::timeout(longest, self.0.tasks.wait()).await;
        self.0.closed.cancel();
        self.0.tasks.wait().await;
    }
}
