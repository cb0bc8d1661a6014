//! A step is sent to a node, and joined by the next process when this one is killed.

use herald_base::failpoint;
use herald_base::stop::Stop;
use herald_deploy::DeployMode;
use serde_json::Value;

use super::progress::{DeploymentProgress, NodeProgress};
use super::run::Deployment;
use crate::book::BookError;
use crate::node::{NodeStepOutcome, StepCall, StepName};

impl Deployment<'_> {
    /// Sends a step to a node and notes that before; a step that an earlier process sent is joined. That process may
    /// have been killed before the node had it: then it is sent now, under another name, where it does not hurt should
    /// the node have been killed, too.
    pub(super) async fn step(
        &self,
        node: &str,
        name: StepName,
        stop: &Stop,
    ) -> Result<NodeStepOutcome, BookError> {
        let mut joined = self.of_node(node).is_some_and(|known| known.sent == Some(name));
        if !joined {
            let now = Some(self.app.clock.now());
            self.note_step(node, |known| (known.sent, known.again, known.sent_at) = (Some(name), 0, now))
                .await?;
            failpoint!("apps-sent");
        }
        loop {
            let again = self.of_node(node).map_or(0, |known| known.again);
            let revision = self.progress.now().revision.clone().unwrap_or_default();
            let mut call = StepCall { stop: stop.clone(), joined, ..self.call(name, &revision) };
            if again > 0 {
                call.job_id = format!("{}-{}", call.job_id, again + 1);
            }
            let outcome = self.app.steps.run(node, call).await;
            let is_unknown = joined && outcome.as_ref().is_err_and(|failure| failure.unknown);
            if !is_unknown || !self.may_be_sent_again(node, name).await {
                return Ok(outcome);
            }
            self.note_step(node, |known| known.again += 1).await?;
            joined = false;
            failpoint!("apps-sent-again");
        }
    }

    /// Whether a step may run that may have been begun, and ended with its node.
    async fn may_be_sent_again(&self, node: &str, name: StepName) -> bool {
        match name {
            // The first one writes what nobody sees, the others change nothing that is done already.
            StepName::Prepare | StepName::Revert | StepName::Finish => true,
            // Where the new tree is live, its hooks have run, or some of them.
            StepName::Switch => self.is_at(node, &["prepared", "updated"]).await,
            // It runs once. A working copy is updated before, so it has not run where that is not so.
            StepName::Once => {
                self.app.settings.mode == DeployMode::InPlace && self.is_at(node, &["prepared"]).await
            }
            StepName::Plan | StepName::Status => false,
        }
    }

    /// Whether the node says that this deployment is so far there, and no further: `prepared`, or `updated` by `once`.
    async fn is_at(&self, node: &str, phases: &[&str]) -> bool {
        let id = self.progress.now().request.id();
        let mut call = self.call(StepName::Status, "0");
        call.job_id = format!("{}-{}", call.job_id, self.app.clock.unix_millis());
        let Ok(status) = self.app.steps.run(node, call).await else { return false };
        let text = |key: &str| status.get(key).and_then(Value::as_str);
        let flag = |key: &str| status.get(key).and_then(Value::as_bool).unwrap_or(false);
        let phase = if flag("is_updated") { Some("updated") } else { text("phase") };
        !flag("is_busy")
            && text("deployment") == Some(&id)
            && phase.is_some_and(|phase| phases.contains(&phase))
    }

    fn of_node(&self, node: &str) -> Option<NodeProgress> {
        self.progress.now().nodes.iter().find(|known| known.name == node).cloned()
    }

    async fn note_step(
        &self,
        node: &str,
        change: impl FnOnce(&mut NodeProgress) + Send,
    ) -> Result<(), BookError> {
        let note = move |progress: &mut DeploymentProgress| {
            if let Some(known) = progress.node(node) {
                change(known);
            }
        };
        self.progress.change(note).await
    }
}
