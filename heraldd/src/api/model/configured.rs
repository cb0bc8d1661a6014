//! What is configured.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A trigger.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The next times at which it is due, where a calendar says so; at most five.
    pub next: Vec<String>,
    /// The seconds between two of its events, where it fires every so often.
    pub every_seconds: Option<f64>,
}

/// One task of a router.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// Its name.
    pub task: String,
    /// Executor name.
    pub executor: String,
    /// What its selector is told, secrets hidden.
    #[schema(value_type = Object)]
    pub select_param: Map<String, Value>,
    /// What its executor is told, secrets hidden.
    #[schema(value_type = Object)]
    pub job_param: Map<String, Value>,
}

/// A router.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Router {
    /// Its name.
    pub name: String,
    /// Trigger name.
    pub trigger: String,
    /// Selector name.
    pub selector: String,
    /// Its tasks.
    pub tasks: Vec<Task>,
}

/// An executor.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Executor {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
}
