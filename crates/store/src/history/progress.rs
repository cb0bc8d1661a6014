//! How far an event is, out of a history: for a trigger that waits for the jobs of an event that an earlier process
//! accepted.

use std::time::Duration;

use herald_core::activation::Name;
use herald_core::watch::{Ended, EventProgress, Watch};

use super::job_state::{JobState, JobStatus};
use super::query::{History, HistoryError};

/// How often a job is asked for that is not there yet.
const AGAIN: Duration = Duration::from_millis(50);

/// How far this event is.
pub(crate) async fn progress_of(history: &dyn History, event_id: &str) -> EventProgress {
    ended(history, event_id).await.unwrap_or_else(|error| EventProgress::Unreadable(error.to_string()))
}

/// The first job of this event, as soon as there is one; waits for it for so long. An event with a key that was known
/// already is an earlier one, whose jobs `watch` does not see.
pub async fn first_job(
    history: &dyn History,
    watch: &Watch,
    event_id: &str,
    longest: Duration,
) -> Option<Name> {
    let made = async {
        watch.matched().await;
        watch.first_job()
    };
    let recorded = async {
        loop {
            // An error ends with what is read again.
            if let Ok(Some(event)) = history.event(event_id).await
                && let Some(job_id) = event.decisions.iter().find_map(|decision| decision.job_id.clone())
            {
                return job_id;
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        biased;
        job_id = made => job_id,
        job_id = tokio::time::timeout(longest, recorded) => job_id.ok(),
    }
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

#[cfg(test)]
mod tests {
    use herald_core::journal::{Journal, Record};
    use serde_json::json;

    use super::*;
    use crate::history::MemoryHistory;
    use crate::store::tests::{accepted, append, ended, id, open_for_ever, plan, queued, routed, started};

    fn shown(progress: &EventProgress) -> String {
        match progress {
            EventProgress::Ended(all) => {
                let one =
                    |ended: &Ended| format!("{}/{} {}", ended.router, ended.task, ended.status.as_str());
                all.iter().map(one).collect::<Vec<_>>().join(", ")
            }
            other => format!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn an_event_is_followed_to_its_end_by_the_next_process_too() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan("s3cret-s3cret");
        let memory = MemoryHistory::default();
        let last = ended(&plan, 1, 10);
        let steps: [(Record, &str); 5] = [
            (accepted(&plan, 1, json!({})), "Unfinished"),
            (queued(&plan, 1, 10), "Unfinished"),
            (routed(1, Some(id(10))), "Unfinished"),
            (started(&plan, 1, 10, 1), "Unfinished"),
            (last, "r/k succeeded"),
        ];
        let store = open_for_ever(folder.path());
        assert_eq!(shown(&store.progress(&id(1)).await), "Unknown");
        for (record, expected) in steps {
            append(&store, std::slice::from_ref(&record)).await.unwrap();
            memory.append(&vec![record].into()).await.unwrap();
            assert_eq!(shown(&store.progress(&id(1)).await), expected);
            assert_eq!(shown(&memory.progress(&id(1)).await), expected);
        }
        drop(store);
        assert_eq!(shown(&open_for_ever(folder.path()).progress(&id(1)).await), "r/k succeeded");
        let folder = tempfile::tempdir().unwrap();
        let none = open_for_ever(folder.path());
        append(&none, &[accepted(&plan, 2, json!({})), routed(2, None)]).await.unwrap();
        assert_eq!(shown(&none.progress(&id(2)).await), "");
    }
}
