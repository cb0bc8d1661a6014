//! The new tree becomes live.

use herald_base::failpoint;

use super::deployer::Deployer;
use crate::command::StepRun;
use crate::error::DeployError;
use crate::place::record::{DeployPhase, DeployRecord, KeptTree, StepRecord};
use crate::place::tree::blocking;
use crate::place::{layout::DeployLayout, swap, tree};
use crate::target::HookName;
use crate::target::{DeployMode, LocalChanges};

impl Deployer {
    /// Makes the prepared tree live, then runs the hook `after` (and with `in_place` `build` before it), unless
    /// [`Deployer::once`] has done so. Where the hook fails the new tree stays live, until [`Deployer::revert`].
    ///
    /// # Errors
    /// When the deployment is not prepared, the tree cannot be changed (it is the old one then), or a hook fails.
    pub async fn switch(&self, id: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
        let (_lock, mut record) = self.open(run).await?;
        self.settle(&mut record, run).await?;
        let step = record.step.clone().filter(|step| step.id == id);
        let Some(mut step) = step else {
            return Err(DeployError::OutOfOrder { id: id.to_owned(), how: "it is not prepared".to_owned() });
        };
        if step.phase != DeployPhase::Switched {
            self.make_live(&mut record, &mut step, run).await?;
        }
        let served = self.layout.served();
        if std::mem::take(&mut step.is_updated) {
            record.step = Some(step.clone());
            self.write(&mut record)?;
        } else if self.target.mode == DeployMode::InPlace {
            self.hook(HookName::Build, &step, &step.action, &served, run).await?;
        }
        self.hook(HookName::After, &step, &step.action, &served, run).await
    }

    /// A working copy has no new tree before the switch: it is updated, and built, and then `once` runs in it. What is
    /// left for the switch is noted, so that nothing of this runs twice.
    pub(super) async fn once_in_place(
        &self,
        record: &mut DeployRecord,
        step: &mut StepRecord,
        run: &StepRun<'_>,
    ) -> Result<(), DeployError> {
        self.make_live(record, step, run).await?;
        let served = self.layout.served();
        for hook in [HookName::Build, HookName::Once] {
            self.hook(hook, step, &step.action, &served, run).await?;
        }
        step.is_updated = true;
        record.step = Some(step.clone());
        self.write(record)
    }

    async fn make_live(
        &self,
        record: &mut DeployRecord,
        step: &mut StepRecord,
        run: &StepRun<'_>,
    ) -> Result<(), DeployError> {
        self.adopt(record, step)?;
        step.phase = DeployPhase::Switching;
        record.step = Some(step.clone());
        self.write(record)?;
        failpoint!("deploy-switching");
        if let Err(error) = self.change(record, step, run).await {
            self.settle(record, run).await?;
            return Err(error);
        }
        failpoint!("deploy-changed");
        self.now_live(record, step)?;
        failpoint!("deploy-switched");
        Ok(())
    }

    /// Looks whether what is live is what was deployed: `svnversion` and `status`, the commit and the status, or the
    /// digest of every file.
    ///
    /// # Errors
    /// When it is not.
    pub async fn verify(&self, id: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
        let (_lock, record) = self.open(run).await?;
        let step = record.step.as_ref().filter(|step| step.id == id && step.phase == DeployPhase::Switched);
        let Some(step) = step else {
            return Err(DeployError::OutOfOrder { id: id.to_owned(), how: "it is not live".to_owned() });
        };
        let state = self.state(&record, run).await?;
        let wrong = |how: String| {
            let (path, revision) = (self.layout.served(), step.to.clone());
            Err(DeployError::NotAsDeployed { path, revision, how })
        };
        if state.revision.as_ref() != Some(&step.to) {
            return wrong(format!("it is {}", state.described));
        }
        let is_in_place = self.target.mode == DeployMode::InPlace;
        // With these the files of a working copy may differ from the repository.
        let hooks = &self.target.hooks;
        let may_differ =
            self.target.local_changes == LocalChanges::Keep || hooks.build.is_some() || hooks.once.is_some();
        if !(state.modified.is_empty() || is_in_place && may_differ) {
            return wrong(format!("these files differ: {}", state.modified.join(", ")));
        }
        Ok(())
    }

