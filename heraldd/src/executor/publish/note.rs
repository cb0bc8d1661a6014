//! How a project is, as its ledger keeps it.

use herald_etcd::ProjectKeys;
use herald_publish::ProjectLedger;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::etcd::ProjectState;

/// What is known of a project besides its files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ProjectNote {
    /// The project.
    pub(super) project: String,
    /// The host in its keys.
    pub(super) host: String,
    /// The prefix of its keys.
    pub(super) prefix: String,
    /// How it is.
    pub(super) state: ProjectState,
    /// Why it is not in sync.
    pub(super) error: Option<String>,
    /// The revision of etcd that was published last.
    pub(super) revision: i64,
    /// When that was (RFC 3339).
    pub(super) published_at: Option<String>,
    /// Why it keeps its files.
    pub(super) held: Option<String>,
    /// The keys that do not count, because somebody restored an earlier publication.
    pub(super) pinned: Option<String>,
    /// The keys whose publication failed.
    pub(super) failed: Option<String>,
    /// Whether that may pass by itself.
    pub(super) passes: bool,
    /// Its keys are gone, and so are its files.
    pub(super) gone: bool,
}

impl ProjectNote {
    pub(super) fn of(ledger: &ProjectLedger) -> Self {
        serde_json::from_value(ledger.data().note.clone()).unwrap_or_default()
    }

    /// Whose it is.
    pub(super) fn name(&mut self, keys: &ProjectKeys) {
        self.project.clone_from(&keys.project);
        self.host.clone_from(&keys.layout.host);
        self.prefix.clone_from(&keys.layout.prefix);
    }

    /// Whose it is.
    pub(super) fn keys(&self) -> ProjectKeys {
        herald_etcd::ProjectLayout::new(&self.prefix, &self.host).project(&self.project)
    }

    pub(super) fn value(&self) -> Value {
        // Texts, numbers and booleans: never fails.
        serde_json::to_value(self).unwrap_or_default()
    }
}
