//! A journal that counts what it records, and tells whoever watches.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::activation::Name;
use herald_core::journal::{Journal, JournalError, Records};
use herald_core::position::Position;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::changes::Changes;
use crate::metrics::Metrics;

/// Another journal, observed.
pub struct Observed {
    journal: Arc<dyn Journal>,
    metrics: Arc<Metrics>,
    changes: Changes,
}

impl Observed {
    /// Observes this one.
    pub fn new(journal: Arc<dyn Journal>, metrics: Arc<Metrics>, changes: Changes) -> Self {
        Self { journal, metrics, changes }
    }
}

#[async_trait]
impl Journal for Observed {
    async fn append(&self, records: &Records) -> Result<(), JournalError> {
        let began = Instant::now();
        let appended = self.journal.append(records).await;
        match &appended {
            Ok(()) => {
                self.metrics.recorded(records, began.elapsed());
                self.changes.tell(records);
            }
            Err(_) => self.metrics.not_recorded(),
        }
        appended
    }

    async fn seen(&self, key: &str, now: Timestamp) -> Result<Option<Name>, JournalError> {
        self.journal.seen(key, now).await
    }

    async fn reached(&self, source: &str) -> Result<Option<Position>, JournalError> {
        self.journal.reached(source).await
    }

    fn is_durable(&self) -> bool {
        self.journal.is_durable()
    }
}
