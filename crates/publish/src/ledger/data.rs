//! What the ledger of a project says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::folder::FileStamp;
use crate::name::SafeName;

/// What was published of a project, and what the caller wants to know of it later.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LedgerData {
    /// The name by which the caller knows the project.
    pub id: String,
    /// `deployPath` as it was given, without surplus slashes.
    pub given: Option<PathBuf>,
    /// The folder that it led to.
    pub folder: Option<PathBuf>,
    /// Whether the folder is exchanged as a whole, and is this project's alone.
    #[serde(default)]
    pub whole_folder: bool,
    /// What was written and is still there.
    pub files: BTreeMap<SafeName, PublishedFile>,
    /// The folders below that were made; empty is the folder itself.
    pub made_folders: BTreeSet<String>,
    /// The publications whose contents are kept, the newest last.
    pub publications: Vec<PublicationRecord>,
    /// What the caller keeps of the last publication that succeeded.
    pub source: Value,
    /// What the caller keeps of the last attempt, whether or not it succeeded.
    pub note: Value,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedFile {
    /// The key that it came from.
    pub key: String,
    /// Of its content, in hex.
    pub sha256: String,
    /// Of its content, in hex.
    pub md5: String,
    /// In bytes.
    pub size: u64,
    /// Its permissions.
    pub mode: u32,
    /// Its owner, where one was demanded.
    pub uid: Option<u32>,
    /// Its group, where one was demanded.
    pub gid: Option<u32>,
    /// What changes when it is changed.
    pub(crate) stamp: Option<FileStamp>,
}

/// A publication that can be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicationRecord {
    /// Its name, as the caller gave it.
    pub publication: String,
    /// When, as the caller gave it.
    pub time: String,
    /// How many files the project had after it.
    pub files: usize,
}

/// What is being done right now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PublicationProgress {
    pub(crate) publication: String,
    pub(crate) time: String,
    pub(crate) step: ProgressStep,
    pub(crate) given: PathBuf,
    pub(crate) folder: PathBuf,
    /// Where the files were published before, where that is another folder.
    pub(crate) old_folder: Option<PathBuf>,
    /// Folders that are made, with their whole path, the outermost first.
    pub(crate) made: Vec<PathBuf>,
    /// The same below the folder.
    pub(crate) made_below: Vec<String>,
    /// The folders that earlier publications made.
    pub(crate) made_before: BTreeSet<String>,
    pub(crate) changes: Vec<ChangeRecord>,
    /// Set where the whole folder is exchanged.
    pub(crate) exchange: Option<ExchangeRecord>,
    /// Entries of the ledger that are new; their stamps are filled in at the end.
    pub(crate) next: BTreeMap<SafeName, PublishedFile>,
    /// Entries of the ledger that go.
    pub(crate) gone: Vec<SafeName>,
    pub(crate) backup_keep: Option<usize>,
    pub(crate) source: Value,
    /// What the caller needs to complete the publication.
    pub(crate) context: Value,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProgressStep {
    /// New files are written beside their places. Nothing is visible yet.
    Staging,
    /// Files change places.
    Swapping,
    /// All are in place; what the caller does then is due.
    Swapped,
    /// The previous files are put back.
    Undoing,
    /// They are back; what the caller does then is due.
    Undone,
}

/// One change of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ChangeRecord {
    /// Which of the temporary names are its own.
    pub(crate) n: usize,
    pub(crate) name: SafeName,
    pub(crate) key: String,
    /// In the folder of before.
    pub(crate) in_old_folder: bool,
    pub(crate) kind: ChangeKind,
    /// The folder below in which the new content waits.
    pub(crate) staged_in: String,
    pub(crate) previous: PreviousFile,
    /// The backup's path below `backupDir`'s.
    pub(crate) backup: Option<BackupRecord>,
    pub(crate) sha256: String,
    pub(crate) md5: String,
    pub(crate) size: u64,
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Writes the file.
    Write,
    /// Removes it.
    Delete,
}

/// What was in the place of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PreviousFile {
    Missing,
    File { stamp: FileStamp },
    Link,
}

/// Where a previous file is kept for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BackupRecord {
    /// The folder, without links.
    pub(crate) folder: PathBuf,
    pub(crate) file_name: String,
}

/// The exchange of a whole folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExchangeRecord {
    /// The folder beside, in which the new tree is built.
    pub(crate) fresh: PathBuf,
    /// What is exchanged: the folder itself, or the link that leads to it.
    pub(crate) place: PathBuf,
    pub(crate) kind: ExchangeKind,
    /// Of `fresh`, once it is built.
    pub(crate) fresh_ino: u64,
}

/// How a folder is exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExchangeKind {
    /// There was none.
    New,
    /// Two folders change names in one system call.
    Folders,
    /// A link is replaced.
    Link,
}

impl PublicationProgress {
    /// The temporary name of a change's new content.
    pub(crate) fn new_name(&self, change: &ChangeRecord) -> String {
        format!("{}{}-{}.new", crate::name::OWN_PREFIX, self.tag(), change.n)
    }

    /// The temporary name of what was in its place.
    pub(crate) fn old_name(&self, change: &ChangeRecord) -> String {
        format!("{}{}-{}.old", crate::name::OWN_PREFIX, self.tag(), change.n)
    }

    /// The folder that a check sees, below the published one.
    pub(crate) fn tree_name(&self) -> String {
        format!("{}{}-tree", crate::name::OWN_PREFIX, self.tag())
    }

    /// A part of the publication's name that can be part of a file's.
    pub(crate) fn tag(&self) -> String {
        tag(&self.publication)
    }
}

/// A part of the publication's name that can be part of a file's: its last characters differ most.
pub(crate) fn tag(publication: &str) -> String {
    let plain: Vec<char> = publication.chars().filter(char::is_ascii_alphanumeric).collect();
    plain[plain.len().saturating_sub(12)..].iter().collect()
}
