//! The daemon itself, and the nodes of its fleet.

use herald_config::problem::Severity;
use herald_config::yaml::LocatedProblem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::actor::RecordedActor;
use super::config::ConfigProblem;
use super::configured::PauseResource;
use super::job::JobSummary;

/// A node of the fleet, as far as it is known.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Node)]
pub struct NodeResource {
    /// Its name.
    pub name: String,
    /// The URL of its runner.
    pub host: String,
    /// What it is for.
    pub tags: Vec<String>,
    /// `online`; `offline`; `rejected` when its runner answers, and does not accept this daemon's signature (see
    /// `error`); or `unknown` until it was asked.
    pub state: String,
    /// Since when (RFC 3339).
    pub since: Option<String>,
    /// When it answered last.
    pub seen_at: Option<String>,
    /// The version of its runner.
    pub version: Option<String>,
    /// How many jobs run there, from all who send it some.
    pub running: Option<u64>,
    /// By how many milliseconds its clock is ahead of the daemon's.
    pub clock_difference_ms: Option<i64>,
    /// Why it is not online.
    pub error: Option<String>,
    /// Its drain: it gets no new jobs. Null where it is not drained.
    #[serde(default)]
    pub drained: Option<DrainResource>,
}

/// A node, and its jobs: those of the executors that go to it. The newest are first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NodeDetails {
    /// How it is.
    #[serde(flatten)]
    pub node: NodeResource,
    /// The executors whose jobs go to it.
    pub executors: Vec<String>,
    /// Jobs that run on these executors; at most 20.
    pub running_jobs: Vec<NodeJob>,
    /// The last jobs of them that have ended; at most 20.
    pub last_jobs: Vec<NodeJob>,
}

/// A job of a node.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NodeJob {
    /// The job, which may be on other nodes as well.
    #[serde(flatten)]
    pub job: JobSummary,
    /// How it ended on this node; null where its result does not say it.
    pub here: Option<String>,
}

/// That a node gets no new jobs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Drain)]
pub struct DrainResource {
    /// The node.
    pub node: String,
    /// Since when (RFC 3339).
    pub since: String,
    /// Who drained it, and why.
    pub by: RecordedActor,
}

/// The daemon itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Info)]
pub struct DaemonInfo {
    /// `heraldd`'s version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// The configuration file.
    pub config: String,
    /// Where it keeps its state; null when it keeps everything in memory.
    pub state_dir: Option<String>,
    /// Jobs that run.
    pub running: u64,
    /// Jobs that wait.
    pub queued: u64,
    /// The routers that are paused.
    #[serde(default)]
    pub paused: Vec<PauseResource>,
    /// The last reload, where it failed: the configuration in use is not what the file says. Null otherwise.
    #[serde(default)]
    pub failed_reload: Option<FailedReload>,
}

/// A reload that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailedReload {
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Why, for people. An admin sees it; others, that an admin does.
    pub error: String,
    /// The errors at their places, 100 at most, for an admin: they may quote what is written. None where it failed for
    /// something else than the files.
    #[serde(default)]
    pub problems: Vec<ConfigProblem>,
}

/// The most errors of a failed reload that are kept.
const PROBLEMS: usize = 100;

impl FailedReload {
    /// A reload that failed at this time for this error, and for these problems of the files.
    #[must_use]
    pub fn new(at: String, error: String, found: &[LocatedProblem]) -> Self {
        let errors = found.iter().filter(|problem| problem.severity == Severity::Error);
        Self { at, error, problems: errors.take(PROBLEMS).map(ConfigProblem::from).collect() }
    }

    /// As those see it who are not admins.
    #[must_use]
    pub fn without_reason(self) -> Self {
        Self { error: "an admin sees why".to_owned(), problems: Vec::new(), ..self }
    }

    /// What failed, in one line: the first error at its place, what to do about it, and how many more there are.
    #[must_use]
    pub fn summary(&self) -> String {
        let Some(first) = self.problems.first() else { return self.first_line().to_owned() };
        let mut text = first.placed_message();
        if let Some(help) = &first.help {
            text.push_str(&format!(" ({help})"));
        }
        match self.problems.len() - 1 {
            0 => {}
            1 => text.push_str(", and 1 more error"),
            more => text.push_str(&format!(", and {more} more errors")),
        }
        text
    }

    /// The first line that says what failed.
    fn first_line(&self) -> &str {
        let kept = "configuration not reloaded, the running one is kept:";
        let mut lines = self.error.lines().map(|line| line.strip_prefix(kept).unwrap_or(line).trim());
        lines.find(|line| !line.is_empty()).unwrap_or_default()
    }
}

/// The answer to `reload`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// What is doubtful in the new configuration, for people.
    pub warnings: Vec<String>,
    /// Settings whose change takes effect only when the daemon is restarted.
    #[serde(default)]
    pub restart_required: Vec<String>,
}

/// A link that lets its holder in to the page, once.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PageLink {
    /// The link. Secret.
    pub url: String,
    /// The port of this machine that was opened for it; null where the page has a listener of its own.
    pub port: Option<u16>,
    /// For how many seconds it can be used.
    pub valid_seconds: u64,
}

/// How the daemon does.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok` of `/healthz`; `ready` of `/readyz`, or `damaged`: events are accepted, but a part of the state is damaged.
    pub status: String,
    /// What is damaged, for people; left out where nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<String>,
    /// Each etcd that cannot be used, and why, for people; left out where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub etcd: Vec<String>,
    /// Each queue that cannot be used, and why, for people; left out where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queue: Vec<String>,
}

impl Health {
    /// The process is alive.
    #[must_use]
    pub fn ok() -> Self {
        Self { status: "ok".to_owned(), damage: Vec::new(), etcd: Vec::new(), queue: Vec::new() }
    }

    /// Events are accepted.
    #[must_use]
    pub fn ready(damage: Vec<String>, etcd: Vec<String>, queue: Vec<String>) -> Self {
        let status = if damage.is_empty() { "ready" } else { "damaged" };
        Self { status: status.to_owned(), damage, etcd, queue }
    }
}
