//! The deployment was good: old trees go.

use herald_base::failpoint;

use super::deployer::Deployer;
use super::switch::ADOPTED;
use crate::command::StepRun;
use crate::error::DeployError;
use crate::place::record::{DeployPhase, DeployRecord};
use crate::place::tree::{self, blocking};

impl Deployer {
    /// Records that the deployment was good on this machine, and removes trees beyond `keep`: never the live one, the
    /// one before it, or a folder that Herald did not deploy.
    ///
    /// # Errors
    /// When the deployment is not live, or old trees cannot be removed.
    pub async fn finish(&self, id: &str, run: &StepRun<'_>) -> Result<(), DeployError> {
        let (_lock, mut record) = self.open(run).await?;
        self.settle(&mut record, run).await?;
        let Some(step) = record.step.clone() else { return Ok(()) };
        if step.id != id || step.phase != DeployPhase::Switched {
            return Err(DeployError::OutOfOrder { id: id.to_owned(), how: "it is not live".to_owned() });
        }
        record.step = None;
        if let Some(name) = &record.live {
            // The newest comes last, also when an old tree is used again.
            let live = record.trees.iter().position(|tree| tree.name == *name);
            if let Some(mut live) = live.map(|at| record.trees.remove(at)) {
                live.is_good = true;
                record.trees.push(live);
            }
        }
        self.write(&mut record)?;
        failpoint!("deploy-finished");
        self.prune(&mut record).await
    }

    /// Removes a tree, and what is known of its files.
    pub(super) async fn remove_tree(&self, name: &str) -> Result<(), DeployError> {
        let at = self.layout.tree(name);
        let (known, begin) = (self.layout.manifest(name), format!("{name}."));
        blocking(move || {
            // With them goes what a process left that was killed while it wrote one.
            for file in known.parent().into_iter().flat_map(std::fs::read_dir).flatten().flatten() {
                if file.file_name().to_string_lossy().starts_with(&begin) {
                    let _ = std::fs::remove_file(file.path());
                }
            }
            tree::remove_index(&at)?;
            tree::remove(&at)
        })
        .await
    }

    pub(super) async fn prune(&self, record: &mut DeployRecord) -> Result<(), DeployError> {
        let live = record.live.clone();
        let ours = |name: &str| !name.starts_with(ADOPTED) && Some(name) != live.as_deref();
        let good: Vec<String> = record
            .trees
            .iter()
            .filter(|tree| tree.is_good && ours(&tree.name))
            .map(|tree| tree.name.clone())
            .collect();
        // The live one is one of them; the one before it always stays.
        let others = self.target.keep.saturating_sub(1).max(1);
        let mut gone: Vec<String> = good.iter().rev().skip(others).cloned().collect();
        gone.extend(
            record
                .trees
                .iter()
                .filter(|tree| !tree.is_good && ours(&tree.name))
                .map(|tree| tree.name.clone()),
        );
        if gone.is_empty() {
            return Ok(());
        }
        for name in &gone {
            self.remove_tree(name).await?;
        }
        record.trees.retain(|tree| !gone.contains(&tree.name));
        self.write(record)
    }
}
