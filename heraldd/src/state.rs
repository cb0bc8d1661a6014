//! The state of a running daemon: on disk, or in memory alone.

use std::path::PathBuf;
use std::sync::Arc;

use herald_core::clock::Clock;
use herald_core::journal::{Journal, MemoryJournal, Recovered};
use herald_core::plan::Plan;

use crate::config::{HistorySettings, Settings};
use crate::journal::{Keep, OpenError, Store};

/// Where everything is recorded.
pub struct State {
    store: Option<Arc<Store>>,
}

impl State {
    /// Takes hold of `state_dir`.
    ///
    /// # Errors
    /// When it cannot be used: another daemon does, say.
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let Some(folder) = settings.state_dir.clone() else {
            tracing::warn!(
                "state_dir is none: events, waiting jobs and the history are kept in memory alone, and are lost when \
                 heraldd ends"
            );
            return Ok(Self { store: None });
        };
        let keep = keep(&settings.history);
        let open = move || Store::open(&folder, keep, clock);
        let opened = tokio::task::spawn_blocking(open).await;
        let store = opened.map_err(|error| OpenError(error.to_string()))??;
        Ok(Self { store: Some(Arc::new(store)) })
    }

    /// What an earlier process left undone; the plan comes back as it went in.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn recover(&self, plan: Plan) -> Result<(Plan, Recovered), OpenError> {
        let Some(store) = self.store.clone() else { return Ok((plan, Recovered::default())) };
        let read = move || {
            let recovered = store.recover(&plan);
            (plan, recovered)
        };
        let read = tokio::task::spawn_blocking(read).await;
        let (plan, recovered) = read.map_err(|error| OpenError(error.to_string()))?;
        Ok((plan, recovered?))
    }

    /// The store, unless everything is kept in memory.
    #[must_use]
    pub fn store(&self) -> Option<Arc<Store>> {
        self.store.clone()
    }

    /// Where to record.
    #[must_use]
    pub fn journal(&self) -> Arc<dyn Journal> {
        match &self.store {
            Some(store) => store.clone(),
            None => Arc::new(MemoryJournal::keeping(0)),
        }
    }

    /// Takes up a changed configuration; another `state_dir` takes a restart.
    pub fn reload(&self, settings: &Settings) {
        let now: Option<PathBuf> = self.store.as_ref().map(|store| store.folder().to_owned());
        if now != settings.state_dir {
            tracing::warn!("a new state_dir takes effect at the next start");
        }
        if let Some(store) = &self.store {
            store.keep(keep(&settings.history));
        }
    }

    /// Writes out what was sent, and closes the file.
    pub async fn close(self) {
        // Joins the thread of the journal.
        let closed = tokio::task::spawn_blocking(move || drop(self)).await;
        if let Err(error) = closed {
            tracing::error!("the journal was not closed in good order: {error}");
        }
    }
}

fn keep(history: &HistorySettings) -> Keep {
    Keep { time: history.keep, jobs: history.max_jobs }
}
