//! What runs the messages that a worker receives.

use async_trait::async_trait;

use crate::message::{DeadReason, EndStatus};
use crate::queue::{Delivery, QueueGap};

/// One run of a message: the id under which its runner recorded it.
pub type RunId = std::sync::Arc<str>;

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// How.
    pub status: EndStatus,
    /// Why it did not succeed: a sentence.
    pub error: Option<String>,
    /// What its origin gets to know, where it wants it.
    pub detail: serde_json::Value,
}

/// Why a run could not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotBegun {
    /// It cannot be recorded before this process ends.
    #[error("this process is stopping")]
    Stopping,
    /// The message can never be run here, for this reason.
    #[error("{0}")]
    Unusable(String),
}

/// Runs messages. A run is recorded before it begins, so that the next process of this node knows of it.
#[async_trait]
pub trait MessageRunner: Send + Sync + 'static {
    /// The run of this attempt of the message that this process or an earlier one recorded, if there is one. Waits
    /// while that cannot be known.
    async fn known(&self, delivery: &Delivery) -> Option<RunId>;

    /// Records the run and begins it. With `lost`, nobody can know how it ended, for this reason: it is recorded as
    /// lost, and does not begin. Waits while there is no room.
    ///
    /// # Errors
    /// [`NotBegun`].
    async fn begin(&self, delivery: &Delivery, lost: Option<&str>) -> Result<RunId, NotBegun>;

    /// Waits for the end of a run.
    async fn ended(&self, run: &RunId) -> RunReport;

    /// Nobody is going to wait for the end of a run: it is reported as accepted.
    async fn leave(&self, run: &RunId) {
        let _ = run;
    }

    /// Another worker has the message now: the run must end, for this reason.
    async fn lose(&self, run: &RunId, why: String);

    /// Takes a run back that has not started anything, for this reason. Returns whether it did.
    async fn withdraw(&self, run: &RunId, why: String) -> bool;

    /// A message became a dead letter here. `id` is empty where it has none.
    async fn dead(&self, topic: &str, id: &str, reason: &DeadReason);

    /// Messages were deleted before this node read them.
    async fn missed(&self, gap: &QueueGap);
}
