//! Log lines about the ends of jobs and the errors of selectors.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::event::activation::Name;
use crate::job::Job;
use crate::job::lifecycle::{Status, Verdict};
use crate::workflow::Route;

/// Refusals and errors of selectors come in floods (a chain that branches, a sender that does not stop); one line a
/// second reports them.
const EVERY: Duration = Duration::from_secs(1);

/// Selectors that are remembered; reloads may bring others.
const SELECTORS: usize = 1000;

/// With what the reason of a job begins that `on_full: skip` rejects.
pub(super) const SKIPPED: &str = "skipped: ";

/// A line that is written once a second at most.
#[derive(Default)]
struct RepeatedReport {
    at: Option<Instant>,
    /// How many were not written since.
    others: u64,
}

impl RepeatedReport {
    /// Whether to write it, with how many others.
    fn next(&mut self) -> Option<u64> {
        if self.at.is_some_and(|at| at.elapsed() < EVERY) {
            self.others += 1;
            return None;
        }
        self.at = Some(Instant::now());
        Some(std::mem::take(&mut self.others))
    }
}

/// Writes the lines.
#[derive(Default)]
pub(super) struct Reporter {
    refused: RepeatedReport,
    /// By selector.
    selector_errors: HashMap<Name, RepeatedReport>,
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
                let Some(others) = self.refused.next() else { return };
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

    /// A selector failed. The error is masked already.
    pub(super) fn log_selector_error(&mut self, event_id: &Name, route: &Route, error: &str) {
        if !self.selector_errors.contains_key(&route.selector) && self.selector_errors.len() >= SELECTORS {
            self.selector_errors.clear();
        }
        let Some(others) = self.selector_errors.entry(route.selector.clone()).or_default().next() else {
            return;
        };
        let others = (others > 0).then_some(others);
        tracing::warn!(
            trigger = &*route.trigger,
            router = &*route.router,
            task = &*route.task,
            selector = &*route.selector,
            event_id = &**event_id,
            others,
            "selector error, treated as no match: {error}"
        );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_a_second_counts_the_others() {
        let mut report = RepeatedReport::default();
        let written: Vec<_> = (0..1000).filter_map(|_| report.next()).collect();
        assert_eq!(written, [0]);
        tokio::time::sleep(EVERY).await;
        assert_eq!((report.next(), report.next()), (Some(999), None));
        tokio::time::sleep(EVERY * 5).await;
        assert_eq!(report.next(), Some(1));
    }
}
