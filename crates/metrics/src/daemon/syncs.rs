//! How often the journal has waited for the disk.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Follows a count that the store keeps.
#[derive(Debug, Default)]
pub struct JournalSyncs {
    shown: Counter,
    count: Mutex<Arc<AtomicU64>>,
}

impl JournalSyncs {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "journal_syncs",
            "How often the journal has waited for the disk",
            self.shown.clone(),
        );
    }

    /// Shows this count from now on.
    pub fn watch(&self, syncs: Arc<AtomicU64>) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) = syncs;
    }

    pub(crate) fn update(&self) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner).load(Ordering::Relaxed);
        self.shown.inner().store(count, Ordering::Relaxed);
    }
}
