//! What the control API says, as data: the server writes it, the command line reads it, the OpenAPI document
//! describes it. Times are RFC 3339 in UTC; ids are UUIDs of version 7; secrets read `***`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// What the status of a job may be.
pub const STATUSES: [&str; 8] =
    ["queued", "running", "succeeded", "failed", "timed_out", "cancelled", "lost", "rejected"];

/// One of [`STATUSES`], for the OpenAPI document.
#[must_use]
pub fn status() -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(STATUSES)).build()
}

/// A page of a list, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Where the next page begins: give it as `cursor`. Null on the last one.
    pub next_cursor: Option<String>,
}

/// A job in a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobSummary {
    /// The job's id.
    pub id: String,
    /// The event that made it.
    pub event_id: String,
    /// Router name.
    pub router: String,
    /// Task name.
    pub task: String,
    /// Trigger name.
    pub trigger: String,
    /// Executor name.
    pub executor: String,
    /// `queued`, `running`, `succeeded`, `failed`, `timed_out`, `cancelled`, `lost` or `rejected`.
    #[schema(schema_with = status)]
    pub status: String,
    /// The attempt it is at, from 1.
    pub attempt: u32,
    /// How many jobs came before it in its chain.
    pub chain_depth: u32,
    /// When it was made.
    #[schema(format = DateTime)]
    pub queued_at: String,
    /// When its latest attempt started; null before.
    #[schema(format = DateTime)]
    pub started_at: Option<String>,
    /// When it ended; null before.
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// Why it did not succeed.
    pub error: Option<String>,
}

/// A job in full.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// What lists show of it.
    #[serde(flatten)]
    pub summary: JobSummary,
    /// Selector name.
    pub selector: String,
    /// The execution parameters `trigger_param`, secrets hidden.
    #[schema(value_type = Object)]
    pub trigger_param: Map<String, Value>,
    /// The execution parameters `select_param`, secrets hidden.
    #[schema(value_type = Object)]
    pub select_param: Map<String, Value>,
    /// The execution parameters `job_param`, secrets hidden.
    #[schema(value_type = Object)]
    pub job_param: Map<String, Value>,
    /// What it gave; null before its end.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Map<String, Value>>,
    /// When its next attempt may start, while it waits for one.
    #[schema(format = DateTime)]
    pub retry_at: Option<String>,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
}

/// One attempt of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// From 1.
    pub attempt: u32,
    /// `running`, or how it ended.
    #[schema(schema_with = status)]
    pub status: String,
    /// When it started.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// When it ended; null before.
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// Why it did not succeed.
    pub error: Option<String>,
}

/// An event, and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The event's id.
    pub id: String,
    /// Trigger name.
    pub trigger: String,
    /// What the trigger told, secrets hidden.
    #[schema(value_type = Object)]
    pub trigger_param: Map<String, Value>,
    /// How many jobs came before it in its chain; 0 for what came from outside.
    pub chain_depth: u32,
    /// When it was taken.
    #[schema(format = DateTime)]
    pub accepted_at: String,
    /// When every selector had answered; null before.
    #[schema(format = DateTime)]
    pub routed_at: Option<String>,
    /// For every task of every router that names the trigger, what its selector said.
    pub decisions: Vec<Decision>,
}

/// What one selector said about one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// Router name.
    pub router: String,
    /// Task name.
    pub task: String,
    /// Selector name.
    pub selector: String,
    /// `yes`, `no` or `error` (which counts as no).
    pub answer: String,
    /// Why.
    pub why: String,
    /// The job that came of a yes.
    pub job_id: Option<String>,
}

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

/// What an event would start.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Rehearsal {
    /// The trigger.
    pub trigger: String,
    /// What it tells, secrets masked.
    #[schema(value_type = Object)]
    pub trigger_param: Map<String, Value>,
    /// What each task that was asked would do.
    pub tasks: Vec<RehearsedTask>,
}

/// What one task would do with an event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RehearsedTask {
    /// Its router.
    pub router: String,
    /// The task.
    pub task: String,
    /// Its selector.
    pub selector: String,
    /// Its executor.
    pub executor: String,
    /// What the selector says: `yes`, `no` or `error`.
    pub answer: String,
    /// Why.
    pub why: String,
    /// What the executor would get, templates filled in and secrets masked; without the `trigger_param`.
    #[schema(value_type = Option<Object>)]
    pub params: Option<Map<String, Value>>,
    /// Why the job would fail at once.
    pub error: Option<String>,
}

/// An event of the past, once more.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Replayed {
    /// The new event, with `run`.
    pub event_id: Option<String>,
    /// What it would start, without.
    pub rehearsal: Option<Rehearsal>,
}

/// A node of the fleet, as far as it is known.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The URL of its runner.
    pub host: String,
    /// What it is for.
    pub tags: Vec<String>,
    /// `online`, `offline`, or `unknown` until it was asked.
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
    /// Why it did not answer.
    pub error: Option<String>,
}

/// What a job wrote, piece by piece (`format=json` of its log): one object a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LogPiece {
    /// Some output.
    Output {
        /// The attempt that wrote it, from 1.
        attempt: u32,
        /// `stdout` or `stderr`.
        stream: String,
        /// When Herald took it.
        #[schema(format = DateTime)]
        at: String,
        /// What was written, secrets masked; begins and ends anywhere, but not within a character. What is no UTF-8
        /// reads `\u{fffd}`.
        text: String,
    },
    /// Output is missing here; `history.log_limit` says how much is kept.
    Missing {
        /// The attempt that wrote it, from 1.
        attempt: u32,
    },
}

/// The daemon itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Info {
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
}

/// The answer to what makes an event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Activated {
    /// The event's id.
    pub event_id: String,
}

/// The answer to `retry`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Retried {
    /// The new job's id.
    pub job_id: String,
}

/// What an accepted wish to cancel is about.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Cancelling {
    /// The job that is being ended.
    pub job_id: String,
}

/// The answer to `reload`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// What is doubtful in the new configuration, for people.
    pub warnings: Vec<String>,
}

/// How the daemon does.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok` of `/healthz`, `ready` of `/readyz`.
    pub status: String,
}

/// Something that was recorded just now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// An event was taken.
    Event {
        /// The event's id.
        id: String,
        /// Trigger name.
        trigger: String,
        /// When.
        #[schema(format = DateTime)]
        at: String,
    },
    /// A job was made, started, goes on with another attempt, or ended.
    Job {
        /// The job's id.
        id: String,
        /// The event that made it.
        event_id: String,
        /// Router name.
        router: String,
        /// Task name.
        task: String,
        /// What it is now, in the words of a job's `status`.
        #[schema(schema_with = status)]
        status: String,
        /// The attempt it is at, from 1.
        attempt: u32,
        /// When.
        #[schema(format = DateTime)]
        at: String,
    },
    /// So many changes were too fast for this reader and are left out.
    Missed {
        /// How many.
        count: u64,
    },
}

/// An error, as RFC 9457 has it (`application/problem+json`).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What the status is called.
    pub title: String,
    /// What is wrong and what to do, for people.
    pub detail: String,
}
