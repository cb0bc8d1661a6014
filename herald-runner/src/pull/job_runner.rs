//! Runs the jobs that come as messages, and reports how they ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use herald_base::ending::Ending;
use herald_queue::{
    DeadReason, Delivery, EndStatus, FilePieces, MessageRunner, NotBegun, PieceName, Queue, QueueGap, RunId,
    RunReport, RunnerReport,
};
use herald_wire::ending::EndingName;
use herald_wire::job::JobKey;
use serde_json::{Map, Value};

use super::pieces;
use crate::job::ended::JobEnd;
use crate::job::jobs::{JobHandle, Jobs, Submission, SubmitError};

/// How long a job waits for room.
const NO_ROOM: Duration = Duration::from_millis(500);
/// How often it is looked whether a running job is to be cancelled.
const LOOK: Duration = Duration::from_secs(2);

/// A run of a message.
enum PulledRun {
    Job(JobHandle),
    /// An earlier process started it, for this reason nobody knows how it ended.
    Lost(String),
}

/// Why a job that ran is reported as failed.
#[derive(Debug, thiserror::Error)]
enum NotSent {
    #[error("the job ran, but its result files cannot be sent: {0}")]
    Files(#[from] pieces::SendFilesError),
    #[error("the job ran, but its result cannot be sent: {0}")]
    Result(#[from] herald_queue::QueueError),
}

/// The jobs of the queue.
pub(super) struct PulledJobs {
    queue: Arc<dyn Queue>,
    jobs: Jobs,
    runs: Mutex<HashMap<RunId, PulledRun>>,
}

impl PulledJobs {
    pub(super) fn new(queue: Arc<dyn Queue>, jobs: Jobs) -> Self {
        Self { queue, jobs, runs: Mutex::default() }
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<RunId, PulledRun>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, delivery: &Delivery, run: PulledRun) -> RunId {
        let id: RunId = delivery.message.id.as_str().into();
        self.runs().insert(id.clone(), run);
        id
    }

    /// The end of a job, unless its daemon wants it to end before.
    async fn end_of(&self, id: &str, mut handle: JobHandle) -> Arc<JobEnd> {
        let cancel = PieceName::cancel(id);
        let stop = handle.clone();
        let ended = handle.ended();
        tokio::pin!(ended);
        loop {
            tokio::select! {
                end = &mut ended => return end,
                () = tokio::time::sleep(LOOK) => {}
            }
            if matches!(self.queue.piece(&cancel).await, Ok(Some(_))) {
                tracing::info!(job_id = id, "cancel");
                stop.stop();
            }
        }
    }

    async fn report(&self, id: &str, end: &JobEnd) -> RunReport {
        let (ending, body, error_line) = match end {
            JobEnd::NotRun { reason, ending, .. } => {
                return failed(reason.clone(), ending.map(status_of).unwrap_or(EndStatus::Failed));
            }
            JobEnd::Ran { body, report } => (report.ending, body, report.error_line.clone()),
        };
        let mut sent = Vec::new();
        let (files, result_pieces) = match self.send(id, end, body, &mut sent).await {
            Ok(pieces) => pieces,
            Err(why) => {
                // The daemon does not get to know of them.
                if let Err(error) = self.queue.delete_pieces(&sent).await {
                    tracing::debug!("{error}; the pieces expire");
                }
                return failed(why.to_string(), EndStatus::Failed);
            }
        };
        let report = RunnerReport {
            ending: serde_json::to_value(EndingName::from(ending)).unwrap_or_default(),
            error_line,
            result: (result_pieces == 0).then(|| serde_json::from_slice(body).unwrap_or_default()),
            result_pieces,
            files,
        };
        let error = (!ending.is_success()).then(|| ending.sentence(None));
        RunReport {
            status: status_of(ending),
            error,
            detail: serde_json::to_value(report).unwrap_or_default(),
        }
    }

    /// Sends the files, and the result where it does not fit into the report. Returns the files, and how many pieces
    /// the result has.
    async fn send(
        &self,
        id: &str,
        end: &JobEnd,
        body: &[u8],
        sent: &mut Vec<PieceName>,
    ) -> Result<(Vec<FilePieces>, usize), NotSent> {
        let files = pieces::send(&*self.queue, id, end.files().to_vec(), sent).await?;
        if body.len() <= RunnerReport::LARGEST_RESULT {
            return Ok((files, 0));
        }
        let mut count = 0;
        for piece in body.chunks(PieceName::LARGEST) {
            pieces::put(&*self.queue, PieceName::result(id, count), piece, sent).await?;
            count += 1;
        }
        Ok((files, count))
    }
}

fn status_of(ending: Ending) -> EndStatus {
    match ending {
        ending if ending.is_success() => EndStatus::Succeeded,
        Ending::TimedOut => EndStatus::TimedOut,
        Ending::Cancelled => EndStatus::Cancelled,
        _ => EndStatus::Failed,
    }
}

fn failed(error: String, status: EndStatus) -> RunReport {
    let detail = serde_json::json!({ "error": error });
    RunReport { status, error: Some(error), detail }
}

/// The execution parameters in a message.
fn params_of(delivery: &Delivery) -> Result<Map<String, Value>, NotBegun> {
    let run = delivery.message.param.get("run").and_then(Value::as_object);
    run.cloned().ok_or_else(|| NotBegun::Unusable("the message is not a job for a herald-runner".to_owned()))
}

#[async_trait]
impl MessageRunner for PulledJobs {
    async fn known(&self, delivery: &Delivery) -> Option<RunId> {
        let params = params_of(delivery).ok()?;
        let key = JobKey::of(&params).ok().flatten()?;
        let handle = self.jobs.submit(Submission { key: Some(key), params, join: true }).ok()?;
        Some(self.note(delivery, PulledRun::Job(handle)))
    }

    async fn begin(&self, delivery: &Delivery, lost: Option<&str>) -> Result<RunId, NotBegun> {
        if let Some(lost) = lost {
            return Ok(self.note(delivery, PulledRun::Lost(lost.to_owned())));
        }
        let params = params_of(delivery)?;
        let unusable =
            |why: String| NotBegun::Unusable(format!("the message is not a job for a herald-runner: {why}"));
        let key = JobKey::of(&params).map_err(|error| unusable(error.to_string()))?;
        let key = key.ok_or_else(|| unusable("it has no job_id".to_owned()))?;
        loop {
            let submission = Submission { key: Some(key.clone()), params: params.clone(), join: false };
            match self.jobs.submit(submission) {
                Ok(handle) => return Ok(self.note(delivery, PulledRun::Job(handle))),
                Err(SubmitError::Full) => tokio::time::sleep(NO_ROOM).await,
                Err(SubmitError::Stopping | SubmitError::Unknown) => return Err(NotBegun::Stopping),
            }
        }
    }

    async fn ended(&self, run: &RunId) -> RunReport {
        let found = self.runs().remove(run);
        match found {
            Some(PulledRun::Job(handle)) => {
                self.runs().insert(run.clone(), PulledRun::Job(handle.clone()));
                let end = self.end_of(run, handle).await;
                self.runs().remove(run);
                self.report(run, &end).await
            }
            Some(PulledRun::Lost(why)) => failed(why, EndStatus::Lost),
            None => failed("the runner does not know the job any more".to_owned(), EndStatus::Lost),
        }
    }

    async fn lose(&self, run: &RunId, why: String) {
        if let Some(PulledRun::Job(handle)) = self.runs().remove(run) {
            tracing::warn!(job_id = &**run, "the job is ended: {why}");
            handle.stop();
        }
    }

    async fn withdraw(&self, _: &RunId, _: String) -> bool {
        // A job of a runner starts at once.
        false
    }

    async fn dead(&self, topic: &str, id: &str, reason: &DeadReason) {
        tracing::warn!(topic, job_id = id, "a message is a dead letter now: {reason}");
    }

    async fn missed(&self, gap: &QueueGap) {
        tracing::warn!(
            topic = gap.topic,
            missed = gap.missed,
            "messages were deleted before this runner read them"
        );
    }
}
