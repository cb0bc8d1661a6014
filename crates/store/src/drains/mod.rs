//! Nodes that somebody drained: they get no new jobs. A drain outlives a restart where the journal does.

mod file;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use record::MOST;
pub use record::{Drain, DrainError};

use crate::store::JournalStore;

/// The nodes that are drained. The default keeps them in memory alone.
#[derive(Default)]
pub struct Drains {
    drained: Mutex<BTreeMap<String, Drain>>,
    store: Option<Arc<JournalStore>>,
    /// Held while a change is recorded and passed on, so that what is passed on last is what was recorded last.
    changing: tokio::sync::Mutex<()>,
}

impl Drains {
    /// Those of this store; without one they last as long as the process.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn open(store: Option<Arc<JournalStore>>) -> Result<Self, DrainError> {
        let drains = match &store {
            Some(store) => file::load(store).await?,
            None => Vec::new(),
        };
        let drained = drains.into_iter().map(|drain| (drain.node.clone(), drain)).collect();
        Ok(Self { drained: Mutex::new(drained), store, changing: tokio::sync::Mutex::default() })
    }

    /// All of them, by node.
    #[must_use]
    pub fn current(&self) -> BTreeMap<String, Drain> {
        self.locked().clone()
    }

    /// Waits until no other change is under way. Hold it until a change is passed on.
    pub async fn change(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Drains a node, in place of an earlier drain.
    ///
    /// # Errors
    /// When that cannot be recorded: it is not drained then.
    pub async fn drain(&self, drain: Drain) -> Result<(), DrainError> {
        if !self.locked().contains_key(&drain.node) && self.locked().len() >= MOST {
            return Err(DrainError::TooMany);
        }
        if let Some(store) = &self.store {
            file::save(store, drain.clone()).await?;
        }
        self.locked().insert(drain.node.clone(), drain);
        Ok(())
    }

    /// Ends the drain of a node, and gives it.
    ///
    /// # Errors
    /// When that cannot be recorded: it stays drained then.
    pub async fn resume(&self, node: &str) -> Result<Option<Drain>, DrainError> {
        if let Some(store) = &self.store {
            file::delete(store, node.to_owned()).await?;
        }
        Ok(self.locked().remove(node))
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Drain>> {
        self.drained.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
