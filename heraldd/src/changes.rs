//! What is recorded right now, for whoever watches.

use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use herald_core::job::Job;
use herald_core::journal::Record;
use jiff::Timestamp;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use crate::api::model::Change;

/// Changes that a watcher may be behind; it misses those beyond.
const BEHIND: usize = 1024;

/// Tells of changes. Clones share everything.
#[derive(Debug, Clone)]
pub struct Changes(broadcast::Sender<Arc<Change>>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Changes {
    /// Tells of these records; costs nothing while nobody watches.
    pub fn tell(&self, records: &[Record]) {
        if self.0.receiver_count() > 0 {
            for change in records.iter().filter_map(change) {
                // Only when the last watcher has just gone.
                let _ = self.0.send(Arc::new(change));
            }
        }
    }

    /// What changes from now on.
    pub fn follow(&self) -> impl Stream<Item = Change> + Send + use<> {
        BroadcastStream::new(self.0.subscribe()).map(|change| match change {
            Ok(change) => Change::clone(&change),
            Err(BroadcastStreamRecvError::Lagged(count)) => Change::Missed { count },
        })
    }

    /// What changes of one job from now on.
    #[must_use]
    pub fn of_job(&self, id: &str) -> JobChanges {
        JobChanges { id: id.to_owned(), changes: self.0.subscribe() }
    }
}

/// The changes of one job.
#[derive(Debug)]
pub struct JobChanges {
    id: String,
    changes: broadcast::Receiver<Arc<Change>>,
}

impl JobChanges {
    /// Resolves when the job has changed, or may have.
    pub async fn next(&mut self) {
        loop {
            match self.changes.recv().await {
                Ok(change) => match &*change {
                    Change::Job { id, .. } if *id == self.id => return,
                    _ => {}
                },
                Err(RecvError::Lagged(_) | RecvError::Closed) => return,
            }
        }
    }
}

fn change(record: &Record) -> Option<Change> {
    match record {
        Record::Accepted { activation, at, .. } => Some(Change::Event {
            id: activation.event_id.to_string(),
            trigger: activation.trigger.to_string(),
            at: at.to_string(),
        }),
        Record::Queued { job, at, .. } => Some(of(job, "queued", job.attempt, *at)),
        Record::Started { job, at } => Some(of(job, "running", job.attempt, *at)),
        Record::AttemptEnded { job, at, .. } => Some(of(job, "queued", job.attempt.saturating_add(1), *at)),
        Record::Ended { job, verdict, at, .. } => Some(of(job, verdict.status.as_str(), job.attempt, *at)),
        Record::Routed { .. } | Record::Reached(_) => None,
    }
}

fn of(job: &Job, status: &str, attempt: u32, at: Timestamp) -> Change {
    Change::Job {
        id: job.id.to_string(),
        event_id: job.trigger_id.to_string(),
        router: job.router.to_string(),
        task: job.task.to_string(),
        status: status.to_owned(),
        attempt,
        at: at.to_string(),
    }
}
