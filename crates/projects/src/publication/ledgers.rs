//! The ledgers of an executor: opened with the first job, one job at a time for each project.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use herald_publish::{FileClaims, LedgerFolder, ProjectLedger, PublishError};
use tokio::sync::{Mutex, OnceCell, OwnedMutexGuard};

/// The ledgers.
pub(crate) struct PublicationLedgers {
    path: PathBuf,
    opened: OnceCell<OpenedLedgers>,
    locks: RwLock<HashMap<String, Arc<Mutex<()>>>>,
}

/// Once they are open.
#[derive(Clone)]
pub(crate) struct OpenedLedgers {
    pub(crate) folder: LedgerFolder,
    pub(crate) claims: FileClaims,
}

impl PublicationLedgers {
    /// Whether anything was published yet.
    pub(crate) async fn exist(&self) -> bool {
        tokio::fs::try_exists(&self.path).await.unwrap_or_default()
    }

    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, opened: OnceCell::new(), locks: RwLock::default() }
    }

    pub(crate) async fn open(&self) -> Result<OpenedLedgers, PublishError> {
        let path = self.path.clone();
        let opened = self.opened.get_or_try_init(|| {
            blocking(move || {
                let folder = LedgerFolder::open(&path)?;
                let claims = FileClaims::of(&folder)?;
                Ok(OpenedLedgers { folder, claims })
            })
        });
        opened.await.cloned()
    }

    /// Waits until no other job publishes this project.
    pub(crate) async fn lock(&self, id: &str) -> OwnedMutexGuard<()> {
        self.lock_of(id).lock_owned().await
    }

    /// The same where nobody has it.
    pub(crate) fn try_lock(&self, id: &str) -> Option<OwnedMutexGuard<()>> {
        self.lock_of(id).try_lock_owned().ok()
    }

    fn lock_of(&self, id: &str) -> Arc<Mutex<()>> {
        let known = self.locks.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        known.unwrap_or_else(|| {
            let mut locks = self.locks.write().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody waits for are made again when they are needed.
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            locks.entry(id.to_owned()).or_default().clone()
        })
    }

    /// What `take` makes of every project that was published, or was tried to be.
    pub(crate) async fn each<T: Send + 'static>(
        &self,
        take: impl FnMut(ProjectLedger) -> Option<T> + Send + 'static,
    ) -> Result<Vec<T>, PublishError> {
        let opened = self.open().await?;
        blocking(move || opened.folder.each(take).map(|(taken, _)| taken)).await
    }
}

/// Runs this on a thread that may wait for a disk.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PublishError> + Send + 'static,
) -> Result<T, PublishError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(PublishError::NotKept(format!("the publication was interrupted: {error}")))
    })
}