    pub(super) fn now_live(
        &self,
        record: &mut DeployRecord,
        step: &mut StepRecord,
    ) -> Result<(), DeployError> {
        step.phase = DeployPhase::Switched;
        record.live = step.to_tree.clone().filter(|_| self.target.mode != DeployMode::InPlace);
        record.revision = Some(step.to.clone());
        record.step = Some(step.clone());
        self.write(record)
    }

    /// A folder that Herald did not deploy becomes the first tree; it is never removed.
    fn adopt(&self, record: &mut DeployRecord, step: &mut StepRecord) -> Result<(), DeployError> {
        if self.target.mode != DeployMode::Exchange || self.live_tree(record)?.is_some() {
            return Ok(());
        }
        let Some(inode) = swap::inode(&self.target.path)? else { return Ok(()) };
        let (name, revision) = (format!("{ADOPTED}{}", step.id), step.from.clone().unwrap_or_default());
        step.from_tree = Some(name.clone());
        record.trees.insert(0, KeptTree { name, revision, digest: String::new(), inode, is_good: true });
        Ok(())
    }

    async fn change(
        &self,
        record: &DeployRecord,
        step: &StepRecord,
        run: &StepRun<'_>,
    ) -> Result<(), DeployError> {
        match self.target.mode {
            DeployMode::InPlace => self.change_copy(step, run).await,
            DeployMode::Releases => {
                let name = step.to_tree.clone().unwrap_or_default();
                swap::relink(&self.layout.served(), &DeployLayout::link_target(&name))
            }
            DeployMode::Exchange => {
                let (layout, entries) = (self.layout.clone(), self.target.shared.clone());
                let (record, name) = (record.clone(), step.to_tree.clone().unwrap_or_default());
                blocking(move || {
                    if swap::inode(&layout.path)?.is_some() {
                        tree::adopt_shared(&layout.path, &layout.shared(), &entries)?;
                    }
                    failpoint!("deploy-shared");
                    swap::exchange(&layout.tree(&name), &layout.path)?;
                    failpoint!("deploy-exchanged");
                    rename_trees(&layout, &record)
                })
                .await
            }
        }
    }

    async fn change_copy(&self, step: &StepRecord, run: &StepRun<'_>) -> Result<(), DeployError> {
        let path = &self.target.path;
        if step.is_first {
            // An empty folder makes room; one that is not empty stays.
            let _ = std::fs::remove_dir(path);
            return swap::exchange(&self.next(step), path);
        }
        let changed = self.source.current(path, run).await?.modified;
        match self.target.local_changes {
            _ if changed.is_empty() => {}
            LocalChanges::Refuse => return Err(DeployError::LocalChanges(changed)),
            LocalChanges::Keep => {}
            LocalChanges::Discard => self.source.discard(path, &self.layout.patch(&step.id), run).await?,
        }
        failpoint!("deploy-updating");
        self.source.update(path, &step.to, run).await
    }
}

/// The beginning of the name of a tree that Herald did not deploy.
pub(super) const ADOPTED: &str = "adopted-";

/// After an exchange the tree that was live has the name of the other one: gives each its own.
pub(super) fn rename_trees(layout: &DeployLayout, record: &DeployRecord) -> Result<(), DeployError> {
    let folder = layout.trees();
    let failed = |error| DeployError::io("read", &folder, error);
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let inode = swap::inode(&entry.path())?;
        let Some(kept) = record.trees.iter().find(|kept| Some(kept.inode) == inode) else { continue };
        if entry.file_name() != kept.name.as_str() {
            let to = layout.tree(&kept.name);
            std::fs::rename(entry.path(), &to).map_err(|error| DeployError::io("rename", &to, error))?;
        }
    }
    crate::place::record::sync_folder(&folder)
}
