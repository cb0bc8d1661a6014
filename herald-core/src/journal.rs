//! Where the dispatcher records what it is about to do.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::activation::{Activation, Key, Name};
use crate::event::actor::Actor;
use crate::event::position::{Cursor, Position};
use crate::event::watch::EventProgress;
use crate::job::Job;
use crate::job::lifecycle::Verdict;
use crate::value::param::Params;
use crate::value::secret::Mask;

/// What one selector said about one task of one router.
///
/// Histories store it as JSON: the names of the fields are part of that format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Router name.
    pub router: Name,
    /// Task name.
    pub task: Name,
    /// Selector name.
    pub selector: Name,
    /// What it said.
    #[serde(rename = "answer")]
    pub said: SelectorResult,
    /// Why, for a person who wonders, secrets hidden; may be empty.
    pub why: Cow<'static, str>,
    /// The job that came of a yes.
    pub job_id: Option<Name>,
}

/// What a selector answered about an event. Journals store it by its place in this list, histories by its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelectorResult {
    /// The event matches: a job is created.
    #[serde(rename = "yes")]
    Match,
    /// It does not match.
    #[serde(rename = "no")]
    NoMatch,
    /// The selector failed, which counts as no match.
    #[serde(rename = "error")]
    Error,
}

/// One thing that is so from now on. What holds secrets comes with what hides them: a journal stores nothing that
/// the mask would change.
#[derive(Debug, Clone)]
pub enum Record {
    /// An event was taken.
    Accepted {
        /// The event. What its trigger gave may hold secrets.
        activation: Activation,
        /// What hides them.
        mask: Arc<Mask>,
        /// The name that its sender gave it.
        key: Option<Key>,
        /// The source that it comes from, and its position there.
        cursor: Option<Cursor>,
        /// When it was due, where a calendar says so. A journal need not store it.
        due: Option<Timestamp>,
        /// When.
        at: Timestamp,
    },
    /// Every selector that the event concerns has answered.
    Routed {
        /// The event's id.
        event_id: Name,
        /// What they said, in the order in which they answered; without each no that can be asked for again.
        decisions: Vec<Decision>,
        /// Whether a history keeps the event. `false` for one that created no job and is about the end of a job that is
        /// not kept.
        kept: bool,
        /// When.
        at: Timestamp,
    },
    /// A job exists and waits.
    Queued {
        /// The job. Holds secrets: a journal that stores it stores what its configuration wrote, not these.
        job: Arc<Job>,
        /// What hides them.
        mask: Arc<Mask>,
        /// When.
        at: Timestamp,
    },
    /// An attempt is about to start.
    Started {
        /// The job, with the number of the attempt.
        job: Arc<Job>,
        /// When.
        at: Timestamp,
    },
    /// An attempt is over, and another one follows: the job waits again.
    AttemptEnded {
        /// The job, with the number of the attempt that is over.
        job: Arc<Job>,
        /// How it ended, secrets hidden.
        verdict: Verdict,
        /// When the next one may start.
        retry_at: Timestamp,
        /// When.
        at: Timestamp,
    },
    /// A job is over, or was refused before it was queued: its last attempt, if one ever started, ended like this.
    Ended {
        /// The job.
        job: Arc<Job>,
        /// What hides its secrets.
        mask: Arc<Mask>,
        /// How it ended, secrets hidden.
        verdict: Verdict,
        /// Who cancelled it, if somebody did of whom that is known.
        cancelled_by: Option<Arc<Actor>>,
        /// Whether a history keeps the job, and its event when it was the last one of it (`policy.keep`).
        kept: bool,
        /// When.
        at: Timestamp,
    },
    /// A source of events is followed from here on.
    Reached(Cursor),
}

/// Records that are written all or not at all, shared with the code that writes them.
pub type Records = Arc<Vec<Record>>;

/// The journal could not record; nothing of the batch is recorded.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct JournalError(pub String);

