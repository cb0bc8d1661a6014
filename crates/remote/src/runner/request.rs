//! One attempt at a job on its way to a runner.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use herald_wire::job::JobKey;

/// One attempt at a job, for one runner.
pub(crate) struct RunnerRequest {
    pub(crate) key: JobKey,
    /// The execution parameters.
    pub(crate) body: String,
    /// An earlier process sent it: it is joined, never started.
    pub(crate) resumed: bool,
    /// The node that it is for, in a rollout.
    pub(crate) node: Option<String>,
    /// What the runner said when it last was busy.
    busy: Mutex<Option<String>>,
    /// No connection: the runner did not receive it.
    unreachable: AtomicBool,
    /// The runner may have received it.
    sent: AtomicBool,
}

impl RunnerRequest {
    pub(crate) fn new(key: JobKey, body: String, resumed: bool) -> Self {
        let (unreachable, sent) = (AtomicBool::new(false), AtomicBool::new(resumed));
        Self { key, body, resumed, node: None, busy: Mutex::default(), unreachable, sent }
    }

    /// For this node of a rollout.
    pub(crate) fn for_node(self, node: &str) -> Self {
        Self { node: Some(node.to_owned()), ..self }
    }

    /// The same, for another attempt to send it.
    pub(crate) fn again(self) -> Self {
        let (unreachable, sent) = (AtomicBool::new(false), AtomicBool::new(self.resumed));
        Self { busy: Mutex::default(), unreachable, sent, ..self }
    }

    pub(crate) fn is_unreachable(&self) -> bool {
        self.unreachable.load(Ordering::Relaxed)
    }

    pub(super) fn set_unreachable(&self, unreachable: bool) {
        self.unreachable.store(unreachable, Ordering::Relaxed);
    }

    /// Whether the runner may have received it.
    pub(super) fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    pub(super) fn set_sent(&self, sent: bool) {
        self.sent.store(sent, Ordering::Relaxed);
    }

    /// Keeps what a busy runner said, and logs it the first time.
    pub(super) fn set_busy(&self, at: &str, why: String) {
        let before = self.busy.lock().unwrap_or_else(PoisonError::into_inner).replace(why.clone());
        if before.is_none() {
            tracing::info!(job_id = %self.key.job_id, runner = %at, why, "the runner is busy; the job waits");
        }
    }

    /// For an error: in parentheses what the runner said, if it was busy.
    pub(super) fn busy_note(&self, at: &str) -> String {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.as_ref().map(|why| format!(" (the runner {at} was busy: {why})")).unwrap_or_default()
    }
}
