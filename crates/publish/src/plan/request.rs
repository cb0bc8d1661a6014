//! What is to be published, and where.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::name::Nested;

/// A publication as it is asked for.
#[derive(Debug, Clone)]
pub struct PublicationRequest {
    /// A name for it that no other one has: letters, digits and hyphens, the last twelve different each time.
    pub publication: String,
    /// When, for people.
    pub time: String,
    /// The time in the names of backups: `2026-11-29_04:36:19`.
    pub backup_time: String,
    /// Every file of the project.
    pub wanted: Vec<WantedFile>,
    /// Where they go.
    pub target: PublishTarget,
    /// Whether files that were changed by hand stay as they are while what is wanted of them does not change.
    pub leaves_drift: bool,
    /// What the ledger keeps of this publication when it succeeded.
    pub source: Value,
    /// What is needed to complete it after a crash.
    pub context: Value,
}

/// A file that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFile {
    /// The key that it comes from, as it is shown.
    pub key: String,
    /// Its name below the folder, as it was given: not checked yet.
    pub name: Vec<u8>,
    /// Its content.
    pub content: Vec<u8>,
    /// Whether it is written even where it is the same.
    pub rewrite: bool,
}

/// Where and how a project is published.
#[derive(Debug, Clone, Default)]
pub struct PublishTarget {
    /// The folder.
    pub deploy_path: String,
    /// Where files go that are deleted or replaced; none removes them.
    pub backup_dir: Option<String>,
    /// Neither of the two leads out of these.
    pub roots: Vec<PathBuf>,
    /// What becomes of folders in names.
    pub nested: Nested,
    /// How files change places.
    pub swap: SwapKind,
    /// Of all files.
    pub attributes: FileAttributes,
    /// Of single files, by name.
    pub files: BTreeMap<String, FileAttributes>,
    /// What is backed up.
    pub backup: BackupRule,
    /// The largest file in bytes.
    pub max_file: u64,
    /// All files together, in bytes.
    pub max_total: u64,
}

/// How files change places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SwapKind {
    /// One by one.
    #[default]
    Files,
    /// The whole folder at once.
    Directory,
}

/// Mode and owner of a file, as far as they are demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileAttributes {
    /// Its permissions.
    pub mode: Option<u32>,
    /// The number of its user.
    pub uid: Option<u32>,
    /// The number of its group.
    pub gid: Option<u32>,
}

impl FileAttributes {
    /// These, and from `other` what is not demanded here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { mode: self.mode.or(other.mode), uid: self.uid.or(other.uid), gid: self.gid.or(other.gid) }
    }
}

/// Which previous files go to `backupDir`. One that was changed by hand always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupRule {
    /// Those that are deleted.
    pub on_delete: bool,
    /// Those that are replaced.
    pub on_replace: bool,
    /// How many of each file are kept; none keeps all.
    pub keep: Option<usize>,
}
