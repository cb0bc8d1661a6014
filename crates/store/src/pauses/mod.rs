//! Routers that somebody paused: their jobs wait. A pause outlives a restart where the journal does.

mod file;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use herald_core::dispatcher::PausedRouters;
use jiff::Timestamp;

use record::MOST;
pub use record::{Pause, PauseError};

use crate::store::JournalStore;

/// The routers that are paused. The default keeps them in memory alone.
#[derive(Default)]
pub struct Pauses {
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
    pub async fn open(store: Option<Arc<JournalStore>>) -> Result<Self, PauseError> {
        let pauses = match &store {
            Some(store) => file::load(store).await?,
            None => Vec::new(),
        };
        let paused = pauses.into_iter().map(|pause| (pause.router.clone(), pause)).collect();
        Ok(Self { paused: Mutex::new(paused), store, changing: tokio::sync::Mutex::default() })
    }

    /// Those that have not ended by now, by router.
    #[must_use]
    pub fn current(&self, now: Timestamp) -> BTreeMap<String, Pause> {
        let mut paused = self.locked();
        paused.retain(|_, pause| pause.until.is_none_or(|until| until > now));
        paused.clone()
    }

    /// As the dispatcher takes them.
    #[must_use]
    pub fn routers(&self, now: Timestamp) -> PausedRouters {
        self.current(now).into_values().map(|pause| (pause.router.into(), pause.until)).collect()
    }

    /// Waits until no other change is under way. Hold it until a change is passed on.
    pub async fn change(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Pauses a router, in place of an earlier pause.
    ///
    /// # Errors
    /// When that cannot be recorded: it is not paused then.
    pub async fn pause(&self, pause: Pause) -> Result<(), PauseError> {
        if !self.locked().contains_key(&pause.router) && self.locked().len() >= MOST {
            return Err(PauseError::TooMany);
        }
        if let Some(store) = &self.store {
            file::save(store, pause.clone()).await?;
        }
        self.locked().insert(pause.router.clone(), pause);
        Ok(())
    }

    /// Ends the pause of a router, and gives it.
    ///
    /// # Errors
    /// When that cannot be recorded: it goes on then.
    pub async fn resume(&self, router: &str) -> Result<Option<Pause>, PauseError> {
        if let Some(store) = &self.store {
            file::delete(store, router.to_owned()).await?;
        }
        Ok(self.locked().remove(router))
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Pause>> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
