//! The new tree is written beside the live one.

use std::path::{Path, PathBuf};

use herald_base::failpoint;
use serde::{Deserialize, Serialize};

use super::deployer::{DeployRequest, Deployer};
use super::look::Look;
use crate::command::StepRun;
use crate::error::DeployError;
use crate::place::record::{DeployPhase, DeployRecord, KeptTree, StepRecord, write_synced};
use crate::place::tree::blocking;
use crate::place::{swap, tree};
use crate::target::DeployMode;
use crate::target::HookName;

/// What is ready to be switched to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PreparedTree {
    /// Where it is: `HERALD_NEXT`.
    pub path: PathBuf,
    /// Of the files as they came from the repository: the same on every machine. Empty with `in_place`, where nothing
    /// is written yet.
    pub digest: String,
    /// The revision before.
    pub previous: Option<String>,
}

impl Deployer {
    /// Runs the hook `before`, fetches what is new, writes the new tree, and runs the hook `build` in it. The live tree
    /// is untouched; with `in_place` only the cache changes. A deployment that is prepared already stays so.
    ///
    /// # Errors
    /// When the plan speaks against it, a hook fails, or the tree cannot be written; what was written is removed.
    pub async fn prepare(
        &self,
        request: &DeployRequest,
        run: &StepRun<'_>,
    ) -> Result<PreparedTree, DeployError> {
        request.check()?;
        let (_lock, mut record) = self.open(run).await?;
        self.settle(&mut record, run).await?;
        if let Some(step) = record.step.clone() {
            if step.id == request.id && step.to == request.revision {
                return Ok(self.prepared(&record, &step));
            }
            self.abandon(&mut record).await?;
        }
        let look = self.look(&record, &request.revision, None, run).await?;
        if let Some(obstacle) = look.obstacles.into_iter().next() {
            return Err(obstacle);
        }
        let look = Look { obstacles: Vec::new(), ..look };
        let mut step = self.begin(&mut record, request, &look)?;
        let written = self.write_tree(&mut step, &look, run).await;
        let kept = match written {
            Ok(kept) => kept,
            Err(error) => {
                self.abandon(&mut record).await?;
                return Err(error);
            }
        };
        record.trees.extend(kept);
        step.phase = DeployPhase::Prepared;
        record.step = Some(step.clone());
        self.write(&mut record)?;
        failpoint!("deploy-prepared");
        Ok(self.prepared(&record, &step))
    }

    /// Runs the hook `once` in the new tree, on one machine between prepare and switch. With `in_place` there is no
    /// such tree yet: the copy is updated for it, so that a failure must be reverted; `build` runs before it.
    ///
    /// # Errors
    /// When it fails, the copy cannot be updated (it is the old one then), or the deployment is not prepared.
    pub async fn once(&self, id: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
        let (_lock, mut record) = self.open(run).await?;
        self.settle(&mut record, run).await?;
        let step = record.step.clone().filter(|step| step.id == id && step.phase == DeployPhase::Prepared);
        let Some(mut step) = step else {
            return Err(DeployError::OutOfOrder { id: id.to_owned(), how: "it is not prepared".to_owned() });
        };
        if self.target.mode == DeployMode::InPlace {
            return self.once_in_place(&mut record, &mut step, run).await;
        }
        let dir = self.next(&step);
        self.hook(HookName::Once, &step, &step.action, &dir, run).await
    }

    /// The new tree; with `in_place` the live one.
    pub(super) fn next(&self, step: &StepRecord) -> PathBuf {
        match &step.to_tree {
            Some(name) => self.layout.tree(name),
            None => self.target.path.clone(),
        }
    }

    fn prepared(&self, record: &DeployRecord, step: &StepRecord) -> PreparedTree {
        let kept = step.to_tree.as_deref().and_then(|name| record.tree(name));
        let digest = kept.map(|kept| kept.digest.clone()).unwrap_or_default();
        PreparedTree { path: self.next(step), digest, previous: step.from.clone() }
    }

