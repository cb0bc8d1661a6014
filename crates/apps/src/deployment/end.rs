//! The end of a deployment: nodes are informed that it was good, and it is recorded.

use std::collections::{BTreeMap, BTreeSet};

use herald_base::failpoint;
use jiff::Timestamp;

use super::plan::{LONGEST_LOG, LONGEST_MARKS};
use super::progress::{DeploymentProgress, GaveUpKind, NodeProgress, NodeStage};
use super::run::Deployment;
use crate::app::parts::AppParts;
use crate::book::{
    AppBook, BookError, DeploymentRecord, DeploymentStatus, DeploymentWay, Hold, NodeDeployment, NodeOutcome,
};
use crate::node::StepName;
use crate::settings::OfflineNode;

/// Who holds an application whose nodes are broken.
const HERALD: &str = "herald";

impl Deployment<'_> {
    /// Informs the nodes that it was good, so that they remove old trees.
    pub(super) async fn finish(&self) -> Result<(), BookError> {
        let stop = &self.after_all();
        let switched = self.progress.now().at(NodeStage::Switched);
        let finished = self.on_all(switched, |name| async move {
            if let Err(failure) = self.step(&name, StepName::Finish, stop).await? {
                let error = &failure.error;
                tracing::warn!(node = name, %error, "the node could not be informed; its next step does it");
            }
            let now = self.app.clock.now();
            let change = |progress: &mut DeploymentProgress| {
                if let Some(node) = progress.node(&name) {
                    node.ended(NodeStage::Finished, now);
                }
            };
            self.progress.change(change).await?;
            self.say(&format!("{name}: finished")).await;
            Ok(())
        });
        finished.await.into_iter().collect::<Result<Vec<()>, BookError>>()?;
        Ok(())
    }

    /// Records it.
    pub(super) async fn record(&self) -> Result<DeploymentRecord, BookError> {
        let (now, progress) = (self.app.clock.now(), self.progress.now());
        let record = record_of(self.app, &progress, now);
        self.say(&match &record.error {
            None => record.status.to_string(),
            Some(error) => format!("{}: {error}", record.status),
        })
        .await;
        failpoint!("apps-recording");
        // A newer commit that descends from a bad one clears the mark.
        let cleared = self.cleared_by(&record).await;
        let (app, kept) = (self.app, record.clone());
        self.app.book.change(move |book| note(book, app, &progress, kept, &cleared)).await?;
        self.app.announce.notify_one();
        Ok(record)
    }

    /// The bad marks that this deployment clears. What the repository does not say in time stays marked.
    async fn cleared_by(&self, record: &DeploymentRecord) -> Vec<String> {
        let mut cleared = Vec::new();
        let Some(to) = record.to.as_ref().filter(|_| record.status == DeploymentStatus::Succeeded) else {
            return cleared;
        };
        let (book, stop) = (self.app.book.now(), self.after_all());
        let asked = async {
            for bad in &book.bad {
                if let Ok(true) = self.app.source.is_ancestor(&bad.revision, to, LONGEST_LOG, &stop).await {
                    cleared.push(bad.revision.clone());
                }
            }
        };
        // Those that were found in time count.
        let _ = tokio::time::timeout(LONGEST_MARKS, asked).await;
        cleared
    }
}

/// What is known of the application after a deployment.
fn note(
    book: &mut AppBook,
    app: &AppParts,
    progress: &DeploymentProgress,
    record: DeploymentRecord,
    cleared: &[String],
) {
    let to = record.to.clone();
    if record.action == DeploymentWay::Rollback
        && record.status == DeploymentStatus::Succeeded
        && let Some(to) = &to
    {
        for left in what_is_left(book, progress, record.whole).into_iter().filter(|from| from != to) {
            book.mark_bad(&left, &progress.request.by_name, record.ended_at);
        }
    }
    book.bad.retain(|bad| !cleared.contains(&bad.revision));
    let catches_up = app.settings.strategy.offline == OfflineNode::CatchUp;
    for node in &progress.nodes {
        let known = book.nodes.entry(node.name.clone()).or_default();
        match node.stage {
            NodeStage::Finished => {
                *known = crate::book::KnownAppNode { revision: to.clone(), ..Default::default() }
            }
            NodeStage::Skipped if catches_up && record.status != DeploymentStatus::Held => {
                known.catch_up.clone_from(&to)
            }
            NodeStage::Broken => known.broken.clone_from(&node.error),
            NodeStage::Unknown => known.unfinished = Some(record.id.clone()),
            NodeStage::Reverted => {
                known.revision.clone_from(&node.from);
                known.broken = None;
            }
            _ if known.revision.is_none() => known.revision.clone_from(&node.from),
            _ => {}
        }
    }
    let has_all = app.settings.nodes.iter().all(|node| {
        let known = book.node(&node.name);
        known.revision == to || known.catch_up == to || is_left_out(progress, &node.name)
    });
    if record.status == DeploymentStatus::Succeeded && (record.whole || has_all) && book.revision != to {
        (book.revision, book.since) = (to, Some(record.ended_at));
    }
    let broken: Vec<&str> = progress
        .nodes
        .iter()
        .filter(|node| node.stage == NodeStage::Broken)
        .map(|node| &*node.name)
        .collect();
    if !broken.is_empty() && book.hold(record.ended_at).is_none() {
        let reason = format!("deployment {} could not be reverted on {}", record.id, broken.join(", "));
        book.hold = Some(Hold { reason, by: HERALD.to_owned(), since: record.ended_at, until: None });
    }
    book.record(record);
}

