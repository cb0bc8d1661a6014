//! Which paths a deployment uses.

use std::path::{Path, PathBuf};

use crate::error::DeployError;
use crate::target::{DeployMode, DeployTarget};

/// The paths of one application on this machine.
#[derive(Debug, Clone)]
pub(crate) struct DeployLayout {
    mode: DeployMode,
    /// As the target names it.
    pub(crate) path: PathBuf,
    /// The same without symbolic links.
    real: PathBuf,
    /// `PATH.herald`: the lock, the record, patches, and with `exchange` the trees that are not live. It is beside the
    /// real path, so that all names of one folder have one lock.
    pub(crate) side: PathBuf,
}

impl DeployLayout {
    pub(crate) fn new(target: &DeployTarget) -> Self {
        let real = real(&target.path);
        Self { mode: target.mode, path: target.path.clone(), side: side(&real), real }
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.side.join("lock")
    }

    /// The lock that is shared by all that only look at the tree. A step takes it too: `svn` and `git` that look must
    /// not be in the way of those that repair.
    pub(crate) fn looks(&self) -> PathBuf {
        self.side.join("looks.lock")
    }

    /// The lock of those who begin to look: a step holds it, so that looks that follow each other without a pause do
    /// not keep it waiting.
    pub(crate) fn gate(&self) -> PathBuf {
        self.side.join("gate.lock")
    }

    /// The locks of applications in whose folders this one lies.
    pub(crate) fn locks_above(&self) -> Vec<PathBuf> {
        let above = self.real.ancestors().skip(1).filter(|folder| folder.file_name().is_some());
        above.map(|folder| side(folder).join("lock")).filter(|lock| lock.exists()).collect()
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.side.join("record.json")
    }

    pub(crate) fn patch(&self, id: &str) -> PathBuf {
        self.side.join("patches").join(format!("{id}.patch"))
    }

    /// What the files of a tree were when it was ready.
    pub(crate) fn manifest(&self, tree: &str) -> PathBuf {
        self.side.join("manifests").join(format!("{tree}.json"))
    }

    /// Where the trees are.
    pub(crate) fn trees(&self) -> PathBuf {
        match self.mode {
            DeployMode::Releases => self.path.join("releases"),
            DeployMode::InPlace | DeployMode::Exchange => self.side.join("trees"),
        }
    }

    /// Where a tree is that is not live, or with `releases` any; a new one is written there.
    pub(crate) fn tree(&self, name: &str) -> PathBuf {
        self.trees().join(name)
    }

    /// What all trees share.
    pub(crate) fn shared(&self) -> PathBuf {
        match self.mode {
            DeployMode::Releases => self.path.join("shared"),
            DeployMode::InPlace | DeployMode::Exchange => self.side.join("shared"),
        }
    }

    /// Where the application is served from.
    pub(crate) fn served(&self) -> PathBuf {
        match self.mode {
            DeployMode::Releases => self.path.join("current"),
            DeployMode::InPlace | DeployMode::Exchange => self.path.clone(),
        }
    }

    /// What the link `current` points to.
    pub(crate) fn link_target(tree: &str) -> PathBuf {
        Path::new("releases").join(tree)
    }

    /// What its files were when they were last hashed.
    pub(crate) fn seen(&self, tree: &str) -> PathBuf {
        self.side.join("manifests").join(format!("{tree}.seen.json"))
    }

    /// Makes the folders beside the tree; nothing in it.
    pub(crate) fn make(&self) -> Result<(), DeployError> {
        for folder in [&self.side, &self.side.join("patches"), &self.side.join("manifests"), &self.trees()] {
            std::fs::create_dir_all(folder).map_err(|error| DeployError::io("create", folder, error))?;
        }
        Ok(())
    }
}

fn side(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".herald");
    path.with_file_name(name)
}

/// The path without symbolic links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let mut rest = Vec::new();
    let mut at = path;
    loop {
        if let Ok(real) = at.canonicalize() {
            return rest.iter().rev().fold(real, |path, name| path.join(name));
        }
        let (Some(above), Some(name)) = (at.parent(), at.file_name()) else { return path.to_owned() };
        rest.push(name);
        at = above;
    }
}
