//! `queue`: puts a message into a queue, for workers on other machines, and may wait for what they did with it.

mod message;
mod options;
mod result;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::executor::{DefaultPlaces, Execution, Executor, Failure, FailureKind, Outcome};
use herald_core::param::Params;
use herald_core::spec::{Description, ExecutorType, OptionKind, OptionSpec};
use herald_core::unit;
use herald_queue::{MessageEnd, NewMessage, OriginError, PutPolicy, WhenOffline, Withdrawal};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::queue::{QueueConnection, QueueConnections};
use message::MessageParams;
use options::{PutForm, QueueExecutorOptions, WaitFor};

/// How many jobs wait at once for the queue or for workers: they cost little here.
pub const MAX_JOBS: usize = 10_000;

/// The component type `queue`.
#[must_use]
pub fn component() -> ExecutorType {
    let description = Description::new(
        "queue",
        "Puts a message into a queue, for workers on any number of machines (trigger `queue`). While the queue cannot be \
         reached, the job waits; no event is lost, and no message is put twice.",
    );
    let description = options::specs().into_iter().fold(description, Description::option);
    let description = params().into_iter().fold(description, Description::param).example(options::EXAMPLE);
    ExecutorType::with_context(description, |options, context| {
        let given: QueueExecutorOptions = options.parse()?;
        let connection = QueueConnections::named(context, &given.queue)?;
        let nodes = given.nodes(context)?;
        Ok(Arc::new(QueueExecutor { connection, given, nodes }) as Arc<dyn Executor>)
    })
}

fn params() -> [OptionSpec; 5] {
    let new = OptionSpec::new;
    [
        new(
            "message",
            OptionKind::Any,
            "What the workers get as `trigger_param`: a map. Default: the `trigger_param` of this job.",
        ),
        new(
            "key",
            OptionKind::Any,
            "Messages with the same key run one at a time, and in the order in which their events were accepted, over all \
             workers.",
        ),
        new("delay", OptionKind::Any, "How long no worker gets it: a duration, or 0.")
            .check(|delay| unit::duration_or_zero(delay).map(drop)),
        new(
            "max_age",
            OptionKind::Duration,
            "How long it may wait; when it is older, it becomes a dead letter.",
        ),
        new(
            "seal",
            OptionKind::Boolean,
            "Encrypt the message in Redis. A message that holds a secret of the configuration is always encrypted.",
        ),
    ]
}

/// Puts messages.
pub struct QueueExecutor {
    connection: QueueConnection,
    given: QueueExecutorOptions,
    /// The nodes that must answer, where they are named.
    nodes: Vec<String>,
}

#[async_trait]
impl Executor for QueueExecutor {
    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Elsewhere(MAX_JOBS)
    }

    fn begins_in_order(&self) -> bool {
        true
    }

    fn outlives(&self) -> bool {
        self.given.wire == PutForm::Stream
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        match self.given.wire {
            PutForm::Stream => self.put(&execution, false).await,
            PutForm::List => self.push(&execution).await,
        }
    }

    /// A message has the id of its job: it is put again, and the queue knows whether it has it.
    async fn recover(&self, execution: Execution) -> Outcome {
        match self.given.wire {
            PutForm::Stream => self.put(&execution, true).await,
            PutForm::List => {
                let lost = "Herald stopped while the message was put into the list; it may be there or not";
                Err(Failure { kind: FailureKind::Lost, ..Failure::new(lost) })
            }
        }
    }
}

