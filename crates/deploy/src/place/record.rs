//! The record beside the tree: what is live, which trees are kept, and what is just being done. It is on disk before
//! anything is done, so that after a crash the next process knows what to look at.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::DeployError;

/// The form of the record; another one is refused.
const VERSION: u32 = 1;

/// How far a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployPhase {
    /// The new tree is being written; the live one is untouched.
    Preparing,
    /// The new tree is ready; the live one is untouched.
    Prepared,
    /// The live tree is being changed.
    Switching,
    /// The new tree is live.
    Switched,
    /// The old tree is being put back.
    Reverting,
}

impl DeployPhase {
    /// Whether a step works on it; where none does, one was killed.
    pub(crate) fn is_interrupted(self) -> bool {
        matches!(self, Self::Preparing | Self::Switching | Self::Reverting)
    }
}

/// A tree on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTree {
    /// The name of its folder.
    pub name: String,
    /// Its revision; empty where it was not deployed by Herald.
    pub revision: String,
    /// Of the files as they came from the repository: the same on every machine.
    pub digest: String,
    /// The number of its folder in the file system, which stays when it is renamed.
    pub inode: u64,
    /// Whether a deployment of it was finished.
    pub is_good: bool,
}

/// A deployment that is not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepRecord {
    pub(crate) id: String,
    pub(crate) phase: DeployPhase,
    pub(crate) action: String,
    pub(crate) by: String,
    /// The revision before.
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    /// The live tree before (`releases`, `exchange`).
    pub(crate) from_tree: Option<String>,
    /// The new tree (`releases`, `exchange`).
    pub(crate) to_tree: Option<String>,
    /// Whether there was no working copy before (`in_place`).
    pub(crate) is_first: bool,
    /// A working copy that waits to be put into its place (`in_place`): its folder's number.
    pub(crate) fresh_inode: Option<u64>,
    /// Whether `once` has updated the working copy and run, and the step `switch` was not begun (`in_place`).
    #[serde(default)]
    pub(crate) is_updated: bool,
}

/// All that is recorded of one path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeployRecord {
    version: u32,
    /// The tree that is live (`releases`, `exchange`).
    pub(crate) live: Option<String>,
    /// The revision that was last finished or switched to.
    pub(crate) revision: Option<String>,
    /// The oldest first.
    pub(crate) trees: Vec<KeptTree>,
    pub(crate) step: Option<StepRecord>,
}

impl DeployRecord {
    /// Reads it; a missing one is empty.
    pub(crate) fn read(path: &Path) -> Result<Self, DeployError> {
        let wrong = |how: String| DeployError::Record { path: path.to_owned(), how };
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(DeployError::io("read", path, error)),
        };
        let record: Self = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        match record.version {
            VERSION => Ok(record),
            other => Err(wrong(format!("it has version {other}, which a newer Herald wrote"))),
        }
    }

    /// Writes it, and returns when it is on disk.
    pub(crate) fn write(&mut self, path: &Path) -> Result<(), DeployError> {
        self.version = VERSION;
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| DeployError::Record { path: path.to_owned(), how: error.to_string() })?;
        write_synced(path, &text)
    }

    pub(crate) fn tree(&self, name: &str) -> Option<&KeptTree> {
        self.trees.iter().find(|tree| tree.name == name)
    }
}

/// Replaces a file as a whole, and returns when it is on disk.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), DeployError> {
    let failed = |error| DeployError::io("write", path, error);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let mut file = File::create(&fresh).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)?;
    sync_folder(path.parent().unwrap_or(path))
}

/// Brings the names in a folder to disk.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), DeployError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| DeployError::io("sync", folder, error))
}
