//! Applications that are deployed to nodes.

use std::collections::BTreeMap;

use herald_terminal::human_time;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::actor::RecordedActor;

/// An application, and what is live on its nodes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = App)]
pub struct AppResource {
    /// Its name.
    pub name: String,
    /// `git` or `svn`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `in_place`, `releases` or `exchange`.
    pub mode: String,
    /// The URL of the repository.
    pub repo: String,
    /// The revision that is to be live on all nodes; null before the first deployment.
    pub revision: Option<String>,
    /// Since when (RFC 3339).
    pub since: Option<String>,
    /// The revision that a rollback goes to; null where there is none.
    pub previous: Option<String>,
    /// Nothing is deployed while it lasts; null where there is none.
    pub hold: Option<HoldResource>,
    /// The freeze that it is in, as it is configured; null outside.
    pub freeze: Option<String>,
    /// The id of the deployment that is under way.
    pub running: Option<String>,
    /// How the last deployment ended.
    pub last: Option<String>,
    /// Its nodes by name.
    pub nodes: BTreeMap<String, AppNodeResource>,
}

/// All applications.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AppList {
    /// The applications, by name.
    pub items: Vec<AppResource>,
}

/// A hold.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Hold)]
pub struct HoldResource {
    /// Why.
    pub reason: String,
    /// Who: a user, or `herald`.
    pub by: String,
    /// Since when (RFC 3339).
    pub since: String,
    /// Until when; null for ever.
    pub until: Option<String>,
}

/// An application on a node.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = AppNode)]
pub struct AppNodeResource {
    /// Where it is.
    pub path: String,
    /// Whether the node answered when it was asked last.
    pub online: bool,
    /// What is live there.
    pub revision: Option<String>,
    /// `in_sync`, `outdated` (another revision), `drifted` (files were changed there), `broken` or `unknown`.
    pub state: String,
    /// The files that were changed there; at most 100.
    pub modified: Vec<String>,
    /// What the node is to get when it is back.
    pub catch_up: Option<String>,
    /// Why it is broken, or did not answer.
    pub error: Option<String>,
    /// When it was asked last (RFC 3339).
    pub checked_at: Option<String>,
}

/// A commit of an application.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Commit)]
pub struct CommitResource {
    /// The whole SHA, or the number.
    pub revision: String,
    /// Who.
    pub author: String,
    /// When (RFC 3339).
    pub time: String,
    /// The first line of the message.
    pub subject: String,
    /// The whole message.
    pub message: String,
    /// Whether it is newer than what is live.
    pub pending: bool,
    /// Whether it was rolled back.
    pub bad: bool,
    /// The nodes that have it.
    pub live: Vec<String>,
}

/// A commit between two revisions.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CommitSummary {
    /// The whole SHA, or the number.
    pub revision: String,
    /// Who.
    pub author: String,
    /// When (RFC 3339).
    pub time: String,
    /// The first line of the message.
    pub subject: String,
}

/// What a deployment would do.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = AppPlan)]
pub struct AppPlanResource {
    /// The application.
    pub app: String,
    /// What is live on all nodes.
    pub from: Option<String>,
    /// What would be deployed.
    pub to: String,
    /// What lies between, the newest first; at most 50.
    pub commits: Vec<CommitSummary>,
    /// Whether these commits would be taken back.
    pub backward: bool,
    /// What each node says.
    pub nodes: BTreeMap<String, NodePlanResource>,
    /// What speaks against it, as sentences; empty where nothing does.
    pub refusals: Vec<String>,
}

/// What a deployment would do on a node.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = NodePlan)]
pub struct NodePlanResource {
    /// Whether it answered.
    pub online: bool,
    /// What it said: `current` revision, `is_live`, `is_kept`, `local_changes`, `conflicts`, `needed` and `free` bytes.
    pub plan: Map<String, Value>,
    /// What speaks against it.
    pub refusals: Vec<String>,
}

