//! A worker: receives messages, runs a bounded number of them at once, renews their leases, and reports their ends.

mod held;
mod message;
mod renewal;
mod runner;
mod settings;
#[cfg(test)]
mod tests;
mod worker_state;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::invalid::InvalidQueueSettings;
use crate::queue::{Delivery, Queue, Received};
use held::HeldMessages;
pub use runner::{MessageRunner, NotBegun, RunId, RunReport};
pub use settings::{Acknowledge, RequeuePolicy, WorkerSettings};
use worker_state::WorkerState;

/// How long the last statements of a worker that stops may take: what it does not say in this time, others learn when
/// its leases end.
const LONGEST_CLOSE: Duration = Duration::from_secs(2);
/// How often a worker whose places are all taken looks whether the server was replaced, and whether others are gone.
const LOOK: Duration = Duration::from_millis(500);
/// The same after an error: the connection was cut, and the next one may be to another server.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A worker. It stops when [`QueueWorker::receive_until`] returns, and is over when [`QueueWorker::finish`] does.
pub struct QueueWorker {
    shared: Arc<WorkerState>,
    /// A task for each message, and one that renews.
    tasks: TaskTracker,
}

impl QueueWorker {
    /// A worker that has received nothing yet. Call it inside the runtime.
    ///
    /// # Errors
    /// The settings are not valid.
    pub fn new(
        queue: &dyn Queue,
        settings: WorkerSettings,
        runner: Arc<dyn MessageRunner>,
    ) -> Result<Self, InvalidQueueSettings> {
        let shared = Arc::new(WorkerState {
            consumer: queue.consumer(settings.consumer.clone())?,
            places: Arc::new(Semaphore::new(settings.process.max(1))),
            settings,
            runner,
            queue: queue.name().to_owned(),
            node: queue.node().to_owned(),
            held: HeldMessages::default(),
            stopping: CancellationToken::new(),
            closed: CancellationToken::new(),
        });
        let tasks = TaskTracker::new();
        tasks.spawn(renewal::renew(shared.clone()));
        Ok(Self { shared, tasks })
    }

    /// Receives and runs messages until `stop` is cancelled. Then gives back at once what has not started, and returns;
    /// what runs goes on.
    pub async fn receive_until(&self, stop: &CancellationToken) {
        let _ = stop.run_until_cancelled(self.receive()).await;
        self.shared.stopping.cancel();
        let close = tokio::time::timeout(LONGEST_CLOSE, self.shared.consumer.close()).await;
        if let Ok(Err(error)) = close {
            tracing::debug!(
                "{error}; messages that were not started are delivered again when their leases end"
            );
        }
        // What has not started is given back by the tasks of the messages.
        let _ = tokio::time::timeout(LONGEST_CLOSE, self.shared.held.until_started()).await;
    }

    async fn receive(&self) {
        let (shared, mut look) = (&self.shared, LOOK);
        loop {
            // One place at least; as many as are free.
            let place = match tokio::time::timeout(look, shared.places.clone().acquire_owned()).await {
                Ok(Ok(place)) => place,
                Ok(Err(_)) => return,
                Err(_) => {
                    look = self.look().await;
                    continue;
                }
            };
            let free = shared.places.available_permits() + 1;
            drop(place);
            match shared.consumer.receive(free).await {
                Ok(all) => {
                    for received in all {
                        self.take(received).await;
                    }
                }
                // The status of the queue shows it, and the call has waited.
                Err(error) => tracing::debug!("{error}"),
            }
        }
    }

    /// Without a free place. Gives the time until the next look.
    async fn look(&self) -> Duration {
        match self.shared.consumer.look().await {
            Ok(all) => {
                for received in all {
                    self.take(received).await;
                }
                LOOK
            }
            Err(error) => {
                tracing::debug!("{error}");
                LOOK_AGAIN
            }
        }
    }

    async fn take(&self, received: Received) {
        let shared = self.shared.clone();
        match received {
            Received::Message(delivery) => self.run(*delivery).await,
            Received::Dead { topic, id, reason } => shared.runner.dead(&topic, &id, &reason).await,
            Received::Gap(gap) => shared.runner.missed(&gap).await,
        }
    }

    async fn run(&self, delivery: Delivery) {
        let shared = self.shared.clone();
        // Held from now on, so that its lease is renewed while it waits for its place.
        let held = shared.held.hold(&delivery.token);
        let place = if delivery.started_by.is_some() {
            // It does not run again, and an earlier process of this node has the place of what runs still.
            shared.places.clone().try_acquire_owned().ok()
        } else {
            let Ok(place) = shared.places.clone().acquire_owned().await else { return };
            Some(place)
        };
        self.tasks.spawn(async move {
            let closed = shared.closed.clone();
            let run = message::run(&shared, &delivery, &held);
            let _ = closed.run_until_cancelled(run).await;
            shared.held.forget(&delivery.token);
            drop(place);
        });
    }

    /// Waits until all that ran has ended and is reported, or `give_up` is cancelled.
    pub async fn finish(self, give_up: &CancellationToken) {
        self.shared.stopping.cancel();
        self.tasks.close();
        let _ = give_up.run_until_cancelled(self.shared.held.until_none()).await;
        self.shared.closed.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for QueueWorker {
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}
