//! What is recorded right now, as a stream.

use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use herald_core::activation::Name;
use herald_core::journal::Record;
use jiff::Timestamp;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use crate::history::JobStatus;
use crate::history::job_state::JobStep;

/// Changes that a watcher may be behind; it misses those beyond.
const BEHIND: usize = 1024;

/// Something that was recorded just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedChange {
    /// An event was accepted.
    Event {
        /// The event's id.
        id: Name,
        /// Trigger name.
        trigger: Name,
        /// When.
        at: Timestamp,
    },
    /// A job was created, started, waits for another attempt, or ended.
    Job {
        /// The job's id.
        id: Name,
        /// The event that created it.
        event_id: Name,
        /// Router name.
        router: Name,
        /// Task name.
        task: Name,
        /// Its status from now on.
        status: JobStatus,
        /// The attempt it is at, from 1.
        attempt: u32,
        /// When.
        at: Timestamp,
    },
    /// Something else is different now: somebody did something, or the configuration was reloaded.
    State {
        /// When.
        at: Timestamp,
    },
    /// So many changes were too fast for this reader and are left out.
    Missed {
        /// How many.
        count: u64,
    },
}

/// Publishes changes. Clones share everything.
#[derive(Debug, Clone)]
pub struct Changes(broadcast::Sender<Arc<RecordedChange>>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Changes {
    /// Publishes these records; costs nothing while nobody watches.
    pub fn publish(&self, records: &[Record]) {
        if self.0.receiver_count() > 0 {
            for change in records.iter().filter_map(change) {
                // Only when the last watcher has just gone.
                let _ = self.0.send(Arc::new(change));
            }
        }
    }

    /// Announces that something is different now that is neither an event nor a job.
    pub fn announce(&self, at: Timestamp) {
        // Nobody may watch.
        let _ = self.0.send(Arc::new(RecordedChange::State { at }));
    }

    /// What changes from now on.
    pub fn follow(&self) -> impl Stream<Item = RecordedChange> + Send + use<> {
        BroadcastStream::new(self.0.subscribe()).map(|change| match change {
            Ok(change) => RecordedChange::clone(&change),
            Err(BroadcastStreamRecvError::Lagged(count)) => RecordedChange::Missed { count },
        })
    }

    /// Which jobs of these routers end from now on.
    #[must_use]
    pub fn ends_of(&self, routers: Vec<String>) -> RouterEnds {
        RouterEnds { routers, changes: self.0.subscribe() }
    }

    /// What changes of one job from now on.
    #[must_use]
    pub fn of_job(&self, id: &str) -> JobChanges {
        JobChanges { id: id.to_owned(), changes: self.0.subscribe() }
    }
}

/// The ends of jobs of some routers, without waiting for them.
#[derive(Debug)]
pub struct RouterEnds {
    routers: Vec<String>,
    changes: broadcast::Receiver<Arc<RecordedChange>>,
}

impl RouterEnds {
    /// Whether a job of one of the routers has ended since, or may have.
    pub fn has_ended(&mut self) -> bool {
        loop {
            match self.changes.try_recv() {
                Ok(change) => match &*change {
                    RecordedChange::Job { router, status: JobStatus::Ended(_), .. }
                        if self.routers.iter().any(|one| **one == **router) =>
                    {
                        return true;
                    }
                    _ => {}
                },
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => return true,
            }
        }
    }
}

/// The changes of one job.
#[derive(Debug)]
pub struct JobChanges {
    id: String,
    changes: broadcast::Receiver<Arc<RecordedChange>>,
}

impl JobChanges {
    /// Resolves when the job has changed, or may have.
    pub async fn next(&mut self) {
        loop {
            match self.changes.recv().await {
                Ok(change) => match &*change {
                    RecordedChange::Job { id, .. } if **id == self.id => return,
                    _ => {}
                },
                Err(RecvError::Lagged(_) | RecvError::Closed) => return,
            }
        }
    }
}

fn change(record: &Record) -> Option<RecordedChange> {
    if let Record::Accepted { activation, at, .. } = record {
        let (id, trigger, at) = (activation.event_id.clone(), activation.trigger.clone(), *at);
        return Some(RecordedChange::Event { id, trigger, at });
    }
    let (job, step) = JobStep::of(record)?;
    Some(RecordedChange::Job {
        id: job.id.clone(),
        event_id: job.trigger_id.clone(),
        router: job.router.clone(),
        task: job.task.clone(),
        status: step.status(),
        attempt: step.attempt().unwrap_or(job.attempt),
        at: step_at(record)?,
    })
}

/// When a job changed.
fn step_at(record: &Record) -> Option<Timestamp> {
    match record {
        Record::Queued { at, .. }
        | Record::Started { at, .. }
        | Record::AttemptEnded { at, .. }
        | Record::Ended { at, .. } => Some(*at),
        Record::Accepted { .. } | Record::Routed { .. } | Record::Reached(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{accepted, ended, plan, queued, started};

    #[test]
    fn ends_of_routers_are_seen_and_others_are_not() {
        let plan = plan("s3cret-s3cret");
        let changes = Changes::default();
        let (mut own, mut other) =
            (changes.ends_of(vec!["r".to_owned()]), changes.ends_of(vec!["x".to_owned()]));
        let begun = [accepted(&plan, 1, serde_json::json!({})), queued(&plan, 1, 2), started(&plan, 1, 2, 1)];
        for (records, expected) in [(&begun[..], false), (&[ended(&plan, 1, 2)], true), (&[], false)] {
            changes.publish(records);
            assert_eq!((own.has_ended(), other.has_ended()), (expected, false));
        }
        changes.announce(Timestamp::UNIX_EPOCH);
        assert!(!own.has_ended(), "that is not an end");
        // More than it can be behind: it may be among what was left out.
        (0..BEHIND as u64 + 1).for_each(|n| changes.publish(&[queued(&plan, 1, n)]));
        assert!(own.has_ended() && !own.has_ended());
    }
}
