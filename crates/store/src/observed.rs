//! A journal whose records are counted and published.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_core::activation::Name;
use herald_core::journal::{Journal, JournalError, Record, Records};
use herald_core::position::{Cursor, Position};
use herald_core::watch::EventProgress;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::changes::Changes;

/// Counts what is recorded.
pub trait RecordCounter: Send + Sync + 'static {
    /// A batch was recorded, and how long that took.
    fn recorded(&self, records: &[Record], took: Duration);

    /// A batch could not be recorded.
    fn not_recorded(&self);
}

/// Another journal, observed.
pub struct Observed {
    journal: Arc<dyn Journal>,
    counter: Arc<dyn RecordCounter>,
    changes: Changes,
}

impl Observed {
    /// Observes this one.
    pub fn new(journal: Arc<dyn Journal>, counter: Arc<dyn RecordCounter>, changes: Changes) -> Self {
        Self { journal, counter, changes }
    }
}

#[async_trait]
impl Journal for Observed {
    async fn append(&self, records: &Records) -> Result<(), JournalError> {
        let began = Instant::now();
        let appended = self.journal.append(records).await;
        match &appended {
            Ok(()) => {
                self.counter.recorded(records, began.elapsed());
                self.changes.publish(records);
            }
            Err(_) => self.counter.not_recorded(),
        }
        appended
    }

    async fn seen(&self, key: &str, now: Timestamp) -> Result<Option<Name>, JournalError> {
        self.journal.seen(key, now).await
    }

    async fn reached(&self, source: &str) -> Result<Option<Position>, JournalError> {
        self.journal.reached(source).await
    }

    async fn reached_below(&self, beginning: &str) -> Result<Vec<Cursor>, JournalError> {
        self.journal.reached_below(beginning).await
    }

    async fn progress(&self, event_id: &str) -> EventProgress {
        self.journal.progress(event_id).await
    }

    fn is_durable(&self) -> bool {
        self.journal.is_durable()
    }
}
