//! The new trees become live: canaries first, then the others, so many at once.

use herald_base::stop::Stop;
use herald_remote::RunnerFailureKind;

use super::progress::{GaveUpKind, NodeStage, OnceStage};
use super::run::Deployment;
use crate::book::BookError;
use crate::clipped::{SENTENCE, clipped};
use crate::node::{NodeStepOutcome, StepName};
use crate::settings::OnFailure;

impl Deployment<'_> {
    /// Switches the nodes in waves. What an earlier process sent comes first: it may be done already.
    pub(super) async fn switch(&self) -> Result<(), BookError> {
        let strategy = &self.app.settings.strategy;
        let sent = |node: &super::progress::NodeProgress| node.sent == Some(StepName::Switch);
        let joined: Vec<String> = self
            .progress
            .now()
            .nodes
            .iter()
            .filter(|node| sent(node))
            .map(|node| node.name.clone())
            .collect();
        self.wave(joined).await?;
        if self.goes_on().await? {
            // The node whose copy `once` has updated is the first, and alone.
            let now = self.progress.now();
            let prepared = now.at(NodeStage::Prepared);
            self.wave(prepared.into_iter().filter(|name| now.switches.contains(name)).collect()).await?;
        }
        let mut is_first = self.progress.now().switches.is_empty();
        while self.may_switch().await? {
            let now = self.progress.now();
            let waiting = now.at(NodeStage::Prepared);
            if waiting.is_empty() {
                return Ok(());
            }
            if !std::mem::take(&mut is_first) && !strategy.pause.is_zero() {
                self.pause(strategy.pause).await;
                if !self.may_switch().await? {
                    return Ok(());
                }
            }
            let at_once = strategy.max_parallel.max(1);
            let canaries_left = strategy.canary.saturating_sub(now.switches.len());
            let size = if canaries_left > 0 { canaries_left.min(at_once) } else { at_once };
            self.wave(waiting.into_iter().take(size).collect()).await?;
        }
        Ok(())
    }

    /// With `continue` a node that failed holds up nobody, unless `once` has not run.
    async fn may_switch(&self) -> Result<bool, BookError> {
        if self.goes_on().await? {
            return Ok(true);
        }
        let now = self.progress.now();
        let has_begun = !now.switches.is_empty();
        let is_cancelled = now.gave_up.as_ref().is_some_and(|gave_up| gave_up.kind == GaveUpKind::Cancelled);
        Ok(has_begun
            && now.once == OnceStage::Done
            && !is_cancelled
            && !self.stop.is_asked()
            && self.app.settings.on_failure == OnFailure::Continue)
    }

    async fn pause(&self, pause: std::time::Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.stop.asked() => {}
        }
    }

    async fn wave(&self, names: Vec<String>) -> Result<(), BookError> {
        if names.is_empty() {
            return Ok(());
        }
        for name in &names {
            self.say(&format!("{name}: switching")).await;
        }
        let note = names.clone();
        self.progress
            .change(move |progress| {
                let new =
                    note.into_iter().filter(|name| !progress.switches.contains(name)).collect::<Vec<_>>();
                progress.switches.extend(new);
            })
            .await?;
        let switched = self.on_all(names, |name| async move {
            let outcome = self.step(&name, StepName::Switch, &self.stop).await?;
            self.switched(&name, outcome).await
        });
        switched.await.into_iter().collect::<Result<Vec<()>, BookError>>()?;
        Ok(())
    }

    pub(super) async fn switched(&self, name: &str, outcome: NodeStepOutcome) -> Result<(), BookError> {
        let now = self.app.clock.now();
        let failure = match outcome {
            Ok(result) => {
                self.say(&format!("{name}: switched")).await;
                let change = |progress: &mut super::progress::DeploymentProgress| {
                    if let Some(node) = progress.node(name) {
                        node.ended(NodeStage::Switched, now);
                        node.note_parts(&result);
                    }
                };
                return self.progress.change(change).await;
            }
            Err(failure) => failure,
        };
        let error = format!("{name}: {}", failure.error);
        self.progress
            .change(|progress| {
                if let Some(node) = progress.node(name) {
                    node.ended(NodeStage::SwitchFailed, now);
                    node.note_parts(&failure.result);
                    node.error = Some(clipped(&failure.error, SENTENCE));
                    node.timed_out = failure.kind == RunnerFailureKind::TimedOut;
                }
            })
            .await?;
        self.give_up(failure.kind.into(), error).await?;
        // The failing node goes back in any case; with `rollback` it is the first of all.
        if self.app.settings.on_failure == OnFailure::Continue {
            self.revert(name, &self.after_all()).await?;
        }
        Ok(())
    }

    /// What ends the steps that put things right: a cancelled deployment is reverted all the same.
    pub(super) fn after_all(&self) -> Stop {
        Stop { forced: self.stop.forced.clone(), shutdown: self.stop.shutdown.clone(), ..Stop::new() }
    }
}
