//! Puts the messages of jobs, and waits for what workers did with them.

use herald_core::context::Context;
use herald_core::executor::{Execution, Failure, FailureKind, Outcome};
use herald_core::param::Params;
use herald_core::spec::{OptionSpec, Options};
use herald_core::trigger::ComponentError;
use herald_queue::{MessageEnd, NewMessage, OriginError, PutPolicy, WhenOffline, Withdrawal};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::message::MessageParams;
use super::options::{self, PutForm, QueueExecutorOptions, WaitFor};
use super::result;
use crate::connections::{QueueConnection, QueueConnections};

/// Puts messages.
pub struct QueuePutter {
    connection: QueueConnection,
    given: QueueExecutorOptions,
    /// The nodes that must answer, where they are named.
    nodes: Vec<String>,
}

impl QueuePutter {
    /// With these options, and a queue and the nodes of this context.
    ///
    /// # Errors
    /// An option is not valid, or names a queue or a tag that does not exist.
    pub fn new(options: &Options, context: &Context) -> Result<Self, ComponentError> {
        let given: QueueExecutorOptions = options.parse()?;
        let connection = QueueConnections::named(context, &given.queue)?;
        let nodes = given.nodes(context)?;
        Ok(Self { connection, given, nodes })
    }

    /// All options, in the order in which they are documented.
    #[must_use]
    pub fn options() -> Vec<OptionSpec> {
        options::specs().into()
    }

    /// What it reads from `job_param`.
    #[must_use]
    pub fn params() -> Vec<OptionSpec> {
        options::params().into()
    }

    /// Whether a job goes on when this process ends.
    #[must_use]
    pub fn outlives(&self) -> bool {
        self.given.wire == PutForm::Stream
    }

    /// Puts the message of a job. `again`: an earlier process may have put it. A message has the id of its job, so
    /// the queue knows whether it has it.
    pub async fn run(&self, execution: &Execution, again: bool) -> Outcome {
        match self.given.wire {
            PutForm::Stream => self.put(execution, again).await,
            PutForm::List if again => {
                let lost = "Herald stopped while the message was put into the list; it may be there or not";
                Err(Failure { kind: FailureKind::Lost, ..Failure::new(lost) })
            }
            PutForm::List => self.push(execution).await,
        }
    }

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
