//! The old tree is put back.

use herald_base::failpoint;

use super::deployer::{DeployAction, Deployer};
use super::switch::rename_trees;
use crate::command::StepRun;
use crate::error::DeployError;
use crate::place::layout::DeployLayout;
use crate::place::record::{DeployPhase, DeployRecord, StepRecord};
use crate::place::swap;
use crate::place::tree::blocking;
use crate::target::DeployMode;
use crate::target::HookName;

impl Deployer {
    /// Puts back what was live before this deployment, then runs the hook `after` with `HERALD_ACTION=revert`; removes
    /// the tree that failed. A deployment that did not switch is only forgotten; so one that is unknown is fine.
    /// Returns whether something was put back.
    ///
    /// # Errors
    /// When the old tree cannot be put back, or the hook fails; the tree is put back then.
    pub async fn revert(&self, id: &str, run: &StepRun<'_>) -> Result<bool, DeployError> {
        let (_lock, mut record) = self.open(run).await?;
        self.settle(&mut record, run).await?;
        let Some(mut step) = record.step.clone().filter(|step| step.id == id) else { return Ok(false) };
        if step.phase != DeployPhase::Switched {
            self.abandon(&mut record).await?;
            return Ok(false);
        }
        step.phase = DeployPhase::Reverting;
        record.step = Some(step.clone());
        self.write(&mut record)?;
        failpoint!("deploy-reverting");
        self.put_back(&mut record, &step, run).await?;
        let served = self.layout.served();
        if served.exists() {
            let action = DeployAction::Revert.as_str();
            self.hook(HookName::After, &step, action, &served, run).await?;
        }
        Ok(true)
    }

    /// Makes the tree of before live, and forgets the deployment. It can be repeated after a crash at any moment.
    pub(super) async fn put_back(
        &self,
        record: &mut DeployRecord,
        step: &StepRecord,
        run: &StepRun<'_>,
    ) -> Result<(), DeployError> {
        match self.target.mode {
            DeployMode::InPlace if step.is_first => self.remove_first(step)?,
            DeployMode::InPlace => self.restore_copy(step, run).await?,
            DeployMode::Releases => match &step.from_tree {
                Some(name) => swap::relink(&self.layout.served(), &DeployLayout::link_target(name))?,
                None => remove_link(&self.layout)?,
            },
            DeployMode::Exchange => self.exchange_back(record, step).await?,
        }
        failpoint!("deploy-put-back");
        record.live.clone_from(&step.from_tree);
        record.revision.clone_from(&step.from);
        self.abandon(record).await
    }

    fn remove_first(&self, step: &StepRecord) -> Result<(), DeployError> {
        let path = &self.target.path;
        if step.fresh_inode.is_some() && swap::inode(path)? == step.fresh_inode {
            swap::exchange(path, &self.next(step))?;
        }
        Ok(())
    }

    async fn restore_copy(&self, step: &StepRecord, run: &StepRun<'_>) -> Result<(), DeployError> {
        let path = &self.target.path;
        let Some(from) = &step.from else {
            let (path, revision) = (path.clone(), "before".to_owned());
            let how = "it had files of several revisions before, which cannot be put back".to_owned();
            return Err(DeployError::NotAsDeployed { path, revision, how });
        };
        self.source.unlock(path, run).await?;
        match self.source.update(path, from, run).await {
            Err(DeployError::Conflicts(_)) => {
                // A hook changed files of the repository.
                let patch = self.layout.patch(&format!("{}.revert", step.id));
                self.source.discard(path, &patch, run).await?;
                self.source.update(path, from, run).await?;
            }
            other => other?,
        }
        if self.source.current(path, run).await?.revision.as_ref() == Some(from) {
            return Ok(());
        }
        self.source.repair(path, from, &step.to, run).await
    }

    async fn exchange_back(&self, record: &DeployRecord, step: &StepRecord) -> Result<(), DeployError> {
        let (layout, record, step) = (self.layout.clone(), record.clone(), step.clone());
        blocking(move || {
            rename_trees(&layout, &record)?;
            let inode_of = |name: &Option<String>| record.tree(name.as_deref()?).map(|tree| tree.inode);
            let live = swap::inode(&layout.path)?;
            if live.is_some() && live == inode_of(&step.to_tree) {
                match &step.from_tree {
                    Some(from) => swap::exchange(&layout.tree(from), &layout.path)?,
                    None => swap::exchange(&layout.path, &layout.tree(&step.to_tree.unwrap_or_default()))?,
                }
                failpoint!("deploy-exchanged-back");
            }
            rename_trees(&layout, &record)
        })
        .await
    }

    /// Forgets the deployment that is not finished; its tree goes, where it is neither live nor good.
    pub(super) async fn abandon(&self, record: &mut DeployRecord) -> Result<(), DeployError> {
        let Some(step) = record.step.take() else { return Ok(()) };
        let live = self.live_tree(record)?.map(|tree| tree.name.clone());
        let name = step.to_tree.filter(|name| Some(name) != live.as_ref());
        if let Some(name) = name.filter(|name| !record.tree(name).is_some_and(|tree| tree.is_good)) {
            self.remove_tree(&name).await?;
            record.trees.retain(|tree| tree.name != name);
        }
        self.write(record)
    }
}

fn remove_link(layout: &DeployLayout) -> Result<(), DeployError> {
    let link = layout.served();
    match std::fs::remove_file(&link) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(DeployError::io("remove", &link, error))
        }
        _ => Ok(()),
    }
}
