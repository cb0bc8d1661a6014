//! What the history gives, as the API shows it.

use herald_control::model::{
    AttemptResource, Change, DecisionResource, DrainResource, EventResource, EventSummary, JobResource, Page,
    PauseResource, RecordedActor,
};
use herald_core::activation::Name;
use herald_core::actor::Actor;
use herald_core::dispatcher::{Explained, ExplainedDecision};
use herald_core::journal::SelectorResult;
use herald_store::changes::RecordedChange;
use herald_store::history::{AttemptView, EventPage, EventSummaryView, EventView, JobView};
use herald_store::pauses::Pause;
use jiff::Timestamp;

use super::job_list::summary;

fn text(name: &Name) -> String {
    name.to_string()
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// A page of events.
#[must_use]
pub fn events(page: EventPage) -> Page<EventSummary> {
    let one = |view: EventSummaryView| EventSummary {
        id: text(&view.id),
        trigger: text(&view.trigger),
        chain_depth: view.chain_depth,
        accepted_at: view.accepted_at.to_string(),
        routed_at: time(view.routed_at),
        routers: view.routers.iter().map(text).collect(),
    };
    Page {
        items: page.events.into_iter().map(one).collect(),
        next_cursor: page.next_cursor.as_ref().map(text),
    }
}

/// A job.
#[must_use]
pub fn job(view: JobView) -> JobResource {
    JobResource {
        summary: summary(view.summary),
        selector: text(&view.selector),
        trigger_param: view.trigger_param,
        select_param: view.select_param,
        job_param: view.job_param,
        result: view.result,
        attempts: view.attempts.into_iter().map(attempt).collect(),
        by: view.by.map(actor),
        cancelled_by: view.cancelled_by.map(actor),
    }
}

/// An attempt of a job.
fn attempt(view: AttemptView) -> AttemptResource {
    AttemptResource {
        attempt: view.attempt,
        status: view.status.as_str().to_owned(),
        started_at: time(view.started_at).unwrap_or_default(),
        ended_at: time(view.ended_at),
        error: view.error,
    }
}

/// An event.
#[must_use]
pub fn event(view: EventView, explained: Explained) -> EventResource {
    EventResource {
        id: text(&view.id),
        trigger: text(&view.trigger),
        trigger_param: view.trigger_param,
        chain_depth: view.chain_depth,
        accepted_at: view.accepted_at.to_string(),
        routed_at: time(view.routed_at),
        decisions: explained.decisions.into_iter().map(decision).collect(),
        decisions_left_out: explained.left_out,
        by: view.by.map(actor),
    }
}

/// Who or what caused something.
#[must_use]
pub fn actor(actor: Actor) -> RecordedActor {
    let optional = |name: Option<Name>| name.as_ref().map(text);
    RecordedActor {
        user: optional(actor.user),
        via: text(&actor.via),
        address: optional(actor.address),
        reason: optional(actor.reason),
    }
}

/// What a selector answered.
fn decision(explained: ExplainedDecision) -> DecisionResource {
    let ExplainedDecision { decision: decided, asked_again } = explained;
    let answer = match decided.said {
        SelectorResult::Match => "yes",
        SelectorResult::NoMatch => "no",
        SelectorResult::Error => "error",
    };
    DecisionResource {
        router: text(&decided.router),
        task: text(&decided.task),
        selector: text(&decided.selector),
        answer: answer.to_owned(),
        why: decided.why.into_owned(),
        job_id: decided.job_id.as_ref().map(text),
        asked_again,
    }
}

/// What was recorded just now.
#[must_use]
pub fn change(change: RecordedChange) -> Change {
    match change {
        RecordedChange::Event { id, trigger, at } => {
            Change::Event { id: text(&id), trigger: text(&trigger), at: at.to_string() }
        }
        RecordedChange::Job { id, event_id, router, task, status, attempt, at } => Change::Job {
            id: text(&id),
            event_id: text(&event_id),
            router: text(&router),
            task: text(&task),
            status: status.as_str().to_owned(),
            attempt,
            at: at.to_string(),
        },
        RecordedChange::State { at } => Change::State { at: at.to_string() },
        RecordedChange::Missed { count } => Change::Missed { count },
    }
}

/// The drain of a node.
#[must_use]
pub fn drain(drain: Pause) -> DrainResource {
    DrainResource { node: drain.name, since: drain.since.to_string(), by: actor(drain.by) }
}

/// A pause of a router.
#[must_use]
pub fn pause(pause: Pause) -> PauseResource {
    PauseResource {
        router: pause.name,
        since: pause.since.to_string(),
        until: time(pause.until),
        by: actor(pause.by),
    }
}
