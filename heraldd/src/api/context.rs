//! What the API speaks of.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use herald_access::Authenticator;
use herald_core::activation::Name;
use herald_core::clock::Clock;
use herald_core::dispatcher::{DispatcherStatus, Handle};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::reload::ReloadRequest;
use super::view::View;
use crate::page::state::PageState;
use herald_control::model::FailedReload;
use herald_metrics::Metrics;
use herald_remote::NodeRegistry;
use herald_store::audit::AuditLog;
use herald_store::changes::Changes;
use herald_store::damage::Damage;
use herald_store::history::History;
use herald_store::idempotency::IdempotencyKeys;
use herald_store::job_log::JobLogs;
use herald_store::pauses::Pauses;

/// How long the dispatcher may take to report its state.
const LONGEST_WORD: Duration = Duration::from_secs(2);

/// What the API speaks of.
pub struct Api {
    /// What was recorded.
    pub history: Arc<dyn History>,
    /// What jobs wrote.
    pub logs: JobLogs,
    /// What of the state is damaged.
    pub damage: Damage,
    /// Who did what.
    pub audit: Arc<dyn AuditLog>,
    /// The routers that are paused.
    pub pauses: Arc<Pauses>,
    /// The nodes that are drained.
    pub drains: Arc<Pauses>,
    /// Requests that are carried out once.
    pub idempotency: Arc<IdempotencyKeys>,
    /// Acts that go on when their clients leave; stopping waits for them for a while.
    pub acts: TaskTracker,
    /// Who may come in.
    pub authenticator: Authenticator,
    /// Who is logged in to the page, and where it is.
    pub page: PageState,
    /// The way to the dispatcher.
    pub handle: Handle,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How every node of the fleet is.
    pub nodes: Arc<NodeRegistry>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is recorded right now.
    pub changes: Changes,
    /// The last reload, where it failed.
    pub failed_reload: RwLock<Option<FailedReload>>,
    /// The way to the daemon, which reloads.
    pub reload: mpsc::Sender<ReloadRequest>,
    /// The configuration file, for people.
    pub config: String,
    /// Where the state is; `None` keeps everything in memory.
    pub state_dir: Option<PathBuf>,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// Ends answers that would go on for ever.
    pub closing: CancellationToken,
    /// Why no event is taken yet, or any more; `None` while the daemon is up.
    pub closed: RwLock<Option<&'static str>>,
    /// What is configured; a reload changes it.
    pub view: RwLock<Arc<View>>,
}

impl Api {
    /// What is configured now.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows another configuration from now on.
    pub fn show(&self, view: View) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }

    /// Says from now on why no event is taken; `None` when they are.
    pub fn close_for(&self, why: Option<&'static str>) {
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Why no event is taken, as far as the daemon itself is concerned.
    pub(crate) fn closed_for(&self) -> Option<&'static str> {
        *self.closed.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests each trigger has rejected.
    pub(crate) fn rejections(&self) -> BTreeMap<Name, u64> {
        self.handle.rejections()
    }

    /// The state of the dispatcher; `None` when it does not answer in time.
    pub(crate) async fn status(&self) -> Option<DispatcherStatus> {
        tokio::time::timeout(LONGEST_WORD, self.handle.status()).await.ok().flatten()
    }
}
