//! How far a deployment is: on disk before anything is sent to a node, so that a restarted daemon goes on with it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use herald_remote::RunnerFailureKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::request::DeploymentRequest;
use crate::book::{BookError, RecordedCommit};
use crate::book::{read_json, write_then};
use crate::clipped::{SENTENCE, clipped};
use crate::node::StepName;

/// How far a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NodeStage {
    /// The plan has nothing against it.
    Planned,
    /// The new tree is ready.
    Prepared,
    /// The new tree is live and well.
    Switched,
    /// The switch failed; the new tree may be live.
    SwitchFailed,
    /// Nothing is left to do: the new tree is live.
    Finished,
    /// Nothing is left to do: the old tree is live again.
    Reverted,
    /// Nothing is left to do: the old tree was live all the time.
    Untouched,
    /// It was offline; the deployment goes on without it.
    Skipped,
    /// The old tree could not be put back.
    Broken,
    /// It does not answer.
    Unknown,
}

/// A node of the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeProgress {
    pub(crate) name: String,
    /// What was live before.
    pub(crate) from: Option<String>,
    pub(crate) stage: NodeStage,
    /// The step that was sent last, and not answered.
    pub(crate) sent: Option<StepName>,
    /// How often it was sent again, each time under another name.
    #[serde(default)]
    pub(crate) again: u32,
    /// Why it failed.
    pub(crate) error: Option<String>,
    /// Whether it failed since a step took too long.
    pub(crate) timed_out: bool,
    /// Of the files as they came from the repository; empty with `in_place`.
    pub(crate) digest: Option<String>,
}

/// Why a deployment gives up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GaveUp {
    pub(crate) kind: GaveUpKind,
    pub(crate) error: String,
}

/// How it gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GaveUpKind {
    Failed,
    TimedOut,
    Cancelled,
    Lost,
    Held,
}

impl From<RunnerFailureKind> for GaveUpKind {
    fn from(kind: RunnerFailureKind) -> Self {
        match kind {
            RunnerFailureKind::Failed => Self::Failed,
            RunnerFailureKind::TimedOut => Self::TimedOut,
            RunnerFailureKind::Cancelled => Self::Cancelled,
            RunnerFailureKind::Lost => Self::Lost,
        }
    }
}

/// The hook `once`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnceStage {
    #[default]
    NotRun,
    Sent,
    Done,
}

/// A deployment that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeploymentProgress {
    pub(crate) request: DeploymentRequest,
    pub(crate) started_at: Timestamp,
    /// The exact revision, once it is known.
    pub(crate) revision: Option<String>,
    /// What was recorded as live before.
    pub(crate) from: Option<String>,
    pub(crate) commits: Vec<RecordedCommit>,
    pub(crate) backward: bool,
    /// Whether all nodes were asked for their plans.
    pub(crate) planned: bool,
    pub(crate) nodes: Vec<NodeProgress>,
    pub(crate) once: OnceStage,
    pub(crate) digest: Option<String>,
    /// The nodes that were sent the switch, in that order.
    pub(crate) switches: Vec<String>,
    pub(crate) gave_up: Option<GaveUp>,
}

impl DeploymentProgress {
    pub(crate) fn new(request: DeploymentRequest, started_at: Timestamp) -> Self {
        Self {
            request,
            started_at,
            revision: None,
            from: None,
            commits: Vec::new(),
            backward: false,
            planned: false,
            nodes: Vec::new(),
            once: OnceStage::NotRun,
            digest: None,
            switches: Vec::new(),
            gave_up: None,
        }
    }

    /// The same, which is not even begun.
    pub(crate) fn given_up(mut self, why: String, is_cancelled: bool) -> Self {
        self.planned = true;
        self.give_up(if is_cancelled { GaveUpKind::Cancelled } else { GaveUpKind::Failed }, why);
        self
    }

    pub(crate) fn node(&mut self, name: &str) -> Option<&mut NodeProgress> {
        self.nodes.iter_mut().find(|node| node.name == name)
    }

    /// The names of the nodes of this stage, in their order.
    pub(crate) fn at(&self, stage: NodeStage) -> Vec<String> {
        self.nodes.iter().filter(|node| node.stage == stage).map(|node| node.name.clone()).collect()
    }

    /// The first reason counts.
    pub(crate) fn give_up(&mut self, kind: GaveUpKind, error: String) {
        self.gave_up.get_or_insert(GaveUp { kind, error: clipped(&error, 2 * SENTENCE) });
    }
}

/// DeploymentProgress and the file that has it.
#[derive(Debug)]
pub(crate) struct ProgressFile {
    file: Option<PathBuf>,
    now: Arc<Mutex<Arc<DeploymentProgress>>>,
    changing: Arc<tokio::sync::Mutex<()>>,
}

impl ProgressFile {
    pub(crate) fn new(file: Option<PathBuf>, progress: DeploymentProgress) -> Self {
        Self { file, now: Arc::new(Mutex::new(Arc::new(progress))), changing: Arc::default() }
    }

    /// The progress of an earlier process.
    pub(crate) fn read(file: &Path) -> Result<Option<DeploymentProgress>, BookError> {
        read_json(file)
    }

    pub(crate) fn now(&self) -> Arc<DeploymentProgress> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes it; the change is on disk when this returns.
    pub(crate) async fn change(
        &self,
        change: impl FnOnce(&mut DeploymentProgress) + Send,
    ) -> Result<(), BookError> {
        let one = self.changing.clone().lock_owned().await;
        let mut progress = (*self.now()).clone();
        change(&mut progress);
        let now = self.now.clone();
        let set = move |progress| *now.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        write_then(one, self.file.clone(), Arc::new(progress), set).await
    }

    /// The deployment is over and recorded.
    pub(crate) async fn remove(&self) {
        let Some(file) = self.file.clone() else { return };
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_file(file)).await;
        if let Ok(Err(error)) = removed
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the progress of a deployment that is over cannot be removed");
        }
    }
}
