//! One deployment, as it is recorded.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentStatus {
    /// The new revision is live on all nodes that took part.
    Succeeded,
    /// It failed, and the old revision is live again.
    Reverted,
    /// The new revision is live on some nodes alone, or it is not known where.
    Partial,
    /// It failed before any node had switched.
    Failed,
    /// The same, since a step took too long.
    TimedOut,
    /// Somebody ended it.
    Cancelled,
    /// Nobody knows how it ended.
    Lost,
    /// It was not begun: a hold, a freeze, or a revision that is marked bad.
    Held,
}

impl DeploymentStatus {
    /// Its name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Reverted => "reverted",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Held => "held",
        }
    }
}

impl fmt::Display for DeploymentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a deployment was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentWay {
    /// To a revision that was named, or the newest.
    Deploy,
    /// To one that was good before.
    Rollback,
}

impl DeploymentWay {
    /// Its name in the API and in `HERALD_ACTION`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
        }
    }
}

/// The result on one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeOutcome {
    /// The new revision is live.
    Succeeded,
    /// The old revision is live again.
    Reverted,
    /// A step failed before the switch; the old revision is live.
    Failed,
    /// A step took too long before the switch; the old revision is live.
    TimedOut,
    /// Nothing was changed, since the deployment ended before its turn.
    Untouched,
    /// It was offline.
    Skipped,
    /// It was offline, and gets the revision when it is back.
    CatchUp,
    /// The old revision could not be put back.
    Broken,
    /// It did not answer; what is live is seen when it does.
    Unknown,
}

/// A deployment on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDeployment {
    /// The revision before.
    pub from: Option<String>,
    /// The revision that is live after it.
    pub to: Option<String>,
    /// Its status.
    pub status: NodeOutcome,
    /// Why it failed.
    pub error: Option<String>,
    /// How long each step took there, in milliseconds: those of [`StepName`](crate::node::StepName) that ran, and of
    /// the switch `health` and `verify`.
    #[serde(default)]
    pub steps_ms: StepTimes,
}

/// Names of steps, and how long each took, in milliseconds.
pub type StepTimes = BTreeMap<String, u64>;

/// A commit that a deployment brings, or takes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedCommit {
    /// The whole SHA, or the number.
    pub revision: String,
    /// Who.
    pub author: String,
    /// When: RFC 3339.
    pub time: String,
    /// The first line of the message.
    pub subject: String,
}

/// A deployment of the past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    /// The id of the job, with the number of the attempt where that is not the first.
    pub id: String,
    /// The application.
    pub app: String,
    /// What it was for.
    pub action: DeploymentWay,
    /// Who or what: `{user, via, address, reason}`; null where nobody did, as with `cron`.
    pub by: serde_json::Value,
    /// Whether no person asked for it.
    pub automatic: bool,
    /// Why, in the person's own words.
    pub reason: Option<String>,
    /// The revision that was live before.
    pub from: Option<String>,
    /// The revision that was deployed; null where it could not be found out.
    pub to: Option<String>,
    /// What lies between, the newest first; at most 50.
    pub commits: Vec<RecordedCommit>,
    /// Whether `to` is older than `from`, or of another branch.
    pub backward: bool,
    /// the status of each node.
    pub nodes: BTreeMap<String, NodeDeployment>,
    /// How it ended.
    pub status: DeploymentStatus,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// The digest of the files as they came from the repository; the same on all nodes. Not with `in_place`.
    pub digest: Option<String>,
    /// Whether an administrator passed over a hold or a freeze.
    pub overridden: bool,
    /// Whether it was for all nodes of the application.
    pub whole: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The job.
    pub job_id: String,
}