    /// Records what is about to be done.
    fn begin(
        &self,
        record: &mut DeployRecord,
        request: &DeployRequest,
        look: &Look,
    ) -> Result<StepRecord, DeployError> {
        let is_in_place = self.target.mode == DeployMode::InPlace;
        let is_first = is_in_place && !self.source.is_copy(&self.target.path);
        let new_tree = (!is_in_place || is_first).then(|| request.tree_name(record));
        let step = StepRecord {
            id: request.id.clone(),
            phase: DeployPhase::Preparing,
            action: request.action.as_str().to_owned(),
            by: request.by.clone(),
            from: look.plan.current.clone(),
            to: request.revision.clone(),
            from_tree: self.live_tree(record)?.map(|tree| tree.name.clone()),
            to_tree: look.kept.as_ref().map(|kept| kept.name.clone()).or(new_tree),
            is_first,
            fresh_inode: None,
            is_updated: false,
        };
        record.step = Some(step.clone());
        self.write(record)?;
        failpoint!("deploy-preparing");
        Ok(step)
    }

    /// Writes the tree; what is returned is new.
    async fn write_tree(
        &self,
        step: &mut StepRecord,
        look: &Look,
        run: &StepRun<'_>,
    ) -> Result<Option<KeptTree>, DeployError> {
        let path = &self.target.path;
        let dir = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        self.hook(HookName::Before, step, &step.action, dir, run).await?;
        let name = match (&step.to_tree, &look.kept) {
            (Some(name), None) => name.clone(),
            _ => return Ok(None),
        };
        let at = self.layout.tree(&name);
        tree::remove(&at)?;
        std::fs::create_dir_all(&at).map_err(|error| DeployError::io("create", &at, error))?;
        if step.is_first {
            self.source.checkout(&at, &step.to, run).await?;
            step.fresh_inode = swap::inode(&at)?;
            sync_tree(&at).await?;
            return Ok(None);
        }
        self.source.export(&step.to, &at, run).await?;
        failpoint!("deploy-written");
        let digest = self.complete(&at).await?;
        self.hook(HookName::Build, step, &step.action, &at, run).await?;
        self.describe(&name, &at).await?;
        let inode = swap::inode(&at)?.unwrap_or_default();
        Ok(Some(KeptTree { name, revision: step.to.clone(), digest, inode, is_good: false }))
    }

    /// The digest of what came from the repository; then what all trees share is linked in.
    async fn complete(&self, at: &Path) -> Result<String, DeployError> {
        let (at, shared, entries) = (at.to_owned(), self.layout.shared(), self.target.shared.clone());
        let is_exchange = self.target.mode == DeployMode::Exchange;
        let (live, side) = (self.layout.served(), self.layout.side.clone());
        blocking(move || {
            if is_exchange {
                swap::probe(&side)?;
            }
            let digest = tree::digest(&tree::files(&at, &[])?);
            tree::link_shared(&at, &shared, &entries, is_exchange.then_some(&*live))?;
            Ok(digest)
        })
        .await
    }

    /// Writes down what the files of the tree are, and brings all to disk.
    async fn describe(&self, name: &str, at: &Path) -> Result<(), DeployError> {
        let (at, manifest, shared) = (at.to_owned(), self.layout.manifest(name), self.shared_names());
        let text = blocking(move || {
            tree::sync(&at)?;
            let files = tree::files(&at, &shared)?;
            let text = serde_json::to_vec(&files);
            text.map_err(|error| DeployError::io("write", &at, std::io::Error::other(error)))
        });
        let text = text.await?;
        blocking(move || write_synced(&manifest, &text)).await
    }
}

async fn sync_tree(at: &Path) -> Result<(), DeployError> {
    let at = at.to_owned();
    blocking(move || tree::sync(&at)).await
}
