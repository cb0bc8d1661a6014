//! What the store gives, as the API shows it.

use herald_core::activation::Name;
use herald_core::actor::Actor;
use herald_core::journal::{Decision as Decided, SelectorResult};
use herald_store::changes::RecordedChange;
use herald_store::history::{AttemptView, EventView, JobPage, JobStatus, JobSummaryView, JobView};
use jiff::Timestamp;

use super::actor::RecordedActor;
use super::event::{Change, DecisionResource, EventResource};
use super::job::{AttemptResource, JobResource, JobSummary};
use super::page::Page;

fn text(name: &Name) -> String {
    name.to_string()
}

fn word(status: JobStatus) -> String {
    status.as_str().to_owned()
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

impl From<JobPage> for Page<JobSummary> {
    fn from(page: JobPage) -> Self {
        let items = page.jobs.into_iter().map(JobSummary::from).collect();
        Self { items, next_cursor: page.next_cursor.as_ref().map(text) }
    }
}

impl From<JobSummaryView> for JobSummary {
    fn from(view: JobSummaryView) -> Self {
        let state = view.state;
        Self {
            id: text(&view.id),
            event_id: text(&view.event_id),
            router: text(&view.router),
            task: text(&view.task),
            trigger: text(&view.trigger),
            executor: text(&view.executor),
            status: word(state.status),
            attempt: state.attempt,
            chain_depth: view.chain_depth,
            queued_at: view.queued_at.to_string(),
            started_at: time(state.started_at),
            ended_at: time(state.ended_at),
            error: state.error,
        }
    }
}

impl From<JobView> for JobResource {
    fn from(view: JobView) -> Self {
        Self {
            retry_at: time(view.summary.state.retry_at),
            summary: view.summary.into(),
            selector: text(&view.selector),
            trigger_param: view.trigger_param,
            select_param: view.select_param,
            job_param: view.job_param,
            result: view.result,
            attempts: view.attempts.into_iter().map(AttemptResource::from).collect(),
            by: view.by.map(RecordedActor::from),
            cancelled_by: view.cancelled_by.map(RecordedActor::from),
        }
    }
}

impl From<AttemptView> for AttemptResource {
    fn from(view: AttemptView) -> Self {
        Self {
            attempt: view.attempt,
            status: word(view.status),
            started_at: time(view.started_at).unwrap_or_default(),
            ended_at: time(view.ended_at),
            error: view.error,
        }
    }
}

impl From<EventView> for EventResource {
    fn from(view: EventView) -> Self {
        Self {
            id: text(&view.id),
            trigger: text(&view.trigger),
            trigger_param: view.trigger_param,
            chain_depth: view.chain_depth,
            accepted_at: view.accepted_at.to_string(),
            routed_at: time(view.routed_at),
            decisions: view.decisions.into_iter().map(DecisionResource::from).collect(),
            by: view.by.map(RecordedActor::from),
        }
    }
}

impl From<Actor> for RecordedActor {
    fn from(actor: Actor) -> Self {
        let optional = |name: Option<Name>| name.as_ref().map(text);
        Self {
            user: optional(actor.user),
            via: text(&actor.via),
            address: optional(actor.address),
            reason: optional(actor.reason),
        }
    }
}

impl From<Decided> for DecisionResource {
    fn from(decided: Decided) -> Self {
        let answer = match decided.said {
            SelectorResult::Match => "yes",
            SelectorResult::NoMatch => "no",
            SelectorResult::Error => "error",
        };
        Self {
            router: text(&decided.router),
            task: text(&decided.task),
            selector: text(&decided.selector),
            answer: answer.to_owned(),
            why: decided.why.into_owned(),
            job_id: decided.job_id.as_ref().map(text),
        }
    }
}

impl From<RecordedChange> for Change {
    fn from(change: RecordedChange) -> Self {
        match change {
            RecordedChange::Event { id, trigger, at } => {
                Self::Event { id: text(&id), trigger: text(&trigger), at: at.to_string() }
            }
            RecordedChange::Job { id, event_id, router, task, status, attempt, at } => Self::Job {
                id: text(&id),
                event_id: text(&event_id),
                router: text(&router),
                task: text(&task),
                status: word(status),
                attempt,
                at: at.to_string(),
            },
            RecordedChange::Missed { count } => Self::Missed { count },
        }
    }
}
