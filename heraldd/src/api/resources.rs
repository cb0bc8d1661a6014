//! What the store and other parts give, as the API shows it.

use herald_control::model::{
    AttemptResource, Change, DecisionResource, DrainResource, EventResource, EventSummary, JobResource,
    NodeResource, Page, PauseResource, PublishedDiff, PublishedFileDiff, PublishedResource, RecordedActor,
};
use herald_core::activation::Name;
use herald_core::actor::Actor;
use herald_core::dispatcher::{Explained, ExplainedDecision};
use herald_core::journal::SelectorResult;
use herald_overview::job_list::summary;
use herald_projects::{FileDifference, PublicationPreview, PublishedProject};
use herald_remote::{KnownNode, Presence};
use herald_store::changes::RecordedChange;
use herald_store::history::{AttemptView, EventPage, EventSummaryView, EventView, JobStatus, JobView};
use herald_store::pauses::Pause;
use jiff::Timestamp;

fn text(name: &Name) -> String {
    name.to_string()
}

fn word(status: JobStatus) -> String {
    status.as_str().to_owned()
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// A page of events.
pub(super) fn events(page: EventPage) -> Page<EventSummary> {
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
pub(super) fn job(view: JobView) -> JobResource {
    JobResource {
        retry_at: time(view.summary.state.retry_at),
        summary: summary(view.summary),
        selector: text(&view.selector),
        trigger_param: view.trigger_param,
        select_param: view.select_param,
        job_param: view.job_param,
        result: view.result,
        waits_for: None,
        attempts: view.attempts.into_iter().map(attempt).collect(),
        by: view.by.map(actor),
        cancelled_by: view.cancelled_by.map(actor),
    }
}

/// An attempt of a job.
pub(super) fn attempt(view: AttemptView) -> AttemptResource {
    AttemptResource {
        attempt: view.attempt,
        status: word(view.status),
        started_at: time(view.started_at).unwrap_or_default(),
        ended_at: time(view.ended_at),
        error: view.error,
    }
}

/// An event.
pub(super) fn event(view: EventView, explained: Explained) -> EventResource {
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
pub(super) fn actor(actor: Actor) -> RecordedActor {
    let optional = |name: Option<Name>| name.as_ref().map(text);
    RecordedActor {
        user: optional(actor.user),
        via: text(&actor.via),
        address: optional(actor.address),
        reason: optional(actor.reason),
    }
}

/// What a selector answered.
pub(super) fn decision(explained: ExplainedDecision) -> DecisionResource {
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
pub(super) fn change(change: RecordedChange) -> Change {
    match change {
        RecordedChange::Event { id, trigger, at } => {
            Change::Event { id: text(&id), trigger: text(&trigger), at: at.to_string() }
        }
        RecordedChange::Job { id, event_id, router, task, status, attempt, at } => Change::Job {
            id: text(&id),
            event_id: text(&event_id),
            router: text(&router),
            task: text(&task),
            status: word(status),
            attempt,
            at: at.to_string(),
        },
        RecordedChange::Missed { count } => Change::Missed { count },
    }
}

/// A node of the fleet.
pub(super) fn node(node: KnownNode) -> NodeResource {
    let heartbeat = node.heartbeat();
    let running = heartbeat.filter(|_| node.presence == Presence::Online);
    NodeResource {
        state: node.presence.as_str().to_owned(),
        since: node.since.map(|at| at.to_string()),
        seen_at: node.seen_at.map(|at| at.to_string()),
        version: heartbeat.map(|heartbeat| heartbeat.version.clone()),
        running: running.map(|heartbeat| heartbeat.running as u64),
        clock_difference_ms: node.status.as_ref().and_then(|status| status.clock_difference_ms),
        name: node.name,
        host: node.host,
        tags: node.tags,
        error: node.error,
        drained: None,
    }
}

/// The drain of a node.
pub(super) fn drain(drain: Pause) -> DrainResource {
    DrainResource { node: drain.name, since: drain.since.to_string(), by: actor(drain.by) }
}

/// A pause of a router.
pub(super) fn pause(pause: Pause) -> PauseResource {
    PauseResource {
        router: pause.name,
        since: pause.since.to_string(),
        until: time(pause.until),
        by: actor(pause.by),
    }
}

/// A project that is published from etcd.
pub(super) fn published(project: PublishedProject) -> PublishedResource {
    PublishedResource {
        project: project.keys.project,
        host: project.keys.layout.host,
        prefix: project.keys.layout.prefix,
        state: project.state.as_str().to_owned(),
        revision: project.revision,
        files: project.files as u64,
        error: project.error,
        published_at: project.published_at,
    }
}

/// How a project differs from what a publication would write.
pub(super) fn diff(project: &str, preview: PublicationPreview) -> PublishedDiff {
    let file = |file: FileDifference| PublishedFileDiff {
        file: file.file,
        action: file.action.to_owned(),
        diff: file.diff,
    };
    let files: Vec<PublishedFileDiff> = preview.files.into_iter().map(file).collect();
    PublishedDiff { project: project.to_owned(), equal: files.is_empty(), files }
}
