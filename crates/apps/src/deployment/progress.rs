//! How far a deployment is: on disk before anything is sent to a node, so that a restarted daemon goes on with it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use herald_remote::RunnerFailureKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::request::DeploymentRequest;
use crate::book::{BookError, RecordedCommit, StepTimes};
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
    /// When the step was sent that is not answered.
    #[serde(default)]
    pub(crate) sent_at: Option<Timestamp>,
    /// How long each step took that was answered, in milliseconds.
    #[serde(default)]
    pub(crate) steps_ms: StepTimes,
}

impl NodeProgress {
    /// One that was asked for its plan, which took so many milliseconds where it answered.
    pub(crate) fn planned(name: String, stage: NodeStage, took: Option<u64>) -> Self {
        let plan = took.map(|took| (StepName::Plan.as_str().to_owned(), took));
        Self {
            name,
            from: None,
            stage,
            sent: None,
            again: 0,
            error: None,
            timed_out: false,
            digest: None,
            sent_at: None,
            steps_ms: plan.into_iter().collect(),
        }
    }

    /// The node was answered for the step that was sent last; it took as long as the clock says.
    pub(crate) fn answered(&mut self, now: Timestamp) {
        if let (Some(step), Some(at)) = (self.sent.take(), self.sent_at.take()) {
            self.steps_ms.insert(step.as_str().to_owned(), milliseconds(at, now));
        }
    }

    /// The same, and it is so far now.
    pub(crate) fn ended(&mut self, stage: NodeStage, now: Timestamp) {
        self.answered(now);
        self.stage = stage;
    }

    /// Of the switch, a part is health check and verification, as the node says.
    pub(crate) fn note_parts(&mut self, result: &serde_json::Map<String, serde_json::Value>) {
        for (part, key) in [("health", "health_ms"), ("verify", "verify_ms")] {
            let Some(took) = result.get(key).and_then(serde_json::Value::as_u64) else { continue };
            if let Some(whole) = self.steps_ms.get_mut(StepName::Switch.as_str()) {
                let took = took.min(*whole);
                *whole -= took;
                self.steps_ms.insert(part.to_owned(), took);
            }
        }
    }
}

/// Between two times; nothing where the clock was set back.
pub(crate) fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(sent: Option<StepName>, sent_at: Option<&str>) -> NodeProgress {
        let node = json!({"name": "web1", "from": null, "stage": "planned", "sent": sent, "error": null,
            "timed_out": false, "digest": null, "sent_at": sent_at});
        serde_json::from_value(node).unwrap()
    }

    #[test]
    fn a_step_takes_from_when_it_was_sent_to_its_answer_also_over_a_restart() {
        let (noon, later) = ("2026-12-02T12:00:00Z", "2026-12-02T12:00:02.5Z".parse().unwrap());
        for (sent, sent_at, expected) in [
            (Some(StepName::Prepare), Some(noon), json!({"prepare": 2500})),
            // The clock was set back.
            (Some(StepName::Switch), Some("2026-12-02T13:00:00Z"), json!({"switch": 0})),
            // Sent by a version that did not note when.
            (Some(StepName::Switch), None, json!({})),
            (None, None, json!({})),
        ] {
            let mut node = node(sent, sent_at);
            node.ended(NodeStage::Prepared, later);
            assert_eq!(json!(node.steps_ms), expected, "{sent:?} {sent_at:?}");
            assert_eq!((node.sent, node.sent_at, node.stage), (None, None, NodeStage::Prepared));
        }
    }

    #[test]
    fn health_and_verification_are_parts_of_the_switch() {
        for (said, expected) in [
            (
                json!({"health_ms": 1000, "verify_ms": 500}),
                json!({"switch": 1000, "health": 1000, "verify": 500}),
            ),
            (json!({"verify_ms": 500}), json!({"switch": 2000, "verify": 500})),
            // Another clock than ours says so.
            (json!({"health_ms": 9000, "verify_ms": 1}), json!({"switch": 0, "health": 2500, "verify": 0})),
            (json!({"verify_ms": "long"}), json!({"switch": 2500})),
            (json!({}), json!({"switch": 2500})),
        ] {
            let mut node = node(Some(StepName::Switch), Some("2026-12-02T12:00:00Z"));
            node.ended(NodeStage::Switched, "2026-12-02T12:00:02.5Z".parse().unwrap());
            node.note_parts(said.as_object().unwrap());
            assert_eq!(json!(node.steps_ms), expected, "{said}");
        }
    }
}
