//! What was seen on a node, and how that goes with what is recorded.

use jiff::Timestamp;
use serde::Serialize;

/// How what is live on a node goes with what is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// The recorded revision, unchanged.
    InSync,
    /// Another revision.
    Outdated,
    /// Files were changed there.
    Drifted,
    /// Its tree cannot be trusted.
    Broken,
    /// It did not answer, or was not asked yet.
    Unknown,
}

impl NodeState {
    /// Its name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Outdated => "outdated",
            Self::Drifted => "drifted",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
        }
    }
}

/// What was seen on a node.
#[derive(Debug, Clone)]
pub(crate) struct SeenNode {
    pub(crate) at: Timestamp,
    pub(crate) online: bool,
    pub(crate) revision: Option<String>,
    pub(crate) modified: Vec<String>,
    pub(crate) error: Option<String>,
    /// What was made of it when it was seen.
    pub(crate) state: NodeState,
}

/// That a node is in another state than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppStateChange {
    /// The application.
    pub app: String,
    /// The node.
    pub node: String,
    /// The state now.
    pub state: NodeState,
    /// The state before.
    pub before: NodeState,
    /// The revision that is live.
    pub revision: Option<String>,
    /// Files that were changed there.
    pub modified: Vec<String>,
}
