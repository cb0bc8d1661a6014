//! How a job ended on one node of several, and altogether.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::job::HideSecrets;
use crate::outcome::{RunnerFailure, RunnerFailureKind, RunnerOutcome};

/// How it ended on one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NodeEnding {
    Succeeded,
    Failed,
    TimedOut,
    Cancelled,
    Lost,
    Skipped,
    NotRun,
}

/// How the job ended on one node, and what it returned there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NodeResult {
    pub(crate) node: String,
    pub(crate) status: NodeEnding,
    pub(crate) error: Option<String>,
    pub(crate) result: Map<String, Value>,
}

impl NodeResult {
    pub(crate) fn of(node: &str, outcome: RunnerOutcome) -> Self {
        let node = node.to_owned();
        match outcome {
            Ok(result) => Self { node, status: NodeEnding::Succeeded, error: None, result },
            Err(failure) => {
                let status = match failure.kind {
                    RunnerFailureKind::Failed => NodeEnding::Failed,
                    RunnerFailureKind::TimedOut => NodeEnding::TimedOut,
                    RunnerFailureKind::Cancelled => NodeEnding::Cancelled,
                    RunnerFailureKind::Lost => NodeEnding::Lost,
                };
                Self { node, status, error: Some(failure.error), result: failure.result }
            }
        }
    }

    /// The same without secrets, as it is stored.
    pub(super) fn hidden(&self, hide_secrets: &dyn HideSecrets) -> Self {
        Self {
            error: self.error.as_ref().map(|error| hide_secrets.in_text(error)),
            result: hide_secrets.in_object(&self.result),
            node: self.node.clone(),
            status: self.status,
        }
    }

    pub(super) fn skipped(node: &str, outcome: RunnerOutcome) -> Self {
        Self { status: NodeEnding::Skipped, ..Self::of(node, outcome) }
    }

    pub(super) fn not_run(node: &str, why: &str) -> Self {
        let (node, error) = (node.to_owned(), Some(why.to_owned()));
        Self { node, status: NodeEnding::NotRun, error, result: Map::new() }
    }

    pub(super) fn succeeded(&self) -> bool {
        self.status == NodeEnding::Succeeded
    }

    /// Whether the job did not succeed there, though it should have.
    pub(super) fn failed(&self) -> bool {
        !matches!(self.status, NodeEnding::Succeeded | NodeEnding::Skipped)
    }

    /// Whether it is not known how it ended there.
    pub(super) fn is_lost(&self) -> bool {
        self.status == NodeEnding::Lost
    }

    /// Whether it ran there to its end.
    pub(super) fn ran(&self) -> bool {
        matches!(self.status, NodeEnding::Succeeded | NodeEnding::Failed | NodeEnding::TimedOut)
    }

    /// The node's name, and its result with how it ended.
    fn entry(self) -> (String, Value) {
        let mut entry = self.result;
        entry.insert("status".to_owned(), json!(self.status));
        if let Some(error) = self.error {
            entry.insert("error".to_owned(), Value::from(error));
        }
        (self.node, Value::Object(entry))
    }
}

/// The outcome of the whole job, which succeeds when it did on all nodes.
pub(super) fn summary(nodes: Vec<NodeResult>) -> RunnerOutcome {
    let failed: Vec<&NodeResult> = nodes.iter().filter(|node| node.failed()).collect();
    let all_skipped = !nodes.is_empty() && nodes.iter().all(|node| node.status == NodeEnding::Skipped);
    let any = |status: NodeEnding| failed.iter().any(|node| node.status == status);
    let kind = match () {
        () if any(NodeEnding::Failed) => RunnerFailureKind::Failed,
        () if any(NodeEnding::TimedOut) => RunnerFailureKind::TimedOut,
        () if any(NodeEnding::Cancelled) => RunnerFailureKind::Cancelled,
        () if any(NodeEnding::Lost) => RunnerFailureKind::Lost,
        () => RunnerFailureKind::Failed,
    };
    let error = if all_skipped {
        Some("all nodes are offline".to_owned())
    } else if failed.is_empty() {
        None
    } else {
        let why =
            |node: &&NodeResult| format!("{} ({})", node.node, node.error.as_deref().unwrap_or_default());
        let reasons: Vec<String> = failed.iter().map(why).collect();
        Some(format!("failed on {} of {} nodes: {}", failed.len(), nodes.len(), reasons.join("; ")))
    };
    let nodes: Map<String, Value> = nodes.into_iter().map(NodeResult::entry).collect();
    let result: Map<String, Value> = [("node".to_owned(), Value::Object(nodes))].into_iter().collect();
    match error {
        None => Ok(result),
        Some(error) => Err(RunnerFailure { result, ..RunnerFailure::new(kind, error) }),
    }
}
