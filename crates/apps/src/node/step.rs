//! One step of a deployment on one node.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_base::output::Output;
use herald_base::stop::Stop;
use herald_deploy::StepName;
use herald_remote::RunnerFailureKind;
use serde_json::{Map, Value};

/// A step that is to be run on a node.
#[derive(Clone)]
pub struct StepCall {
    /// The id of the job there: the same for the same step, so that a restarted daemon joins it.
    pub job_id: String,
    /// The number of the attempt.
    pub attempt: u32,
    /// Which step.
    pub name: StepName,
    /// `deploy`, without what the node adds.
    pub deploy: Map<String, Value>,
    /// How long it may take on the node; none is the `timeout` of the application.
    pub timeout: Option<Duration>,
    /// When to give up.
    pub stop: Stop,
    /// Takes what hooks write.
    pub output: Arc<dyn Output>,
    /// An earlier process sent it: it is joined, never started.
    pub joined: bool,
}

/// Why a step did not succeed.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeStepFailure {
    /// How it ended.
    pub kind: RunnerFailureKind,
    /// One sentence.
    pub error: String,
    /// What the node said all the same.
    pub result: Map<String, Value>,
    /// The node was not reached.
    pub unreachable: bool,
    /// The node does not know the step that was to be joined, and will not run it should it still come.
    pub unknown: bool,
}

/// How a step ended.
pub type NodeStepOutcome = Result<Map<String, Value>, NodeStepFailure>;

/// Runs steps on nodes.
#[async_trait]
pub trait NodeSteps: Send + Sync {
    /// Runs a step on the node of this name, to its end.
    async fn run(&self, node: &str, call: StepCall) -> NodeStepOutcome;

    /// Whether the node answers.
    async fn is_reachable(&self, node: &str) -> bool;
}

impl NodeStepFailure {
    /// Whether the node was not reached at all, so that nothing was begun there.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.unreachable
    }

    /// Whether the new tree is live in spite of the failure; `None` where nobody knows.
    #[must_use]
    pub fn is_switched(&self) -> Option<bool> {
        match self.result.get("switched").and_then(Value::as_bool) {
            Some(known) => Some(known),
            // The step was never begun, or refused before anything was done.
            None if self.kind == RunnerFailureKind::Failed => Some(false),
            None => None,
        }
    }

    /// Whether the old tree is live again in spite of the failure.
    #[must_use]
    pub fn is_reverted(&self) -> bool {
        self.result.get("reverted").and_then(Value::as_bool).unwrap_or(false)
    }
}