impl QueueExecutor {
    async fn put(&self, execution: &Execution, again: bool) -> Outcome {
        let params = MessageParams::of(execution)?;
        let message = NewMessage { again, ..params.message(execution, &self.given) };
        // Before anything is waited for: the jobs begin in the order of their events.
        let place = self.connection.origin.line_up(&message.topic, message.key.as_deref());
        let policy = PutPolicy { place: place.as_ref(), offline: self.given.offline() };
        match self.ends(&message, policy, &execution.stop.asked).await {
            Ok(_) if self.given.wait == WaitFor::Accepted => Ok(self.accepted(&message.id)),
            Ok(ends) => result::outcome(&ends, &self.nodes, &execution.mask),
            // The next process joins it.
            Err(OriginError::Stopped { sent: true }) if !execution.stop.shutdown.is_cancelled() => {
                Err(self.take_back(&message).await)
            }
            Err(error) => Err(failure(&error)),
        }
    }

    /// Puts the message, and waits for its ends where they are wanted.
    async fn ends(
        &self,
        message: &NewMessage,
        policy: PutPolicy<'_>,
        stop: &CancellationToken,
    ) -> Result<Vec<MessageEnd>, OriginError> {
        let origin = &self.connection.origin;
        let mut ends = Vec::new();
        if message.again && message.reply {
            ends = origin.reported(message, stop).await;
        }
        if ends.is_empty() {
            ends = origin.put(message, policy, stop).await?;
        }
        if self.given.wait == WaitFor::Accepted {
            return Ok(ends);
        }
        let nodes = &self.nodes;
        let is_enough = |ends: &[MessageEnd]| match nodes.is_empty() {
            true => !ends.is_empty(),
            false => nodes.iter().all(|node| ends.iter().any(|end| end.node == *node)),
        };
        origin.ends(message, ends, is_enough, policy, stop).await
    }

    /// The job was cancelled: its message is withdrawn, unless a worker has it already.
    async fn take_back(&self, message: &NewMessage) -> Failure {
        match self.connection.origin.withdraw(message).await {
            Ok(Withdrawal::Withdrawn) => failure(&OriginError::Withdrawn),
            Ok(Withdrawal::Taken) => failure(&OriginError::Stopped { sent: true }),
            Err(error) => {
                let what =
                    format!("cancelled; a message that is in the queue already may still run: {error}");
                Failure { kind: FailureKind::Cancelled, ..Failure::new(what) }
            }
        }
    }

    /// Into a plain list, as the original program does it.
    async fn push(&self, execution: &Execution) -> Outcome {
        let item = MessageParams::of(execution)?.item();
        let (topic, queue) = (&self.given.topic, &self.connection.queue);
        // One list, one line: items are pushed in the order of their events.
        let place = self.connection.origin.line_up(topic, Some(""));
        let push = async {
            if let Some(place) = &place {
                place.is_first().await;
            }
            loop {
                match queue.list_push(topic, &item, self.given.max_length).await {
                    Ok(Some(_)) => return Ok(self.accepted(&execution.job.id)),
                    Ok(None) => {}
                    Err(error) if !error.is_temporary() || self.given.offline() == WhenOffline::Fail => {
                        return Err(Failure::new(error));
                    }
                    Err(error) => tracing::debug!("{error}; the message waits"),
                }
                tokio::time::sleep(options::AGAIN).await;
            }
        };
        let pushed = execution.stop.asked.run_until_cancelled(push).await;
        pushed.unwrap_or_else(|| Err(failure(&OriginError::Stopped { sent: true })))
    }

    fn accepted(&self, id: &str) -> Params {
        let result = json!({"queue": self.given.queue, "topic": self.given.topic, "message": id});
        result.as_object().cloned().unwrap_or_default()
    }
}

fn failure(error: &OriginError) -> Failure {
    let cancelled = |what: &str| Failure { kind: FailureKind::Cancelled, ..Failure::new(what) };
    match error {
        OriginError::Stopped { sent: true } => {
            cancelled("cancelled; a message that is in the queue already may still run")
        }
        OriginError::Stopped { sent: false } => cancelled("cancelled before the queue had the message"),
        OriginError::Withdrawn => cancelled("cancelled before a worker had the message"),
        OriginError::Queue(error) => Failure::new(error),
    }
}
