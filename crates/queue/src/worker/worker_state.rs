//! What the tasks of a worker share.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::held::HeldMessages;
use super::runner::MessageRunner;
use super::settings::WorkerSettings;
use crate::queue::QueueConsumer;

/// What the tasks of a worker share.
pub(super) struct WorkerState {
    pub(super) settings: WorkerSettings,
    pub(super) consumer: Box<dyn QueueConsumer>,
    pub(super) runner: Arc<dyn MessageRunner>,
    /// The name of the queue, for logs.
    pub(super) queue: String,
    pub(super) node: String,
    pub(super) held: HeldMessages,
    pub(super) places: Arc<Semaphore>,
    /// Nothing is received any more; what has not started is given back.
    pub(super) stopping: CancellationToken,
    /// Everything ends now.
    pub(super) closed: CancellationToken,
}
