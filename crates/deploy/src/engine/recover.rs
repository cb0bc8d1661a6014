//! After a crash the tree is made wholly old or wholly new.

use serde::Serialize;

use super::deployer::Deployer;
use super::switch::rename_trees;
use crate::command::StepRun;
use crate::error::DeployError;
use crate::place::record::{DeployPhase, DeployRecord, StepRecord};
use crate::place::swap;
use crate::target::DeployMode;

/// What was found, and made whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeployRecovery {
    /// The deployment that is not finished; `None` where there is none (any more).
    pub deployment: Option<String>,
    /// `prepared`: the old tree is live, and it can be switched to the new one. `switched`: the new tree is live, and
    /// it can be verified, finished or reverted; its hook `after` may not have run.
    pub phase: Option<DeployPhase>,
    /// The revision of that deployment.
    pub revision: Option<String>,
    /// Whether something was repaired, completed or removed.
    pub is_repaired: bool,
}

impl Deployer {
    /// Makes the tree wholly old or wholly new after a process was killed in any step, and removes what it left. Call
    /// it when a machine starts, and before a plan; every step does it too.
    ///
    /// # Errors
    /// When another deployment works on the path, or the tree cannot be repaired; it can be tried again.
    pub async fn recover(&self, run: &StepRun<'_>) -> Result<DeployRecovery, DeployError> {
        if !self.layout.record().exists() {
            return Ok(DeployRecovery::default());
        }
        let (_lock, mut record) = self.open(run).await?;
        let is_repaired = self.settle(&mut record, run).await?;
        let step = record.step.as_ref();
        Ok(DeployRecovery {
            deployment: step.map(|step| step.id.clone()),
            phase: step.map(|step| step.phase),
            revision: step.map(|step| step.to.clone()),
            is_repaired,
        })
    }

    /// The same under the lock. Afterwards an unfinished deployment is `prepared` or `switched`.
    pub(super) async fn settle(
        &self,
        record: &mut DeployRecord,
        run: &StepRun<'_>,
    ) -> Result<bool, DeployError> {
        let Some(mut step) = record.step.clone() else {
            return self.sweep(record).await;
        };
        match step.phase {
            DeployPhase::Prepared | DeployPhase::Switched => return Ok(false),
            DeployPhase::Preparing => self.abandon(record).await?,
            DeployPhase::Reverting => {
                if self.target.mode == DeployMode::InPlace
                    && let Some(from) = step.from.as_ref().filter(|_| !step.is_first)
                {
                    self.source.repair(&self.target.path, from, &step.to, run).await?;
                }
                self.put_back(record, &step, run).await?;
            }
            DeployPhase::Switching => {
                if self.is_switched(record, &step, run).await? {
                    self.now_live(record, &mut step)?;
                } else {
                    step.phase = DeployPhase::Prepared;
                    record.step = Some(step);
                    self.write(record)?;
                }
            }
        }
        Ok(true)
    }

    /// Whether the new tree is live. A working copy that is neither is made old.
    async fn is_switched(
        &self,
        record: &DeployRecord,
        step: &StepRecord,
        run: &StepRun<'_>,
    ) -> Result<bool, DeployError> {
        let path = &self.target.path;
        match self.target.mode {
            DeployMode::Releases => Ok(swap::linked(&self.layout.served()) == step.to_tree),
            DeployMode::Exchange => {
                rename_trees(&self.layout, record)?;
                let live = self.live_tree(record)?.map(|tree| tree.name.clone());
                Ok(live.is_some() && live == step.to_tree)
            }
            DeployMode::InPlace if step.is_first => {
                Ok(step.fresh_inode.is_some() && swap::inode(path)? == step.fresh_inode)
            }
            DeployMode::InPlace => {
                // An interrupted operation may have left a copy that cannot be read.
                let state = self.source.current(path, run).await;
                let revision = state.ok().and_then(|state| state.revision);
                if revision.as_ref() == Some(&step.to) && step.from.as_ref() != Some(&step.to) {
                    self.source.unlock(path, run).await?;
                    return Ok(true);
                }
                match &step.from {
                    Some(from) => self.source.repair(path, from, &step.to, run).await?,
                    None => self.source.update(path, &step.to, run).await?,
                }
                Ok(step.from.is_none())
            }
        }
    }

    /// Removes what a killed `finish` left.
    async fn sweep(&self, record: &mut DeployRecord) -> Result<bool, DeployError> {
        let before = record.trees.len();
        self.prune(record).await?;
        Ok(record.trees.len() != before)
    }
}
