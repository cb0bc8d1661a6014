//! Jobs.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::actor::RecordedActor;

/// What the status of a job may be.
pub const STATUSES: [&str; 8] =
    ["queued", "running", "succeeded", "failed", "timed_out", "cancelled", "lost", "rejected"];

/// One of [`STATUSES`], for the OpenAPI document.
#[must_use]
pub fn status() -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(STATUSES)).build()
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
    /// When its first attempt started, where it is at a later one; null otherwise.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub first_started_at: Option<String>,
    /// When its latest attempt started; null before.
    #[schema(format = DateTime)]
    pub started_at: Option<String>,
    /// When it ended; null before.
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// When its next attempt may start, while it waits for one.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub retry_at: Option<String>,
    /// What it waits for, in words, while it is queued: a retry and when, that its router is paused, or that others run
    /// before it.
    #[serde(default)]
    pub waits_for: Option<String>,
    /// Why it did not succeed.
    pub error: Option<String>,
}

impl JobSummary {
    /// When it began to run: with its first attempt, whatever came between the attempts. `None` while it waits.
    #[must_use]
    pub fn began_at(&self) -> Option<&str> {
        let runs_or_ran = self.started_at.is_some() || self.ended_at.is_some();
        self.first_started_at.as_deref().filter(|_| runs_or_ran).or(self.started_at.as_deref())
    }

    /// The attempt whose output there is: the one before, while the job waits for its next one.
    #[must_use]
    pub fn attempt_with_output(&self) -> u32 {
        let waits = self.status == "queued" && self.attempt > 1;
        if waits { self.attempt - 1 } else { self.attempt }
    }

    /// What it waits for, with the time of its next attempt as `time` writes it; also where only the history says so.
    #[must_use]
    pub fn waits_for(&self, time: impl Fn(&str) -> String) -> Option<String> {
        match (&self.waits_for, &self.retry_at) {
            (Some(what), Some(at)) => Some(what.replace(&**at, &time(at))),
            (None, Some(at)) => Some(format!("a retry, at {}", time(at))),
            (what, None) => what.clone(),
        }
    }

    /// When its next attempt may start, where it waits for something else besides.
    #[must_use]
    pub fn later_attempt(&self) -> Option<&str> {
        let at = self.retry_at.as_deref()?;
        self.waits_for.as_ref().is_some_and(|what| !what.contains(at)).then_some(at)
    }

    /// What a list says of it in one text: why it did not succeed, or what it waits for.
    #[must_use]
    pub fn remark(&self, time: impl Fn(&str) -> String) -> String {
        let waits = || self.waits_for(time).map(|what| format!("waits for {what}"));
        self.error.clone().or_else(waits).unwrap_or_default()
    }
}

/// A job in full.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Job)]
pub struct JobResource {
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
    /// Its attempts, oldest first.
    pub attempts: Vec<AttemptResource>,
    /// Who or what caused it: who caused its event, or who ran it again. Null where that is not known.
    #[serde(default)]
    pub by: Option<RecordedActor>,
    /// Who cancelled it; null unless somebody did.
    #[serde(default)]
    pub cancelled_by: Option<RecordedActor>,
}

/// One attempt of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Attempt)]
pub struct AttemptResource {
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

/// The answer to `retry`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Retried {
    /// The new job's id.
    pub job_id: String,
}

/// The response to `cancel`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Cancelling {
    /// The job that is being cancelled.
    pub job_id: String,
}
