//! The log line that tells of the end of a job.

use crate::job::Job;
use crate::lifecycle::{Status, Verdict};

/// The verdict is masked already.
pub(super) fn log_end(job: &Job, verdict: &Verdict) {
    let (router, task, executor) = (&*job.router, &*job.task, &*job.executor);
    let (job_id, status) = (&*job.id, verdict.status.as_str());
    match (&verdict.error, verdict.status) {
        (_, Status::Succeeded) => tracing::info!(router, task, executor, job_id, status, "job ended"),
        (Some(error), Status::Rejected) => {
            tracing::error!(router, task, executor, job_id, status, "job refused: {error}");
        }
        (Some(error), _) => tracing::warn!(router, task, executor, job_id, status, "job ended: {error}"),
        (None, _) => tracing::warn!(router, task, executor, job_id, status, "job ended"),
    }
}
