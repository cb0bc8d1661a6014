//! The closed set of events that the dispatcher's loop answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::fill::Filled;
use super::paused::PausedRouters;
use crate::component::executor::Outcome;
use crate::component::selector::Answer;
use crate::component::trigger::ComponentError;
use crate::event::activation::{Activation, Name, NewEvent, Refused};
use crate::event::actor::Actor;
use crate::event::arrivals::Awaited;
use crate::event::position::Cursor;
use crate::job::Job;
use crate::journal::JournalError;
use crate::plan::{Limits, Plan};
use crate::workflow::Route;

/// What can happen to the dispatcher. Nothing else reaches its state.
pub(super) enum Event {
    /// A trigger fired.
    Activate { event: NewEvent, reply: oneshot::Sender<Result<Name, Refused>> },
    /// A source of events is followed from here on. `recorded` gets an answer once that is on record.
    Reach { cursor: Cursor, recorded: Option<oneshot::Sender<()>> },
    /// Somebody waits for this.
    Await(Awaited),
    /// A job that ended is to run once more, as a new job.
    Again { job: Box<Job>, reply: oneshot::Sender<Result<Name, Refused>> },
    /// A selector that took its time has answered.
    Answered(Answered),
    /// An executor is through with an attempt.
    Finished { job_id: Name, attempt: u32, outcome: Outcome },
    /// Somebody wants a job to end.
    Cancel(Cancellation),
    /// An event is not ours any more: its jobs end as lost.
    Lose { event_id: Name, why: String },
    /// An event is taken back if none of its jobs has started; the reply says whether it was.
    Withdraw { event_id: Name, why: String, reply: oneshot::Sender<bool> },
    /// A new configuration.
    Replace { plan: Arc<Plan>, limits: Limits, reply: oneshot::Sender<()> },
    /// These routers start nothing, and no others.
    Pause { routers: PausedRouters, reply: oneshot::Sender<()> },
    /// An executor may take jobs now, or none any more.
    LookAtExecutors { reply: oneshot::Sender<()> },
    /// Take no more events; end once nothing is left, or the grace is over.
    Drain { grace: Duration },
    /// End at once.
    Force,
    /// Tell what a job waits for.
    WaitsFor { job_ids: Vec<Name>, reply: oneshot::Sender<Vec<Option<String>>> },
    /// Tell how things stand.
    Ask { reply: oneshot::Sender<DispatcherStatus> },
    /// Tell when nothing waits and nothing runs.
    WhenIdle { reply: oneshot::Sender<()> },
}

/// A job is to end.
pub(super) struct Cancellation {
    pub(super) job_id: Name,
    pub(super) why: String,
    /// Who wants that, where it is known.
    pub(super) by: Option<Arc<Actor>>,
    /// Whether there was a job to end.
    pub(super) reply: oneshot::Sender<Result<bool, JournalError>>,
}

/// How things stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatcherStatus {
    /// Jobs that run.
    pub running: usize,
    /// Jobs that wait.
    pub waiting: usize,
    /// Why the journal cannot record, while it cannot.
    pub held: Option<String>,
    /// Whether no more events are taken, because Herald stops.
    pub stopping: bool,
    /// Whether the queue is so full that no trigger's events are taken.
    pub full: bool,
}

/// One selector's answer about one route of one event.
pub(super) struct Answered {
    pub(super) activation: Arc<Activation>,
    pub(super) route: Arc<Route>,
    pub(super) plan: Arc<Plan>,
    pub(super) answer: Result<Answer, ComponentError>,
    /// The templates, filled in, where there are any.
    pub(super) filled: Option<Filled>,
    /// Whether it took a place at its selector, which is free now.
    pub(super) took_place: bool,
}
