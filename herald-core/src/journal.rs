//! Where the dispatcher records what it is about to do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::activation::{Activation, Name};
use crate::job::Job;
use crate::lifecycle::Verdict;

/// One thing that stands from now on.
#[derive(Debug, Clone)]
pub enum Record {
    /// An event was taken.
    Accepted {
        /// The event.
        activation: Activation,
        /// When.
        at: Timestamp,
    },
    /// Every selector that the event concerns has answered.
    Routed {
        /// The event's id.
        event_id: Name,
        /// When.
        at: Timestamp,
    },
    /// A job exists and waits.
    Queued {
        /// The job. Holds secrets: a journal that stores it stores what its configuration wrote, not these.
        job: Arc<Job>,
        /// When.
        at: Timestamp,
    },
    /// An attempt is about to start.
    Started {
        /// The job's id.
        job_id: Name,
        /// From 1.
        attempt: u32,
        /// When.
        at: Timestamp,
    },
    /// A job is over, or was refused before it was queued.
    Ended {
        /// The job.
        job: Arc<Job>,
        /// How it ended, secrets hidden.
        verdict: Verdict,
        /// When.
        at: Timestamp,
    },
}

/// The journal could not record; nothing of the batch stands.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct JournalError(pub String);

/// Takes records.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Records the batch, whole or not at all, in this order. When it returns, the records are as durable as this
    /// journal makes them. Calls come one at a time.
    ///
    /// # Errors
    /// [`JournalError`]: the dispatcher turns new events away, holds back what it was about to do, and tries
    /// again with the same records.
    async fn append(&self, records: &[Record]) -> Result<(), JournalError>;
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
    async fn append(&self, records: &[Record]) -> Result<(), JournalError> {
        if self.keep > 0 {
            let mut kept = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            for record in records {
                if kept.len() == self.keep {
                    kept.pop_front();
                }
                kept.push_back(record.clone());
            }
        }
        Ok(())
    }
}
