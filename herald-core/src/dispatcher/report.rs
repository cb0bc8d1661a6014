//! The log line about the end of a job.

use std::time::Duration;

use tokio::time::Instant;

use crate::job::Job;
use crate::job::lifecycle::{Status, Verdict};

/// Refusals come in floods (a chain that branches); one line a second reports them.
const REFUSAL_EVERY: Duration = Duration::from_secs(1);

/// With what the reason of a job begins that `on_full: skip` rejects.
pub(super) const SKIPPED: &str = "skipped: ";

/// Writes the lines.
#[derive(Default)]
pub(super) struct Reporter {
    refused_at: Option<Instant>,
    untold: u64,
}

impl Reporter {
    /// The verdict is masked already.
    pub(super) fn log_end(&mut self, job: &Job, verdict: &Verdict) {
        let (router, task, executor) = (&*job.router, &*job.task, &*job.executor);
        let (job_id, status) = (&*job.id, verdict.status.as_str());
        let (trigger, event_id) = (&*job.trigger, &*job.trigger_id);
        match (&verdict.error, verdict.status) {
            (_, Status::Succeeded) => {
                tracing::info!(trigger, event_id, router, task, executor, job_id, status, "job ended")
            }
            // As it was configured.
            (Some(error), Status::Rejected) if error.starts_with(SKIPPED) => {
                tracing::info!(trigger, event_id, router, task, executor, job_id, status, "job {error}")
            }
            (Some(error), Status::Rejected) => {
                if self.refused_at.is_some_and(|at| at.elapsed() < REFUSAL_EVERY) {
                    self.untold += 1;
                    return;
                }
                self.refused_at = Some(Instant::now());
                let others = std::mem::take(&mut self.untold);
                tracing::error!(
                    trigger,
                    event_id,
                    router,
                    task,
                    executor,
                    job_id,
                    status,
                    others,
                    "job rejected: {error}"
                );
            }
            (Some(error), _) => tracing::warn!(
                trigger,
                event_id,
                router,
                task,
                executor,
                job_id,
                status,
                "job ended: {error}"
            ),
            (None, _) => {
                tracing::warn!(trigger, event_id, router, task, executor, job_id, status, "job ended")
            }
        }
    }

    /// An attempt is over and another one follows. The verdict is masked already.
    pub(super) fn log_retry(&self, job: &Job, verdict: &Verdict, wait: Duration) {
        let (router, task, job_id, attempt) = (&*job.router, &*job.task, &*job.id, job.attempt);
        let (trigger, event_id, status) = (&*job.trigger, &*job.trigger_id, verdict.status.as_str());
        let error = verdict.error.as_deref().unwrap_or_default();
        let seconds = wait.as_secs_f64();
        tracing::warn!(
            trigger,
            event_id,
            router,
            task,
            job_id,
            attempt,
            status,
            "attempt ended, the next one in {seconds:.1} s: {error}"
        );
    }
}
