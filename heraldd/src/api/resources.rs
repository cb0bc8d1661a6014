//! What the store and other parts give, as the API shows it.

use herald_control::model::{
    Change, DrainResource, NodeResource, PauseResource, PublishedDiff, PublishedFileDiff, PublishedResource,
};
use herald_core::activation::Name;
use herald_overview::history::resources::actor;
use herald_projects::{FileDifference, PublicationPreview, PublishedProject};
use herald_remote::{KnownNode, Presence};
use herald_store::changes::RecordedChange;
use herald_store::history::JobStatus;
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