/// A deployment of the past.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Deployment)]
pub struct DeploymentResource {
    /// Its id.
    pub id: String,
    /// The application.
    pub app: String,
    /// `deploy` or `rollback`.
    pub action: String,
    /// Who or what; null where nobody did, as with `cron`.
    pub by: Option<RecordedActor>,
    /// Whether no person asked for it.
    pub automatic: bool,
    /// Why, in the person's own words.
    pub reason: Option<String>,
    /// What was live before.
    pub from: Option<String>,
    /// What was deployed; null where that could not be found out.
    pub to: Option<String>,
    /// What lies between, the newest first; at most 50.
    pub commits: Vec<CommitSummary>,
    /// Whether these commits were taken back.
    pub backward: bool,
    /// What became live on each node.
    pub nodes: BTreeMap<String, NodeDeploymentResource>,
    /// `succeeded`, `reverted`, `partial`, `failed`, `timed_out`, `cancelled`, `lost` or `held`.
    pub status: String,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// The digest of the files as they came from the repository; not with `in_place`.
    pub digest: Option<String>,
    /// Whether an administrator passed over a hold or a freeze.
    pub overridden: bool,
    /// When it began (RFC 3339).
    pub started_at: String,
    /// When it ended (RFC 3339).
    pub ended_at: String,
    /// Its job.
    pub job_id: String,
}

/// A deployment on a node.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = NodeDeployment)]
pub struct NodeDeploymentResource {
    /// What was live before.
    pub from: Option<String>,
    /// What is live after it.
    pub to: Option<String>,
    /// `succeeded`, `reverted`, `failed`, `timed_out`, `untouched`, `skipped`, `catch_up`, `broken` or `unknown`.
    pub status: String,
    /// Why it failed there.
    pub error: Option<String>,
    /// How long each step took there, in milliseconds: `plan`, `prepare`, `once`, `switch`, `health`, `verify`,
    /// `finish`, `revert`; those that ran. A step that a node was waited for has the wait in it.
    #[serde(default)]
    pub steps_ms: BTreeMap<String, u64>,
}

impl NodeDeploymentResource {
    /// `plan 200 ms, prepare 2.1 s, …`, in the order in which they run; empty where nothing is known.
    #[must_use]
    pub fn step_times(&self) -> String {
        let took = |step: &&str| {
            let millis = i64::try_from(*self.steps_ms.get(*step)?).unwrap_or(i64::MAX);
            Some(format!("{step} {}", human_time::span(SignedDuration::from_millis(millis))))
        };
        STEPS.iter().filter_map(took).collect::<Vec<_>>().join(", ")
    }
}

/// The steps of a deployment on a node, in their order.
const STEPS: [&str; 8] = ["plan", "prepare", "once", "switch", "health", "verify", "revert", "finish"];

/// A deployment that was accepted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeploymentAccepted {
    /// The event.
    pub event_id: String,
    /// The job that carries it out; null where it is not made yet.
    pub job_id: Option<String>,
    /// The exact revision; null where it takes long to find it out, and the job does.
    pub revision: Option<String>,
}

/// What a deployment or a rollback takes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploymentWanted {
    /// A branch, a tag, a commit, a number or `HEAD`. For a rollback none is the last good one.
    #[serde(alias = "to", skip_serializing_if = "Option::is_none")]
    pub revision: Option<Value>,
    /// The nodes; none is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<String>>,
    /// Why, in your own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only if this revision is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_live: Option<String>,
    /// The same key twice within a day is one deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Passes a hold and a freeze; needs the role `admin` and a reason.
    #[serde(default, rename = "override")]
    pub overrides: bool,
    /// Does not wait for another deployment.
    #[serde(default)]
    pub fail_if_busy: bool,
}

/// What a hold takes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldWanted {
    /// Why.
    pub reason: String,
    /// How long, such as `2h`; for ever without it.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<String>,
}
