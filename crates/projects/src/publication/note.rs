//! How a project is, as its ledger keeps it.

use herald_etcd::ProjectKeys;
use herald_publish::ProjectLedger;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::publication::result::PublicationResult;
use crate::report_url::ReportUrl;
use crate::standings::ProjectState;

/// What is known of a project besides its files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ProjectNote {
    /// The project.
    pub(crate) project: String,
    /// The host in its keys.
    pub(crate) host: String,
    /// The prefix of its keys.
    pub(crate) prefix: String,
    /// How it is.
    pub(crate) state: ProjectState,
    /// Why it is not in sync.
    pub(crate) error: Option<String>,
    /// The revision of etcd that was published last.
    pub(crate) revision: i64,
    /// When that was (RFC 3339).
    pub(crate) published_at: Option<String>,
    /// Why it keeps its files.
    pub(crate) held: Option<String>,
    /// The keys that do not count, because somebody restored an earlier publication.
    pub(crate) pinned: Option<String>,
    /// The keys whose publication failed.
    pub(crate) failed: Option<String>,
    /// Whether that may pass by itself.
    pub(crate) passes: bool,
    /// Its keys are gone, and so are its files.
    pub(crate) gone: bool,
    /// Where reports go, as the last valid policy in etcd says.
    pub(crate) report_url: Option<ReportUrl>,
    /// The result of the publication that succeeded last: the end of its job is perhaps not recorded yet.
    pub(crate) completed: Option<PublicationResult>,
}

impl ProjectNote {
    pub(crate) fn of(ledger: &ProjectLedger) -> Self {
        serde_json::from_value(ledger.data().note.clone()).unwrap_or_default()
    }

    /// Whose it is.
    pub(crate) fn name(&mut self, keys: &ProjectKeys) {
        self.project.clone_from(&keys.project);
        self.host.clone_from(&keys.layout.host);
        self.prefix.clone_from(&keys.layout.prefix);
    }

    /// Whose it is.
    pub(crate) fn keys(&self) -> ProjectKeys {
        herald_etcd::ProjectLayout::new(&self.prefix, &self.host).project(&self.project)
    }

    pub(crate) fn value(&self) -> Value {
        // Texts, numbers and booleans: never fails.
        serde_json::to_value(self).unwrap_or_default()
    }
}
