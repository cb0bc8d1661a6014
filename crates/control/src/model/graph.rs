//! The routers as a graph.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Triggers, routers with their selector and tasks with their executor, and what leads to what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Graph)]
pub struct GraphResource {
    /// The nodes; the id of each is its place in this list.
    pub nodes: Vec<GraphNode>,
    /// The edges between them.
    pub edges: Vec<GraphEdge>,
    /// How many routers there are to show; left out where all of them are in the graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_count: Option<u64>,
    /// How many edges are left out, since there are too many; left out where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edges_left_out: Option<u64>,
}

/// What a node of the graph is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GraphNodeKind {
    /// A trigger.
    Trigger,
    /// A router.
    #[serde(rename = "router")]
    Routing,
    /// A task of a router.
    Task,
}

/// A node of the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GraphNode {
    /// Its number.
    pub id: usize,
    /// What it is.
    pub kind: GraphNodeKind,
    /// Its name.
    pub name: String,
    /// The type of a trigger.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// The selector of a router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The router of a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<String>,
    /// The executor of a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<String>,
    /// The newest job of a task, where it is among the newest of its router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastJob>,
    /// Whether a task without `last` may have one among older jobs of its router, which were not looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_older: bool,
}

/// The newest job of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LastJob {
    /// The job.
    pub job_id: String,
    /// Its status.
    #[schema(schema_with = super::job::status)]
    pub status: String,
    /// When it was created.
    #[schema(format = DateTime)]
    pub at: String,
}

/// An edge of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GraphEdge {
    /// The node where it begins.
    pub from: usize,
    /// The node where it ends.
    pub to: usize,
    /// Whether it is the event `exe_done` of a task.
    pub exe_done: bool,
    /// Whether every event goes this way; otherwise the selector decides by what only the event says.
    pub sure: bool,
}

impl GraphNode {
    /// What is below its name: the type, the selector or the executor.
    #[must_use]
    pub fn detail(&self) -> &str {
        let detail = self.type_name.as_ref().or(self.selector.as_ref()).or(self.executor.as_ref());
        detail.map_or("", String::as_str)
    }
}
