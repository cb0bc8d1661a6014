//! Events, and what they would start.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::actor::RecordedActor;
use super::job::status;

/// An event and its results.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Event)]
pub struct EventResource {
    /// The event's id.
    pub id: String,
    /// Trigger name.
    pub trigger: String,
    /// The parameters from the trigger, secrets hidden.
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
    pub decisions: Vec<DecisionResource>,
    /// How many more tasks there are that the event did not match either: they are left out of a long list. `router`
    /// asks about one.
    #[serde(default)]
    pub decisions_left_out: usize,
    /// Who or what caused it; null where that is not known.
    #[serde(default)]
    pub by: Option<RecordedActor>,
}

/// What one selector said about one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Decision)]
pub struct DecisionResource {
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
    /// Whether the selector was asked again just now, with the configuration of now: a no that follows from the event
    /// alone is not stored.
    #[serde(default)]
    pub asked_again: bool,
}

/// What an event would start.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Rehearsal {
    /// The trigger.
    pub trigger: String,
    /// Its parameters, secrets masked.
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

/// An event that is tried: with parameters, or as a request.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrialWanted {
    /// The parameters of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub params: Option<Map<String, Value>>,
    /// In place of parameters, for a trigger of type `http`: a request as on the wire, the request line, headers, an
    /// empty line, the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Whether authentication and address of the request are not checked.
    #[serde(default)]
    pub unchecked: bool,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Trial)]
pub struct TrialResource {
    /// What the event would start; null where the request creates none.
    pub rehearsal: Option<Rehearsal>,
    /// How a request is answered that creates no event; null otherwise.
    pub response: Option<TrialResponse>,
}

/// The answer to a request that creates no event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TrialResponse {
    /// Its status.
    pub status: u16,
    /// Why.
    pub why: String,
}

/// An event in a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventSummary {
    /// The event's id.
    pub id: String,
    /// Trigger name.
    pub trigger: String,
    /// How many jobs came before it in its chain; 0 for one from outside.
    pub chain_depth: u32,
    /// When it was accepted.
    #[schema(format = DateTime)]
    pub accepted_at: String,
    /// When every selector had answered; null before.
    pub routed_at: Option<String>,
    /// The routers that it matched.
    pub routers: Vec<String>,
}

/// An event of the past, once more.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Replayed {
    /// The new event, with `run`.
    pub event_id: Option<String>,
    /// What it would start, without.
    pub rehearsal: Option<Rehearsal>,
}

/// The answer to what makes an event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Activated {
    /// The event's id.
    pub event_id: String,
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
    /// Something else is different now: somebody did something, or the configuration was reloaded, or could not be.
    State {
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
