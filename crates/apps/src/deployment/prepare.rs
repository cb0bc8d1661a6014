//! The new tree is written on all nodes; none switches before all are ready. Then `once` runs on one of them.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use futures_util::stream;
use herald_deploy::DeployMode;
use herald_remote::RunnerFailureKind;

use super::plan::AT_ONCE;
use super::progress::{NodeStage, OnceStage};
use super::run::Deployment;
use crate::book::BookError;
use crate::clipped::{SENTENCE, clipped, exact};
use crate::node::{NodeStepOutcome, StepName};

impl Deployment<'_> {
    /// Does the same for all these nodes, several at once.
    pub(super) async fn on_all<R, F>(&self, names: Vec<String>, one: impl Fn(String) -> F) -> Vec<R>
    where
        F: Future<Output = R>,
    {
        stream::iter(names).map(one).buffer_unordered(AT_ONCE).collect().await
    }

    /// Writes the new tree on all nodes. When one fails, all give up.
    pub(super) async fn prepare(&self) -> Result<(), BookError> {
        let names = self.progress.now().at(NodeStage::Planned);
        if !names.is_empty() {
            self.say("preparing").await;
        }
        let stop = &self.stop;
        let prepared = self.on_all(names, |name| async move {
            let outcome = self.step(&name, StepName::Prepare, stop).await?;
            self.prepared(&name, outcome).await
        });
        prepared.await.into_iter().collect::<Result<Vec<()>, BookError>>()?;
        self.compare_digests().await
    }

    async fn prepared(&self, name: &str, outcome: NodeStepOutcome) -> Result<(), BookError> {
        let now = self.app.clock.now();
        match outcome {
            Ok(result) => {
                let digest = exact(&result, "digest").unwrap_or_default();
                let change = |progress: &mut super::progress::DeploymentProgress| {
                    if let Some(node) = progress.node(name) {
                        node.ended(NodeStage::Prepared, now);
                        node.digest = Some(digest);
                    }
                };
                self.progress.change(change).await?;
                self.say(&format!("{name}: prepared")).await;
                Ok(())
            }
            Err(failure) => {
                let error = format!("{name}: {}", failure.error);
                let change = |progress: &mut super::progress::DeploymentProgress| {
                    if let Some(node) = progress.node(name) {
                        // What was written of the new tree is removed by the step `revert`.
                        let is_untouched = failure.unreachable;
                        node.ended(
                            if is_untouched { NodeStage::Untouched } else { NodeStage::Prepared },
                            now,
                        );
                        node.error = Some(clipped(&failure.error, SENTENCE));
                        node.timed_out = failure.kind == RunnerFailureKind::TimedOut;
                    }
                };
                self.progress.change(change).await?;
                self.give_up(failure.kind.into(), error).await
            }
        }
    }

    /// All nodes must hold the same files.
    async fn compare_digests(&self) -> Result<(), BookError> {
        let now = self.progress.now();
        if now.gave_up.is_some() {
            return Ok(());
        }
        let digests: BTreeSet<&str> = now
            .nodes
            .iter()
            .filter_map(|node| node.digest.as_deref())
            .filter(|digest| !digest.is_empty())
            .collect();
        match digests.len() {
            0 => Ok(()),
            1 => {
                let digest = digests.first().map(|&digest| digest.to_owned());
                self.progress.change(|progress| progress.digest = digest).await
            }
            _ => {
                let each: Vec<String> = now
                    .nodes
                    .iter()
                    .filter_map(|node| Some(format!("{} {}", node.name, node.digest.as_deref()?)))
                    .collect();
                let error =
                    format!("the nodes do not hold the same files of this revision: {}", each.join(", "));
                self.give_up(super::progress::GaveUpKind::Failed, error).await
            }
        }
    }

    /// Runs the hook `once` on the first node that takes part. With `in_place` that updates the node, which is the
    /// first to switch then.
    pub(super) async fn once(&self) -> Result<(), BookError> {
        let Some(first) = self.runs_once() else { return Ok(()) };
        let is_in_place = self.app.settings.mode == DeployMode::InPlace;
        let has_once = self.app.settings.node(&first).is_some_and(crate::settings::AppNode::has_once);
        if has_once {
            self.progress.change(|progress| note_once(progress, &first, is_in_place)).await?;
            if let Err(failure) = self.step(&first, StepName::Once, &self.stop).await? {
                if is_in_place {
                    return self.switched(&first, Err(failure)).await;
                }
                let now = self.app.clock.now();
                self.progress.change(|progress| unsent(progress, &first, now)).await?;
                return self.give_up(failure.kind.into(), format!("{first}: {}", failure.error)).await;
            }
        }
        let now = self.app.clock.now();
        self.progress
            .change(|progress| {
                progress.once = OnceStage::Done;
                unsent(progress, &first, now);
            })
            .await
    }

    /// Whether an earlier process sent `once`, which is joined whatever has happened since: with `in_place` the copy
    /// may be new already.
    pub(super) fn has_sent_once(&self) -> bool {
        self.progress.now().nodes.iter().any(|node| node.sent == Some(StepName::Once))
    }

    /// Whether this is the node whose copy is, or may be, new since `once` needs that.
    pub(super) fn is_updated_by_once(&self, name: &str) -> bool {
        let (app, now) = (&self.app.settings, self.progress.now());
        let has_once = app.node(name).is_some_and(crate::settings::AppNode::has_once);
        let is_sent =
            now.once != OnceStage::NotRun && now.switches.first().is_some_and(|first| first == name);
        app.mode == DeployMode::InPlace && has_once && is_sent
    }

    /// The node that runs `once`, where that is not done.
    fn runs_once(&self) -> Option<String> {
        let now = self.progress.now();
        if let Some(sent) = now.nodes.iter().find(|node| node.sent == Some(StepName::Once)) {
            return Some(sent.name.clone());
        }
        let is_due = match now.once {
            OnceStage::NotRun => now.switches.is_empty(),
            OnceStage::Sent => now.gave_up.is_none(),
            OnceStage::Done => false,
        };
        now.at(NodeStage::Prepared).into_iter().next().filter(|_| is_due)
    }
}

fn note_once(progress: &mut super::progress::DeploymentProgress, first: &str, is_in_place: bool) {
    progress.once = OnceStage::Sent;
    if is_in_place && progress.switches.is_empty() {
        progress.switches.push(first.to_owned());
    }
}

fn unsent(progress: &mut super::progress::DeploymentProgress, name: &str, now: jiff::Timestamp) {
    if let Some(node) = progress.node(name) {
        node.answered(now);
    }
}
