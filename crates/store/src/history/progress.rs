//! How far an event is, out of a history: for a trigger that waits for the jobs of an event that an earlier process
//! accepted.

use herald_core::watch::{Ended, EventProgress};

use super::job_state::{JobState, JobStatus};
use super::query::{History, HistoryError};

/// How far this event is.
pub(crate) async fn progress_of(history: &dyn History, event_id: &str) -> EventProgress {
    ended(history, event_id).await.unwrap_or_else(|error| EventProgress::Unreadable(error.to_string()))
}

async fn ended(history: &dyn History, event_id: &str) -> Result<EventProgress, HistoryError> {
    let Some(event) = history.event(event_id).await? else { return Ok(EventProgress::Unknown) };
    if event.routed_at.is_none() {
        return Ok(EventProgress::Unfinished);
    }
    let mut all = Vec::new();
    for job_id in event.decisions.iter().filter_map(|decision| decision.job_id.as_ref()) {
        let Some(job) = history.job(job_id).await? else { return Ok(EventProgress::Unknown) };
        let JobState { status, error, .. } = job.summary.state;
        let JobStatus::Ended(status) = status else { return Ok(EventProgress::Unfinished) };
        all.push(Ended {
            job_id: job_id.clone(),
            router: job.summary.router,
            task: job.summary.task,
            status,
            error,
            result: job.result.unwrap_or_default(),
        });
    }
    Ok(EventProgress::Ended(all))
}
