//! `via`: the job goes to a herald-runner through a queue, so that the runner needs no open port.

mod result;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use herald_core::executor::{Execution, Failure, FailureKind, Outcome};
use herald_queue::{
    EndStatus, MessageEnd, NewMessage, OriginError, PieceName, PutPolicy, Queue, QueueError, QueueOrigin,
    RunnerReport, Withdrawal,
};
use herald_remote::RemoteSettings;
use herald_wire::ending::EndingName;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::connections::QueueConnection;
use result::ReportedResult;

/// How long the runner may take to end a job that is cancelled.
const CANCEL: Duration = Duration::from_secs(20);
/// How long a wish to cancel is kept for the runner, and how long the id of a job is remembered after its end.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// How many jobs may wait in the topic.
const MAX_LENGTH: u64 = 100_000;
/// How long the removal of what is not needed any more may take: it expires by itself.
const REMOVAL: Duration = Duration::from_secs(5);

/// The runners that read a topic of a queue.
pub struct ThroughQueue {
    queue: Arc<dyn Queue>,
    origin: Arc<QueueOrigin>,
    topic: String,
    settings: Arc<RemoteSettings>,
}

/// Why a job is not waited for any more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GivenUp {
    Cancelled,
    TimedOut,
}

type EndOfMessage<'a> = Pin<&'a mut (dyn Future<Output = Result<MessageEnd, OriginError>> + Send)>;

impl ThroughQueue {
    /// The runners that read this topic.
    #[must_use]
    pub fn new(connection: QueueConnection, topic: String, settings: Arc<RemoteSettings>) -> Self {
        Self { queue: connection.queue, origin: connection.origin, topic, settings }
    }

    /// Runs a job on one of them. `again`: an earlier process may have put it into the queue.
    pub async fn run(&self, execution: &Execution, again: bool) -> Outcome {
        let message = self.message(execution, again);
        let stop_putting = CancellationToken::new();
        let end = self.end_of(&message, &stop_putting);
        tokio::pin!(end);
        let given_up = tokio::select! {
            ended = &mut end => return match ended {
                Ok(end) => self.outcome_unless_stopped(execution, &message.id, &end).await,
                Err(error) => Err(failure(&error)),
            },
            () = execution.stop.asked() => GivenUp::Cancelled,
            () = tokio::time::sleep(self.settings.timeout) => GivenUp::TimedOut,
        };
        if given_up == GivenUp::Cancelled && execution.stop.shutdown.is_cancelled() {
            // The next process joins it.
            return Err(cancelled("cancelled"));
        }
        stop_putting.cancel();
        self.give_up(execution, &message, given_up, end).await
    }

    /// The job was cancelled or timed out: it is taken back where no runner has it, and else its runner ends it.
    async fn give_up(
        &self,
        execution: &Execution,
        message: &NewMessage,
        given_up: GivenUp,
        mut end: EndOfMessage<'_>,
    ) -> Outcome {
        let over = |detail: &str| match given_up {
            GivenUp::Cancelled => {
                Failure { kind: FailureKind::Cancelled, ..Failure::new(format!("cancelled{detail}")) }
            }
            GivenUp::TimedOut => {
                let timeout = self.settings.timeout;
                let what = format!("timed out after {timeout:?} (the executor's timeout){detail}");
                Failure { kind: FailureKind::TimedOut, ..Failure::new(what) }
            }
        };
        let mut is_awaited = true;
        match end.as_mut().now_or_never() {
            Some(Ok(end)) => return self.outcome_within(CANCEL, execution, &message.id, &end).await,
            None => {}
            // The put was stopped, and may be done all the same.
            Some(Err(OriginError::Stopped { sent: true })) => is_awaited = false,
            // The queue does not have it.
            Some(Err(_)) => return Err(over("")),
        }
        let wish = async {
            match self.origin.withdraw(message).await? {
                Withdrawal::Withdrawn => Ok::<_, QueueError>(Withdrawal::Withdrawn),
                // Its runner looks for this.
                Withdrawal::Taken => {
                    let cancel = PieceName::cancel(&message.id);
                    self.queue.put_piece(&cancel, b"1", REMEMBERED).await.map(|()| Withdrawal::Taken)
                }
            }
        };
        match wish.await {
            Ok(Withdrawal::Withdrawn) => Err(over(" before a runner had the job")),
            Ok(Withdrawal::Taken) if given_up == GivenUp::Cancelled => {
                let ended =
                    async { if is_awaited { end.await } else { self.end_after(message, Vec::new()).await } };
                match tokio::time::timeout(CANCEL, ended).await {
                    Ok(Ok(end)) => self.outcome_within(CANCEL, execution, &message.id, &end).await,
                    _ => Err(over("")),
                }
            }
            Ok(Withdrawal::Taken) => Err(over("")),
            // Whatever the queue says, the job is over here.
            Err(error) => Err(over(&format!("; the runner may still run the job: {error}"))),
        }
    }

