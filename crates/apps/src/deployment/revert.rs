//! After a failure: nodes go back, what was prepared is removed; a node that cannot go back is broken.

use herald_remote::RunnerFailureKind;

use super::progress::NodeStage;
use super::run::Deployment;
use crate::book::BookError;
use crate::clipped::{SENTENCE, clipped};
use crate::node::StepName;
use crate::settings::OnFailure;

impl Deployment<'_> {
    /// What has to be undone is undone: the nodes that switched, in reverse order; then what waits on the others.
    pub(super) async fn undo(&self) -> Result<(), BookError> {
        let stop = &self.after_all();
        let now = self.progress.now();
        let goes_back = |name: &str, stage: NodeStage| match stage {
            NodeStage::SwitchFailed => true,
            NodeStage::Switched => self.app.settings.on_failure == OnFailure::Rollback,
            NodeStage::Prepared => self.is_updated_by_once(name),
            _ => false,
        };
        let stage_of = |name: &str| now.nodes.iter().find(|node| node.name == name).map(|node| node.stage);
        let back: Vec<&String> = now
            .switches
            .iter()
            .rev()
            .filter(|name| stage_of(name).is_some_and(|stage| goes_back(name, stage)))
            .collect();
        for name in back {
            self.revert(name, stop).await?;
        }
        let waiting = self.progress.now().at(NodeStage::Prepared);
        let removed = self.on_all(waiting, |name| async move { self.forget(&name, stop).await });
        removed.await.into_iter().collect::<Result<Vec<()>, BookError>>()?;
        let planned = self.progress.now().at(NodeStage::Planned);
        self.progress
            .change(|progress| {
                for name in planned {
                    if let Some(node) = progress.node(&name) {
                        node.stage = NodeStage::Untouched;
                    }
                }
            })
            .await
    }

    /// Puts the old tree of a node back. There is no second try.
    pub(super) async fn revert(&self, name: &str, stop: &herald_base::stop::Stop) -> Result<(), BookError> {
        self.say(&format!("{name}: reverting")).await;
        let outcome = self.step(name, StepName::Revert, stop).await?;
        let (stage, error) = match outcome {
            Ok(_) => (NodeStage::Reverted, None),
            Err(failure) if failure.unreachable || failure.kind == RunnerFailureKind::Lost => {
                (NodeStage::Unknown, Some(failure.error))
            }
            // The old tree is live; what its hook or its health check says is for people to look at.
            Err(failure) if failure.is_reverted() => {
                (NodeStage::Reverted, Some(format!("reverted, but then: {}", failure.error)))
            }
            Err(failure) => (NodeStage::Broken, Some(format!("the revert failed: {}", failure.error))),
        };
        let now = self.app.clock.now();
        self.say(&format!("{name}: {}", error.as_deref().unwrap_or("reverted"))).await;
        self.progress
            .change(|progress| {
                if let Some(node) = progress.node(name) {
                    node.ended(stage, now);
                    if let Some(error) = error {
                        let first = node.error.take().map(|first| format!("{first}; ")).unwrap_or_default();
                        node.error = Some(clipped(&format!("{first}{error}"), 2 * SENTENCE));
                    }
                }
            })
            .await
    }

    /// Removes what was prepared on a node. Its old tree is live, whatever comes of it.
    async fn forget(&self, name: &str, stop: &herald_base::stop::Stop) -> Result<(), BookError> {
        if let Err(failure) = self.step(name, StepName::Revert, stop).await? {
            let error = &failure.error;
            tracing::warn!(node = name, %error, "what was prepared is not removed; the next deployment does it");
        }
        let now = self.app.clock.now();
        self.progress
            .change(|progress| {
                if let Some(node) = progress.node(name) {
                    node.ended(NodeStage::Untouched, now);
                }
            })
            .await
    }
}
