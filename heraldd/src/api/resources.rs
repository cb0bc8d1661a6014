//! What nodes and projects give, as the API shows it.

use herald_control::model::{NodeResource, PublishedDiff, PublishedFileDiff, PublishedResource};
use herald_projects::{FileDifference, PublicationPreview, PublishedProject};
use herald_remote::{KnownNode, Presence};

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
    PublishedDiff { project: project.to_owned(), equal: files.is_empty(), files, held: preview.held }
}
