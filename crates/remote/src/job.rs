//! What a runner is asked to execute.

use std::sync::Arc;

use herald_base::output::Output;
use herald_base::stop::Stop;
use herald_wire::job::JobKey;
use serde_json::{Map, Value};

/// One attempt at a job, for one runner.
pub struct RunnerJob {
    /// The job's id and the number of the attempt.
    pub key: JobKey,
    /// The execution parameters, sent as they are.
    pub params: Map<String, Value>,
    /// When to give up.
    pub stop: Stop,
    /// Takes what the job writes while it runs.
    pub output: Arc<dyn Output>,
}

/// One attempt at a job, for several nodes.
pub struct RolloutJob {
    /// What each node is asked to execute; `node` with its own name is added to the parameters.
    pub job: RunnerJob,
    /// Run on this node alone.
    pub only_node: Option<String>,
    /// The result of the attempt before this one: the nodes that it succeeded on do not get the job again, and the
    /// others are those that it was for.
    pub earlier: Option<Arc<Map<String, Value>>>,
    /// Hides secrets in what is stored until the attempt is over.
    pub hide_secrets: Arc<dyn HideSecrets>,
}

/// Hides secrets in what is written to the disk.
pub trait HideSecrets: Send + Sync + 'static {
    /// The text without secrets.
    fn in_text(&self, text: &str) -> String;

    /// The object without secrets.
    fn in_object(&self, object: &Map<String, Value>) -> Map<String, Value>;
}
