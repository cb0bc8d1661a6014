//! The new tree is written on all nodes; none switches before all are ready. Then `once` runs on one of them.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use futures_util::stream;
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
        match outcome {
            Ok(result) => {
                let digest = exact(&result, "digest").unwrap_or_default();
                let change = |progress: &mut super::progress::DeploymentProgress| {
                    if let Some(node) = progress.node(name) {
                        (node.stage, node.sent, node.digest) = (NodeStage::Prepared, None, Some(digest));
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
                        node.stage =
                            if failure.unreachable { NodeStage::Untouched } else { NodeStage::Prepared };
                        (node.sent, node.error) = (None, Some(clipped(&failure.error, SENTENCE)));
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

    /// Runs the hook `once` on the first node that takes part.
    pub(super) async fn once(&self) -> Result<(), BookError> {
        let now = self.progress.now();
        let Some(first) = now.at(NodeStage::Prepared).into_iter().next() else { return Ok(()) };
        if now.once == OnceStage::Done || !now.switches.is_empty() {
            return Ok(());
        }
        let has_once = self.app.settings.node(&first).is_some_and(crate::settings::AppNode::has_once);
        if has_once {
            self.progress.change(|progress| progress.once = OnceStage::Sent).await?;
            let outcome = self.step(&first, StepName::Once, &self.stop).await?;
            if let Err(failure) = outcome {
                self.progress.change(|progress| unsent(progress, &first)).await?;
                return self.give_up(failure.kind.into(), format!("{first}: {}", failure.error)).await;
            }
        }
        self.progress
            .change(|progress| {
                progress.once = OnceStage::Done;
                unsent(progress, &first);
            })
            .await
    }
}

fn unsent(progress: &mut super::progress::DeploymentProgress, name: &str) {
    if let Some(node) = progress.node(name) {
        node.sent = None;
    }
}
