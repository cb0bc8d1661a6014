//! `queue`: fires for messages of a queue: each on one of all workers, or each on every node.

mod list;
mod options;
mod run_end;
mod runner;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_core::activation::Name;
use herald_core::position::{Cursor, Position};
use herald_core::spec::{Description, TriggerType};
use herald_core::trigger::{Activator, CancellationToken, ComponentError, Trigger};
use herald_queue::{ConsumeMode, ConsumerSettings, QueueWorker};

use crate::queue::{QueueConnection, QueueConnections};
use options::{ConsumeModeName, QueueTriggerOptions, WireForm};
use runner::EventRunner;

/// The component type `queue`.
#[must_use]
pub fn component() -> TriggerType {
    let description = Description::new(
        "queue",
        "Fires for messages that the executor `queue` put, on this or another machine; the message is the \
         `trigger_param`. The message is over when the jobs of its event have ended. A message is started at most once, \
         and again only where `requeue.on` allows it: when its worker dies, it is lost, and its origin gets to know. \
         Needs a `state_dir`, for what it has accepted.",
    );
    let description = options::specs().into_iter().fold(description, Description::option);
    TriggerType::with_context(options::results(description), |options, context| {
        let given: QueueTriggerOptions = options.parse()?;
        let connection = QueueConnections::named(context, &given.queue)?;
        Ok(Arc::new(QueueTrigger { connection, given }) as Arc<dyn Trigger>)
    })
}

/// Fires for messages.
struct QueueTrigger {
    connection: QueueConnection,
    given: QueueTriggerOptions,
}

#[async_trait]
impl Trigger for QueueTrigger {
    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        match self.given.wire {
            WireForm::Stream => self.work(activator, stop).await,
            WireForm::List => {
                list::ListWorker::new(&self.connection, &self.given, activator).run(&stop).await;
                Ok(())
            }
        }
    }
}

impl QueueTrigger {
    async fn work(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        let consumer = self.consumer(&activator).await;
        let settings = self.given.worker(consumer);
        let runner = Arc::new(EventRunner::new(activator, &self.given));
        let worker = QueueWorker::new(&*self.connection.queue, settings, runner)
            .map_err(|error| ComponentError::new(error.to_string()))?;
        worker.receive_until(&stop).await;
        self.connection.workers.finish(worker);
        Ok(())
    }

    async fn consumer(&self, activator: &Activator) -> ConsumerSettings {
        let given = &self.given;
        let mode = match given.mode {
            ConsumeModeName::Compete => ConsumeMode::Compete,
            ConsumeModeName::Every => {
                let source: Name = format!("{}\0queue\0{}", activator.trigger(), given.queue).into();
                let seen_before = activator.reached(&source).await.is_some();
                let position = Position::from_bytes(b"read".to_vec());
                activator.reach(Cursor { source, position }).await;
                ConsumeMode::Every { retain: given.retain, seen_before }
            }
        };
        ConsumerSettings {
            name: activator.trigger().to_owned(),
            topics: given.topics(),
            mode,
            lease: given.lease,
            max_deliveries: given.max_deliveries,
            marker_ttl: MARKER_TTL,
            take_back: self.connection.workers.is_first(&given.queue, activator.trigger()),
        }
    }
}

/// How long ids are remembered after the end of their messages, where a message does not say it.
const MARKER_TTL: Duration = Duration::from_secs(60 * 60);
