//! How a job is rolled out to several nodes.

use serde::Deserialize;

/// What happens on a node that is offline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OfflinePolicy {
    /// The job fails there.
    #[default]
    Fail,
    /// The job is not run there.
    Skip,
    /// The job waits for it, within its timeout.
    Wait,
}

/// How a job is rolled out to several nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RolloutStrategy {
    /// On how many nodes it runs at once; without it on all.
    pub max_parallel: Option<usize>,
    /// On how many nodes it must succeed before the others get it.
    pub canary: usize,
    /// Whether no further node gets it once it has failed on one.
    pub stop_on_failure: bool,
    /// What happens on a node that is offline.
    pub offline: OfflinePolicy,
}
