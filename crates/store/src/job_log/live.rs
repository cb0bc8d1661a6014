//! Which logs are open, and waking who follows them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::job_log::address::Address;

/// The logs that are being written in this process.
#[derive(Debug, Clone, Default)]
pub(super) struct LiveLogs {
    open: Arc<Mutex<HashMap<Address, Arc<watch::Sender<()>>>>>,
}

impl LiveLogs {
    /// The log is open until what this gives is dropped.
    pub(super) fn enter(&self, address: Address) -> Live {
        let wake = Arc::new(watch::Sender::new(()));
        self.lock().insert(address, wake.clone());
        Live { logs: self.clone(), address, wake }
    }

    /// Signals new output; nothing for a log that is not open. It ends when the log is closed.
    pub(super) fn watch(&self, address: Address) -> Option<watch::Receiver<()>> {
        self.lock().get(&address).map(|wake| wake.subscribe())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Address, Arc<watch::Sender<()>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open log.
#[derive(Debug)]
pub(super) struct Live {
    logs: LiveLogs,
    address: Address,
    wake: Arc<watch::Sender<()>>,
}

impl Live {
    /// There is more to read.
    pub(super) fn wake(&self) {
        self.wake.send_replace(());
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut open = self.logs.lock();
        // A later writer of the same attempt may have taken its place.
        if open.get(&self.address).is_some_and(|wake| Arc::ptr_eq(wake, &self.wake)) {
            open.remove(&self.address);
        }
    }
}
