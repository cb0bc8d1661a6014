//! The state of a running daemon: on disk, or in memory alone.

pub mod folder;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use herald_core::clock::Clock;
use herald_core::journal::{Journal, Recovered};
use herald_remote::DrainedNodes;
use herald_store::audit::{AuditLog, MemoryAudit};
use herald_store::changes::Changes;
use herald_store::damage::Damage;
use herald_store::history::{History, Keep, MemoryHistory};
use herald_store::idempotency::IdempotencyKeys;
use herald_store::job_log::{JobLogs, LOGS};
use herald_store::observed::Observed;
use herald_store::pauses::{PausedKind, Pauses};
use herald_store::sessions::Sessions;
use herald_store::store::{JournalStore, OpenError, StateLock};

use crate::config::{AllSettings, HistorySettings};
use herald_metrics::Metrics;

/// Where everything is recorded, and what watches it.
pub struct DaemonState {
    store: Option<Arc<JournalStore>>,
    /// What is known while there is no store.
    recent: Arc<MemoryHistory>,
    /// What jobs write.
    pub logs: JobLogs,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is recorded right now.
    pub changes: Changes,
    /// The routers that are paused.
    pub pauses: Arc<Pauses>,
    /// The nodes that get no new jobs.
    pub drains: Arc<Pauses>,
}

impl DaemonState {
    /// Opens what is in `state_dir`, whose lock is taken, and shows which nodes are drained.
    ///
    /// # Errors
    /// When it cannot be used: another daemon does, say.
    pub async fn open(
        settings: &AllSettings,
        lock: Option<StateLock>,
        drained: &DrainedNodes,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let Some((folder, lock)) = settings.daemon.state_dir.clone().zip(lock) else {
            tracing::warn!(
                "state_dir is none: events, waiting jobs and the history are kept in memory alone, and are lost when \
                 heraldd ends"
            );
            let state = Self::with(None, JobLogs::new(None, settings.history.log_limit), &*clock);
            return Ok(state);
        };
        let logs = JobLogs::new(Some(folder.join(LOGS)), settings.history.log_limit);
        let keep = keep(&settings.history);
        let at = clock.clone();
        let open = move || JournalStore::open_locked(lock, &folder, keep, at);
        let opened = tokio::task::spawn_blocking(open).await;
        let store = opened.map_err(|error| OpenError(error.to_string()))??;
        remove_logs_of_trimmed_jobs(&store, &logs);
        let mut state = Self::with(Some(Arc::new(store)), logs, &*clock);
        let open = async |kind| {
            let pauses = Pauses::open(kind, state.store.clone()).await;
            pauses.map(Arc::new).map_err(|error| OpenError(error.to_string()))
        };
        (state.pauses, state.drains) = (open(PausedKind::Routers).await?, open(PausedKind::Nodes).await?);
        drained.show(state.drains.current(clock.now()).into_keys());
        state.bound_logs(&settings.history);
        Ok(state)
    }

    fn with(store: Option<Arc<JournalStore>>, logs: JobLogs, clock: &dyn Clock) -> Self {
        let metrics = Arc::new(Metrics::new(clock.now()));
        store.iter().for_each(|store| metrics.syncs.watch(store.syncs()));
        let (recent, changes) = (Arc::default(), Changes::default());
        let (pauses, drains) = (Arc::default(), Arc::default());
        Self { store, recent, logs, metrics, changes, pauses, drains }
    }

    /// Bounds all logs together, those that are there already as well.
    fn bound_logs(&self, history: &HistorySettings) {
        self.logs.set_total_limit(history.logs);
        self.metrics.watch_damage(self.damage());
        let metrics = self.metrics.clone();
        self.logs.keep_logs_of(Arc::new(move |job| metrics.is_open(job)));
        let logs = self.logs.clone();
        tokio::spawn(async move {
            if let Err(error) = logs.count().await {
                tracing::warn!("the logs of jobs could not be counted: {error}");
            }
        });
    }

    /// What an earlier process left undone.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn recover(&self) -> Result<Recovered, OpenError> {
        let Some(store) = self.store.clone() else { return Ok(Recovered::default()) };
        let read = tokio::task::spawn_blocking(move || store.recover()).await;
        let recovered = read.map_err(|error| OpenError(error.to_string()))??;
        self.metrics.recovered(&recovered.jobs);
        Ok(recovered)
    }

    /// Begins to look for damage in what earlier processes recorded; to be called when the start is over.
    pub fn look_for_damage(&self) {
        if let Some(Err(error)) = self.store.as_ref().map(|store| store.check_in_background()) {
            tracing::warn!("the history is not checked for damage: {error}");
        }
    }

    /// Answers questions about what was recorded.
    #[must_use]
    pub fn history(&self) -> Arc<dyn History> {
        match &self.store {
            Some(store) => store.clone(),
            None => self.recent.clone(),
        }
    }

    /// Records who does what. Without a store, each call gives another one.
    #[must_use]
    pub fn audit(&self) -> Arc<dyn AuditLog> {
        match &self.store {
            Some(store) => store.clone(),
            None => Arc::new(MemoryAudit::default()),
        }
    }

    /// Who is logged in to the page. Without a store, each call gives others.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.store.clone())
    }

    /// Requests that are carried out once. Without a store, each call gives others.
    #[must_use]
    pub fn idempotency(&self) -> IdempotencyKeys {
        IdempotencyKeys::new(self.store.clone())
    }

    /// What of it is damaged.
    #[must_use]
    pub fn damage(&self) -> Damage {
        self.store.as_ref().map(|store| store.damage()).unwrap_or_default()
    }

    /// The `state_dir`, unless everything is kept in memory.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.store.as_ref().map(|store| store.folder())
    }

    /// Where to record.
    #[must_use]
    pub fn journal(&self) -> Arc<dyn Journal> {
        let journal: Arc<dyn Journal> = match &self.store {
            Some(store) => store.clone(),
            None => self.recent.clone(),
        };
        Arc::new(Observed::new(journal, self.metrics.clone(), self.changes.clone()))
    }

    /// Applies a changed configuration. Gives the setting whose change needs a restart.
    pub fn reload(&self, settings: &AllSettings) -> Option<&'static str> {
        let now: Option<PathBuf> = self.store.as_ref().map(|store| store.folder().to_owned());
        if let Some(store) = &self.store {
            store.keep(keep(&settings.history));
        }
        self.logs.set_limit(settings.history.log_limit);
        self.logs.set_total_limit(settings.history.logs);
        (now != settings.daemon.state_dir).then_some("state_dir")
    }

    /// Writes out what was sent, and closes the file.
    pub async fn close(self) {
        // Joins the thread of the journal.
        let closed = tokio::task::spawn_blocking(move || drop(self)).await;
        if let Err(error) = closed {
            tracing::error!("the journal was not closed cleanly: {error}");
        }
    }
}

fn keep(history: &HistorySettings) -> Keep {
    Keep { time: history.keep, jobs: history.max_jobs }
}

/// A job's logs go when the job does.
fn remove_logs_of_trimmed_jobs(store: &JournalStore, logs: &JobLogs) {
    let logs = logs.clone();
    store.on_trim(Arc::new(move |jobs| {
        if let Err(error) = logs.remove(jobs) {
            tracing::warn!("the logs of jobs that are no longer kept could not be removed: {error}");
        }
    }));
}
