//! Whether an etcd can be used, as its users found it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::EtcdError;

/// Whether an etcd can be used, as the latest requests found it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectionStatus {
    /// Whether the latest request that says something about it was answered.
    pub connected: bool,
    /// The URL of the member that answered last.
    pub endpoint: Option<String>,
    /// Why etcd cannot be used; `None` before the first request, too.
    pub problem: Option<String>,
}

/// Keeps the status, and logs when it changes.
pub(crate) struct Connection {
    name: String,
    status: Mutex<ConnectionStatus>,
}

impl Connection {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), status: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn status(&self) -> ConnectionStatus {
        self.lock().clone()
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