/// Takes records.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Records the batch, whole or not at all, in this order. When it returns, the records are as durable as this
    /// journal makes them. An empty batch asks, after a failure, whether more would be recorded.
    ///
    /// A call may be made while earlier ones are under way; all MUST be recorded in the order in which they were first
    /// polled. Once one has failed, those that were first polled before it returned MUST fail as well.
    ///
    /// # Errors
    /// [`JournalError`]: the dispatcher turns new events away, holds back what it was about to do, and tries
    /// again with the same records.
    async fn append(&self, records: &Records) -> Result<(), JournalError>;

    /// The event that was taken with a key of this name and whose window is not over, if there is one.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be known: the event is then rejected.
    async fn seen(&self, key: &str, now: Timestamp) -> Result<Option<Name>, JournalError> {
        let _ = (key, now);
        Ok(None)
    }

    /// Up to which position this source of events was followed.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be known.
    async fn reached(&self, source: &str) -> Result<Option<Position>, JournalError> {
        let _ = source;
        Ok(None)
    }

    /// The sources whose names begin with this, and up to which position each was followed.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be known.
    async fn reached_below(&self, beginning: &str) -> Result<Vec<Cursor>, JournalError> {
        let _ = beginning;
        Ok(Vec::new())
    }

    /// How far an event is that was recorded as accepted.
    async fn progress(&self, event_id: &str) -> EventProgress {
        let _ = event_id;
        EventProgress::Unknown
    }

    /// Whether what was recorded outlives the process: then what waits can wait for the next one.
    fn is_durable(&self) -> bool {
        false
    }
}

/// Unfinished work of the previous run, read from its journal.
#[derive(Default)]
pub struct Recovered {
    /// Events that were taken and of which not all selectors had answered, oldest first.
    pub events: Vec<RecoveredEvent>,
    /// Jobs that had not ended, in the order in which they were made.
    pub jobs: Vec<RecoveredJob>,
    /// The newest id of all events and jobs: new ones come after it.
    pub newest: Option<String>,
}

/// An event that was taken and not wholly routed.
pub struct RecoveredEvent {
    /// The event.
    pub activation: Activation,
    /// The tasks (router, task) that have their job already.
    pub made: HashSet<(Name, Name)>,
}

/// A job as a journal or a history kept it.
#[derive(Debug, Clone)]
pub struct StoredJob {
    /// The job, with the number of its attempt (of the next one, when it waits).
    pub job: Job,
    /// Whether `select_param` and `job_param` hold their secrets.
    pub secrets: StoredSecrets,
    /// Why it cannot run any more, if so: its parameters cannot be read, say.
    pub broken: Option<String>,
}

/// Whether stored parameters hold their secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredSecrets {
    /// They hold them.
    Present,
    /// They are hidden; [`crate::dispatcher::restore`] takes them from the configuration of today.
    Hidden,
}

/// A job that had not ended.
pub struct RecoveredJob {
    /// The job.
    pub stored: StoredJob,
    /// Where it stood.
    pub interrupted: InterruptedState,
    /// When it was made.
    pub queued_at: Timestamp,
    /// When the attempt that runs started.
    pub started_at: Option<Timestamp>,
    /// The latest result of its earlier attempts that was not empty, secrets hidden.
    pub earlier: Option<Params>,
}

/// Where a job stood when its process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterruptedState {
    /// It waited, perhaps until this time.
    Queued {
        /// Not before this time, when it waits for another attempt.
        not_before: Option<Timestamp>,
    },
    /// It ran.
    Running,
}

/// Keeps the latest records in memory, and nothing beyond the life of the process.
#[derive(Debug)]
pub struct MemoryJournal {
    records: Mutex<VecDeque<Record>>,
    keep: usize,
}

impl MemoryJournal {
    /// Keeps this many records; with 0, none: the dispatcher itself holds what still lives.
    #[must_use]
    pub fn keeping(keep: usize) -> Self {
        Self { records: Mutex::default(), keep }
    }

    /// The latest records, oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, records: &Records) -> Result<(), JournalError> {
        if self.keep > 0 {
            let mut kept = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            for record in records.iter() {
                if kept.len() == self.keep {
                    kept.pop_front();
                }
                kept.push_back(record.clone());
            }
        }
        Ok(())
    }
}