/// The revisions that a rollback leaves: what was recorded for all, and what nodes have on top of it. A node that was
/// away has an older one, of which nobody says that it is bad.
fn what_is_left(book: &AppBook, progress: &DeploymentProgress, is_whole: bool) -> BTreeSet<String> {
    let switched = progress.nodes.iter().filter(|node| node.stage == NodeStage::Finished);
    let ahead = switched.filter(|node| !book.is_behind(&node.name)).filter_map(|node| node.from.clone());
    progress.from.clone().filter(|_| is_whole).into_iter().chain(ahead).collect()
}

fn is_left_out(progress: &DeploymentProgress, name: &str) -> bool {
    progress.nodes.iter().any(|node| node.name == name && node.stage == NodeStage::Skipped)
}

fn record_of(app: &AppParts, progress: &DeploymentProgress, now: Timestamp) -> DeploymentRecord {
    let request = &progress.request;
    let catches_up = app.settings.strategy.offline == OfflineNode::CatchUp;
    let nodes: BTreeMap<String, NodeDeployment> = progress
        .nodes
        .iter()
        .map(|node| (node.name.clone(), node_record(node, progress.revision.as_ref(), catches_up)))
        .collect();
    DeploymentRecord {
        id: request.id(),
        app: app.settings.name.clone(),
        action: request.action,
        by: request.by.clone(),
        automatic: request.automatic,
        reason: request.reason.clone(),
        from: progress.from.clone(),
        to: progress.revision.clone(),
        commits: progress.commits.clone(),
        backward: progress.backward,
        status: status_of(progress, &nodes),
        nodes,
        error: progress.gave_up.as_ref().map(|gave_up| gave_up.error.clone()),
        digest: progress.digest.clone(),
        overridden: request.overrides,
        whole: app
            .settings
            .nodes
            .iter()
            .all(|node| progress.nodes.iter().any(|other| other.name == node.name)),
        started_at: progress.started_at,
        ended_at: now,
        job_id: request.job_id.clone(),
    }
}

fn node_record(node: &NodeProgress, to: Option<&String>, catches_up: bool) -> NodeDeployment {
    let (status, is_new) = match node.stage {
        NodeStage::Switched | NodeStage::Finished => (NodeOutcome::Succeeded, true),
        NodeStage::Reverted => (NodeOutcome::Reverted, false),
        NodeStage::Skipped if catches_up => (NodeOutcome::CatchUp, false),
        NodeStage::Skipped => (NodeOutcome::Skipped, false),
        NodeStage::Broken => (NodeOutcome::Broken, false),
        NodeStage::Unknown | NodeStage::SwitchFailed => (NodeOutcome::Unknown, false),
        NodeStage::Planned | NodeStage::Prepared | NodeStage::Untouched => match &node.error {
            Some(_) if node.timed_out => (NodeOutcome::TimedOut, false),
            Some(_) => (NodeOutcome::Failed, false),
            None => (NodeOutcome::Untouched, false),
        },
    };
    let is_known = !matches!(status, NodeOutcome::Broken | NodeOutcome::Unknown);
    let live = if is_new { to.cloned() } else { node.from.clone().filter(|_| is_known) };
    let (error, steps_ms) = (node.error.clone(), node.steps_ms.clone());
    NodeDeployment { from: node.from.clone(), to: live, status, error, steps_ms }
}

fn status_of(progress: &DeploymentProgress, nodes: &BTreeMap<String, NodeDeployment>) -> DeploymentStatus {
    let Some(gave_up) = &progress.gave_up else { return DeploymentStatus::Succeeded };
    let any = |statuses: &[NodeOutcome]| nodes.values().any(|node| statuses.contains(&node.status));
    if any(&[NodeOutcome::Succeeded, NodeOutcome::Broken, NodeOutcome::Unknown]) {
        return DeploymentStatus::Partial;
    }
    match gave_up.kind {
        GaveUpKind::Cancelled => DeploymentStatus::Cancelled,
        GaveUpKind::Held => DeploymentStatus::Held,
        _ if any(&[NodeOutcome::Reverted]) => DeploymentStatus::Reverted,
        GaveUpKind::TimedOut => DeploymentStatus::TimedOut,
        GaveUpKind::Lost => DeploymentStatus::Lost,
        GaveUpKind::Failed => DeploymentStatus::Failed,
    }
}
