//! `via`: the job goes to a herald-runner through a queue, so that the runner needs no open port.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use herald_core::executor::{DefaultPlaces, Execution, Executor, Failure, FailureKind, Outcome};
use herald_core::param::Params;
use herald_queue::{
    EndStatus, FilePieces, MessageEnd, NewMessage, OriginError, PieceName, RunnerReport, WhenOffline,
};
use herald_remote::ResultFiles;
use herald_wire::ending::EndingName;
use herald_wire::manifest::FileSum;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::executor::MAX_JOBS_ELSEWHERE;
use crate::queue::QueueConnection;

/// How long the runner may take to end a job that is cancelled.
const CANCEL: Duration = Duration::from_secs(20);
/// How long a wish to cancel is kept for the runner, and how long the id of a job is remembered after its end.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// How many jobs may wait in the topic.
const MAX_LENGTH: u64 = 100_000;

/// The runners that read a topic of a queue.
pub(super) struct ThroughQueue {
    pub(super) connection: QueueConnection,
    pub(super) topic: String,
    pub(super) data_dir: PathBuf,
    pub(super) timeout: Duration,
}

#[async_trait]
impl Executor for ThroughQueue {
    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Elsewhere(MAX_JOBS_ELSEWHERE)
    }

    fn outlives(&self) -> bool {
        true
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        self.run(&execution, false).await
    }

    async fn recover(&self, execution: Execution) -> Outcome {
        self.run(&execution, true).await
    }
}

impl ThroughQueue {
    async fn run(&self, execution: &Execution, again: bool) -> Outcome {
        let message = self.message(execution, again);
        let give_up = CancellationToken::new();
        let end = self.end_of(&message, &give_up, again);
        tokio::pin!(end);
        let ended = tokio::select! {
            ended = &mut end => ended,
            () = execution.stop.asked.cancelled() => Err(OriginError::Stopped),
            () = tokio::time::sleep(self.timeout) => {
                let what = format!("timed out after {:?} (the executor's timeout)", self.timeout);
                let _ = self.cancel(&message.id).await;
                return Err(Failure { kind: FailureKind::TimedOut, ..Failure::new(what) });
            }
        };
        let end_of_job = match ended {
            Ok(end) => end,
            // The next process joins it.
            Err(OriginError::Stopped) if execution.stop.shutdown.is_cancelled() => return Err(cancelled()),
            Err(OriginError::Stopped) => {
                // Whatever the queue says, the job was cancelled.
                if let Err(error) = self.cancel(&message.id).await {
                    let what = format!("cancelled; the runner may still run the job: {error}");
                    return Err(Failure { kind: FailureKind::Cancelled, ..Failure::new(what) });
                }
                match tokio::time::timeout(CANCEL, end).await {
                    Ok(Ok(end)) => end,
                    _ => return Err(cancelled()),
                }
            }
            Err(error) => return Err(Failure::new(error)),
        };
        self.outcome(execution, &message.id, &end_of_job).await
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

    /// Puts the message and waits for its end.
    async fn end_of(
        &self,
        message: &NewMessage,
        give_up: &CancellationToken,
        again: bool,
    ) -> Result<MessageEnd, OriginError> {
        let origin = &self.connection.origin;
        let mut ends = if again { origin.reported(message, give_up).await } else { Vec::new() };
        if ends.is_empty() {
            ends = origin.put(message, None, WhenOffline::Wait, give_up).await?;
        }
        let ends = origin.ends(message, ends, |ends| !ends.is_empty(), give_up).await?;
        ends.into_iter().next().ok_or(OriginError::Stopped)
    }

    /// Asks the runner that has the job to end it.
    async fn cancel(&self, message: &str) -> Result<(), herald_queue::QueueError> {
        self.connection.queue.put_piece(&PieceName::cancel(message), b"1", REMEMBERED).await
    }

    async fn outcome(&self, execution: &Execution, message: &str, end: &MessageEnd) -> Outcome {
        let runner = &end.node;
        let reason = end.detail.get("error").and_then(Value::as_str);
        if let Some(reason) = reason {
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
        let reading = self.result(execution, message, &report);
        let Ok(stored) = tokio::time::timeout(self.timeout, reading).await else {
            let what =
                format!("timed out after {:?} reading the result of the runner {runner}", self.timeout);
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

    /// The result, with the paths of its files here.
    async fn result(
        &self,
        execution: &Execution,
        message: &str,
        report: &RunnerReport,
    ) -> Result<Params, ViaError> {
        let mut used = vec![PieceName::cancel(message)];
        let whole = match &report.result {
            Some(result) => result.clone(),
            None => {
                let names = (0..report.result_pieces).map(|n| PieceName::result(message, n)).collect();
                let bytes = self.fetch(names, &mut used).await?;
                serde_json::from_slice(&bytes).map_err(|_| ViaError::NotAnObject)?
            }
        };
        let Value::Object(mut result) = whole else { return Err(ViaError::NotAnObject) };
        if !report.files.is_empty() {
            let paths = self.files(execution, message, &report.files, &mut used).await?;
            result.insert("file".to_owned(), Value::Object(paths));
        }
        if let Err(error) = self.connection.queue.delete_pieces(&used).await {
            tracing::debug!("{error}; the pieces expire");
        }
        Ok(result)
    }

    async fn files(
        &self,
        execution: &Execution,
        message: &str,
        files: &[FilePieces],
        used: &mut Vec<PieceName>,
    ) -> Result<Map<String, Value>, ViaError> {
        let mut stored = ResultFiles::begin(&self.data_dir).await?;
        for file in files {
            let names = (0..file.pieces).map(|n| PieceName::of_file(message, &file.name, n)).collect();
            let content = self.fetch(names, used).await?;
            let sum =
                FileSum { filename: file.filename.clone(), size: file.size, sha256: file.sha256.clone() };
            stored.add(&file.name, &sum, Bytes::from(content)).await?;
        }
        Ok(stored.commit(&execution.job.id).await?)
    }

    /// All pieces, one after another.
    async fn fetch(&self, names: Vec<PieceName>, used: &mut Vec<PieceName>) -> Result<Vec<u8>, ViaError> {
        let mut bytes = Vec::new();
        for name in names {
            let piece = loop {
                match self.connection.queue.piece(&name).await {
                    Err(error) if error.is_temporary() => tokio::time::sleep(Duration::from_secs(1)).await,
                    other => break other?,
                }
            };
            bytes.extend(piece.ok_or(ViaError::PieceMissing)?);
            used.push(name);
        }
        Ok(bytes)
    }
}

fn cancelled() -> Failure {
    Failure { kind: FailureKind::Cancelled, ..Failure::new("cancelled") }
}

/// Why the result of a job cannot be had.
#[derive(Debug, thiserror::Error)]
enum ViaError {
    #[error("the result is not a JSON object")]
    NotAnObject,
    #[error("a piece of the result or of a result file is not in the queue any more")]
    PieceMissing,
    #[error(transparent)]
    Queue(#[from] herald_queue::QueueError),
    #[error(transparent)]
    Files(#[from] herald_remote::ResultFilesError),
}
