//! What the history shows of jobs and events.

use herald_core::activation::Name;
use herald_core::actor::Actor;
use herald_core::journal::Decision;
use herald_core::param::Params;
use jiff::Timestamp;

use super::job_state::{AttemptView, JobState};

/// A page of jobs, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<JobSummaryView>,
    /// Where the next page begins; `None` on the last one.
    pub next_cursor: Option<Name>,
}

/// A job in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSummaryView {
    /// The job's id.
    pub id: Name,
    /// The event that created it.
    pub event_id: Name,
    /// Router name.
    pub router: Name,
    /// Task name.
    pub task: Name,
    /// Trigger name.
    pub trigger: Name,
    /// Executor name.
    pub executor: Name,
    /// How many jobs came before it in its chain.
    pub chain_depth: u32,
    /// When it was created.
    pub queued_at: Timestamp,
    /// When its first attempt started, where it is at a later one.
    pub first_started_at: Option<Timestamp>,
    /// How far it is.
    pub state: JobState,
}

/// A job in full.
#[derive(Debug, Clone, PartialEq)]
pub struct JobView {
    /// What lists show of it.
    pub summary: JobSummaryView,
    /// Selector name.
    pub selector: Name,
    /// The parameters of its event, secrets hidden.
    pub trigger_param: Params,
    /// What its selector got, secrets hidden.
    pub select_param: Params,
    /// What its executor gets, secrets hidden.
    pub job_param: Params,
    /// Its result; `None` before its end.
    pub result: Option<Params>,
    /// Its attempts, oldest first.
    pub attempts: Vec<AttemptView>,
    /// Who or what caused it, secrets hidden: who caused its event, or who ran it again. `None` where that is not
    /// known.
    pub by: Option<Actor>,
    /// Who cancelled it, secrets hidden; `None` unless somebody did of whom that is known.
    pub cancelled_by: Option<Actor>,
}

/// An event, and the jobs that it created.
#[derive(Debug, Clone, PartialEq)]
pub struct EventView {
    /// The event's id.
    pub id: Name,
    /// Trigger name.
    pub trigger: Name,
    /// Its parameters, secrets hidden.
    pub trigger_param: Params,
    /// How many jobs came before it in its chain; 0 for one from outside.
    pub chain_depth: u32,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When every selector had answered; `None` before.
    pub routed_at: Option<Timestamp>,
    /// The result of the selector for every task of every router that names the trigger.
    pub decisions: Vec<Decision>,
    /// Who or what caused it, secrets hidden; `None` where that is not known.
    pub by: Option<Actor>,
}
