//! Whether an etcd can be used, as its users found it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::EtcdError;
use crate::key::shown_key;

/// Whether an etcd can be used, as the latest requests found it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectionStatus {
    /// Whether the latest request that says something about it was answered.
    pub connected: bool,
    /// The URL of the member that answered last.
    pub endpoint: Option<String>,
    /// Why etcd, or a range that is followed, cannot be used; `None` before the first request, too.
    pub problem: Option<String>,
}

/// Keeps the status, and logs when it changes.
pub(crate) struct Connection {
    name: String,
    status: Mutex<ConnectionStatus>,
    /// Why ranges that are followed cannot be, though etcd answers: no permission, say. By their start.
    refused: Mutex<BTreeMap<Vec<u8>, String>>,
}

impl Connection {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), status: Mutex::default(), refused: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of the connection; and where that is fine, what is wrong with a range.
    pub(crate) fn status(&self) -> ConnectionStatus {
        let mut status = self.lock().clone();
        if status.problem.is_none() {
            status.problem = self.refused().values().next().cloned();
        }
        status
    }

    /// A range that is followed cannot be, for a reason that is not the connection's. It is logged once.
    pub(crate) fn range_refused(&self, start: &[u8], error: &EtcdError) {
        let why = error.to_string();
        if self.refused().insert(start.to_owned(), why.clone()).as_ref() == Some(&why) {
            tracing::debug!(etcd = self.name, "etcd: {why}");
        } else {
            tracing::warn!(
                etcd = self.name,
                "etcd: the keys below {} cannot be read: {why}",
                shown_key(start)
            );
        }
    }

    /// It can be followed, or nobody follows it any more.
    pub(crate) fn range_works(&self, start: &[u8]) {
        self.refused().remove(start);
    }

    /// A member answered.
    pub(crate) fn answered(&self, endpoint: &str) {
        let mut status = self.lock();
        if status.connected && status.endpoint.as_deref() == Some(endpoint) {
            return;
        }
        let again = status.problem.take().is_some();
        let moved = status.endpoint.as_deref().is_some_and(|before| before != endpoint);
        status.connected = true;
        status.endpoint = Some(endpoint.to_owned());
        drop(status);
        if again || moved {
            tracing::info!(etcd = self.name, endpoint, "etcd: connected again");
        } else {
            tracing::debug!(etcd = self.name, endpoint, "etcd: connected");
        }
    }

    /// No member could be used.
    pub(crate) fn failed(&self, error: &EtcdError) {
        if !error.is_of_connection() {
            return;
        }
        let why = error.to_string();
        let mut status = self.lock();
        status.connected = false;
        // The same reason of several endpoints in turn is logged once.
        let known = status.problem.is_some();
        status.problem = Some(why.clone());
        drop(status);
        if known {
            tracing::debug!(etcd = self.name, "etcd: {why}");
        } else {
            tracing::warn!(etcd = self.name, "etcd cannot be used, trying again: {why}");
        }
    }
}
