//! Receives messages, and makes events of them.

use std::sync::Arc;
use std::time::Duration;

use herald_core::activation::Name;
use herald_core::context::Context;
use herald_core::position::{Cursor, Position};
use herald_core::spec::{OptionSpec, Options};
use herald_core::trigger::{Activator, CancellationToken, ComponentError};
use herald_queue::{ConsumeMode, ConsumerSettings, QueueWorker};

use super::list::ListWorker;
use super::options::{self, ConsumeModeName, QueueTriggerOptions, WireForm};
use super::runner::EventRunner;
use crate::connections::{QueueConnection, QueueConnections};

/// How long ids are remembered after the end of their messages, where a message does not say it.
const MARKER_TTL: Duration = Duration::from_secs(60 * 60);

/// Receives messages.
pub struct QueueReceiver {
    connection: QueueConnection,
    given: QueueTriggerOptions,
}

impl QueueReceiver {
    /// With these options, and a queue of this context.
    ///
    /// # Errors
    /// An option is not valid, or names a queue that does not exist.
    pub fn new(options: &Options, context: &Context) -> Result<Self, ComponentError> {
        let given: QueueTriggerOptions = options.parse()?;
        let connection = QueueConnections::named(context, &given.queue)?;
        Ok(Self { connection, given })
    }

    /// All options, in the order in which they are documented.
    #[must_use]
    pub fn options() -> Vec<OptionSpec> {
        options::specs()
    }

    /// Receives until `stop` is cancelled. What still runs then is reported by the workers of this process.
    ///
    /// # Errors
    /// The settings are not valid for this queue.
    pub async fn receive_until(
        &self,
        stop: &CancellationToken,
        activator: Activator,
    ) -> Result<(), ComponentError> {
        match self.given.wire {
            WireForm::Stream => self.work(activator, stop).await,
            WireForm::List => {
                ListWorker::new(&self.connection, &self.given, activator).run(stop).await;
                Ok(())
            }
        }
    }

    async fn work(&self, activator: Activator, stop: &CancellationToken) -> Result<(), ComponentError> {
        let consumer = self.consumer(&activator).await;
        let settings = self.given.worker(consumer);
        let runner = Arc::new(EventRunner::new(activator, &self.given));
        let worker = QueueWorker::new(&*self.connection.queue, settings, runner)
            .map_err(|error| ComponentError::new(error.to_string()))?;
        worker.receive_until(stop).await;
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
