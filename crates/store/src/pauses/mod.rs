//! Routers that somebody paused, and nodes that somebody drained. A pause outlives a restart where the journal does.

mod file;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use herald_core::dispatcher::PausedRouters;
use jiff::Timestamp;

use record::MOST;
pub use record::{Pause, PauseError, PausedKind};

use crate::store::JournalStore;

/// The routers that are paused, or the nodes that are drained. The default keeps routers, in memory alone.
#[derive(Default)]
pub struct Pauses {
    kind: PausedKind,
    paused: Mutex<BTreeMap<String, Pause>>,
    store: Option<Arc<JournalStore>>,
    /// Held while a change is recorded and passed on, so that what is passed on last is what was recorded last.
    changing: tokio::sync::Mutex<()>,
}

impl Pauses {
    /// Those of this store; without one they last as long as the process.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn open(kind: PausedKind, store: Option<Arc<JournalStore>>) -> Result<Self, PauseError> {
        let pauses = match &store {
            Some(store) => file::load(store, kind).await?,
            None => Vec::new(),
        };
        let paused = pauses.into_iter().map(|pause| (pause.name.clone(), pause)).collect();
        Ok(Self { kind, paused: Mutex::new(paused), store, changing: tokio::sync::Mutex::default() })
    }

    /// Those that have not ended by now, by name.
    #[must_use]
    pub fn current(&self, now: Timestamp) -> BTreeMap<String, Pause> {
        let mut paused = self.locked();
        paused.retain(|_, pause| pause.until.is_none_or(|until| until > now));
        paused.clone()
    }

    /// Paused routers as the dispatcher takes them.
    #[must_use]
    pub fn routers(&self, now: Timestamp) -> PausedRouters {
        self.current(now).into_values().map(|pause| (pause.name.into(), pause.until)).collect()
    }

    /// Waits until no other change is under way. Hold it until a change is passed on.
    pub async fn change(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Pauses a router or drains a node, in place of an earlier pause.
    ///
    /// # Errors
    /// When that cannot be recorded: it is not paused then.
    pub async fn pause(&self, pause: Pause) -> Result<(), PauseError> {
        if !self.locked().contains_key(&pause.name) && self.locked().len() >= MOST {
            return Err(PauseError::TooMany(self.kind));
        }
        if let Some(store) = &self.store {
            file::save(store, self.kind, pause.clone()).await?;
        }
        self.locked().insert(pause.name.clone(), pause);
        Ok(())
    }

    /// Ends the pause of this name, and gives it.
    ///
    /// # Errors
    /// When that cannot be recorded: it goes on then.
    pub async fn resume(&self, name: &str) -> Result<Option<Pause>, PauseError> {
        if let Some(store) = &self.store {
            file::delete(store, self.kind, name.to_owned()).await?;
        }
        Ok(self.locked().remove(name))
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Pause>> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
