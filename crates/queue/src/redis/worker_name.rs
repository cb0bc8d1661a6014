//! The name of a worker.

use std::sync::Arc;

/// Who a worker is.
#[derive(Debug, Clone)]
pub(crate) struct WorkerName {
    /// `NODE/TRIGGER`.
    pub(crate) owner: Arc<str>,
    /// Empty with `mode: compete`, `:NODE` with `mode: every`.
    pub(crate) group: String,
}
