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

    /// Whether it began there, as far as is known.
    pub(super) fn began(&self) -> bool {
        !matches!(self.status, NodeEnding::Skipped | NodeEnding::NotRun)
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
}

/// The last result of a node over all attempts at a job.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LastResult {
    /// The attempt that it is of, from 1.
    pub(super) attempt: u32,
    pub(super) result: NodeResult,
}

impl LastResult {
    /// The node's name, and its result with how it ended.
    pub(super) fn entry(self) -> (String, Value) {
        let Self { attempt, result: NodeResult { node, status, error, result: mut entry } } = self;
        entry.insert("status".to_owned(), json!(status));
        entry.insert("attempt".to_owned(), json!(attempt));
        if let Some(error) = error {
            entry.insert("error".to_owned(), Value::from(error));
        }
        (node, Value::Object(entry))
    }

    /// What [`LastResult::entry`] made of one; `None` where it is something else.
    pub(super) fn read(node: &str, entry: &Value) -> Option<Self> {
        let mut result = entry.as_object()?.clone();
        let status = NodeEnding::deserialize(result.shift_remove("status")?).ok()?;
        let attempt = u32::try_from(result.shift_remove("attempt")?.as_u64()?).ok()?;
        // Of a success it is what the script gave under that name.
        let error = (status != NodeEnding::Succeeded).then(|| result.shift_remove("error")).flatten();
        let error = error.and_then(|error| error.as_str().map(str::to_owned));
        Some(Self { attempt, result: NodeResult { node: node.to_owned(), status, error, result } })
    }
}

/// The outcome of the whole job, which succeeds when it did on all nodes.
pub(super) fn summary(nodes: Vec<LastResult>) -> RunnerOutcome {
    let results = || nodes.iter().map(|node| &node.result);
    let failed: Vec<&NodeResult> = results().filter(|node| node.failed()).collect();
    let all_skipped = !nodes.is_empty() && results().all(|node| node.status == NodeEnding::Skipped);
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
    let nodes: Map<String, Value> = nodes.into_iter().map(LastResult::entry).collect();
    let result: Map<String, Value> = [("node".to_owned(), Value::Object(nodes))].into_iter().collect();
    match error {
        None => Ok(result),
        Some(error) => Err(RunnerFailure { result, ..RunnerFailure::new(kind, error) }),
    }
}
