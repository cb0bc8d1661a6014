//! What is configured.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::actor::RecordedActor;

/// A trigger.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Trigger)]
pub struct TriggerResource {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The next times at which it is due, where a calendar says so; at most five.
    pub next: Vec<String>,
    /// The seconds between two of its events, where it fires every so often.
    pub every_seconds: Option<f64>,
    /// Whether the clock was set back by up to 3 h, and times come again that do not fire twice; left out where not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_clock: bool,
    /// The path of the requests that it takes, as in the configuration; null where it takes any, or none.
    #[serde(default)]
    pub path: Option<String>,
}

/// One task of a router.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Task)]
pub struct TaskResource {
    /// Its name.
    pub task: String,
    /// Executor name.
    pub executor: String,
    /// The parameters of its selector, secrets hidden.
    #[schema(value_type = Object)]
    pub select_param: Map<String, Value>,
    /// The parameters of its executor, secrets hidden.
    #[schema(value_type = Object)]
    pub job_param: Map<String, Value>,
}

/// A router.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Router)]
pub struct RouterResource {
    /// Its name.
    pub name: String,
    /// Trigger name.
    pub trigger: String,
    /// Selector name.
    pub selector: String,
    /// Its tasks.
    pub tasks: Vec<TaskResource>,
    /// Its pause: its jobs wait. Null where it is not paused.
    #[serde(default)]
    pub paused: Option<PauseResource>,
}

/// A pause of a router.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Pause)]
pub struct PauseResource {
    /// The router.
    pub router: String,
    /// Since when (RFC 3339).
    pub since: String,
    /// Until when; null until it is resumed.
    pub until: Option<String>,
    /// Who paused it, and why.
    pub by: RecordedActor,
}

/// An executor.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Executor)]
pub struct ExecutorResource {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The nodes that each of its jobs goes to; left out where they are not known beforehand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
}