    fn message(&self, execution: &Execution, again: bool) -> NewMessage {
        let job = &execution.job;
        NewMessage {
            id: match job.attempt {
                1 => job.id.to_string(),
                attempt => format!("{}.{attempt}", job.id),
            },
            topic: self.topic.clone(),
            key: None,
            param: json!({ "run": execution.params() }),
            // It holds the secrets of the job.
            seal: true,
            event: job.trigger_id.to_string(),
            chain_depth: job.chain_depth,
            attempt: 1,
            delay: Duration::ZERO,
            max_age: None,
            max_length: MAX_LENGTH,
            marker_ttl: REMEMBERED,
            reply: true,
            again,
        }
    }

    /// Puts the message and waits for its end. Only the put is stopped.
    async fn end_of(
        &self,
        message: &NewMessage,
        stop_putting: &CancellationToken,
    ) -> Result<MessageEnd, OriginError> {
        let again = message.again;
        let mut ends = if again { self.origin.reported(message, stop_putting).await } else { Vec::new() };
        if ends.is_empty() {
            ends = self.origin.put(message, PutPolicy::WAIT, stop_putting).await?;
        }
        self.end_after(message, ends).await
    }

    async fn end_after(
        &self,
        message: &NewMessage,
        ends: Vec<MessageEnd>,
    ) -> Result<MessageEnd, OriginError> {
        let (one, never) = (|ends: &[MessageEnd]| !ends.is_empty(), CancellationToken::new());
        let ends = self.origin.ends(message, ends, one, PutPolicy::WAIT, &never).await?;
        ends.into_iter().next().ok_or(OriginError::Stopped { sent: true })
    }

    async fn outcome_unless_stopped(
        &self,
        execution: &Execution,
        message: &str,
        end: &MessageEnd,
    ) -> Outcome {
        tokio::select! {
            outcome = self.outcome(execution, message, end) => outcome,
            () = execution.stop.asked() => {
                // At a shutdown the next process reads them.
                if !execution.stop.shutdown.is_cancelled() {
                    self.remove_pieces(message, end).await;
                }
                Err(cancelled("cancelled"))
            }
        }
    }

    async fn outcome_within(
        &self,
        longest: Duration,
        execution: &Execution,
        message: &str,
        end: &MessageEnd,
    ) -> Outcome {
        let outcome = tokio::time::timeout(longest, self.outcome(execution, message, end)).await;
        outcome.unwrap_or_else(|_| Err(cancelled("cancelled; the result of the runner was not read in time")))
    }

    async fn outcome(&self, execution: &Execution, message: &str, end: &MessageEnd) -> Outcome {
        let outcome = self.outcome_before_removal(execution, message, end).await;
        self.remove_pieces(message, end).await;
        outcome
    }

    async fn outcome_before_removal(
        &self,
        execution: &Execution,
        message: &str,
        end: &MessageEnd,
    ) -> Outcome {
        let runner = &end.node;
        if let Some(reason) = end.detail.get("error").and_then(Value::as_str) {
            let kind = match end.status {
                EndStatus::TimedOut => FailureKind::TimedOut,
                EndStatus::Cancelled => FailureKind::Cancelled,
                EndStatus::Lost => FailureKind::Lost,
                _ => FailureKind::Failed,
            };
            return Err(Failure { kind, ..Failure::new(format!("the runner {runner}: {reason}")) });
        }
        let report: RunnerReport = serde_json::from_value(end.detail.clone())
            .map_err(|error| Failure::new(format!("invalid answer from the runner {runner}: {error}")))?;
        let timeout = self.settings.timeout;
        let result = ReportedResult { queue: &*self.queue, message, report: &report };
        let reading = result.read(&execution.job.id, &self.settings);
        let Ok(stored) = tokio::time::timeout(timeout, reading).await else {
            let what = format!("timed out after {timeout:?} reading the result of the runner {runner}");
            return Err(Failure { kind: FailureKind::TimedOut, ..Failure::new(what) });
        };
        let result = stored.map_err(|why| Failure::new(format!("from the runner {runner}: {why}")))?;
        let ending = EndingName::with_result(serde_json::from_value(report.ending).ok(), &result);
        if ending.is_success() {
            return Ok(result);
        }
        let kind = match ending.into() {
            EndingName::TimedOut => FailureKind::TimedOut,
            EndingName::Cancelled => FailureKind::Cancelled,
            _ => FailureKind::Failed,
        };
        let failure = Failure { kind, result, ..Failure::new(ending) };
        Err(failure.ending_with(report.error_line.as_deref(), &execution.mask))
    }

    /// Removes the pieces of a message that is over, also where its report is refused.
    async fn remove_pieces(&self, message: &str, end: &MessageEnd) {
        let mut pieces = vec![PieceName::cancel(message)];
        if let Ok(report) = serde_json::from_value::<RunnerReport>(end.detail.clone()) {
            pieces.extend(ReportedResult { queue: &*self.queue, message, report: &report }.pieces());
        }
        match tokio::time::timeout(REMOVAL, self.queue.delete_pieces(&pieces)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("{error}; the pieces expire"),
            Err(_) => tracing::debug!("the queue does not answer; the pieces expire"),
        }
    }
}

fn cancelled(what: &str) -> Failure {
    Failure { kind: FailureKind::Cancelled, ..Failure::new(what) }
}

fn failure(error: &OriginError) -> Failure {
    match error {
        OriginError::Withdrawn => cancelled("cancelled before a runner had the job"),
        error => Failure::new(error),
    }
}
