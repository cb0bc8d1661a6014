//! What a deployment asks of a repository and of its working copies.

use std::path::Path;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::command::StepRun;
use crate::error::DeployError;

/// The longest message of a commit that is kept, in bytes.
const LONGEST_MESSAGE: usize = 64 << 10;
/// The longest name of an author, in characters.
const LONGEST_AUTHOR: usize = 200;

/// One commit, or one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The whole SHA, or the number.
    pub revision: String,
    /// Who; empty where the repository does not say.
    pub author: String,
    /// When, as RFC 3339; empty where the repository does not say.
    pub time: String,
    /// The whole message.
    pub message: String,
}

impl Commit {
    /// The author of a commit decides how long it is: the message is cut to 64 KiB, the author to 200 characters.
    pub(super) fn new(revision: &str, author: &str, time: &str, message: &str) -> Self {
        let mut end = message.len().min(LONGEST_MESSAGE);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        let message = message.get(..end).unwrap_or_default().trim_end().to_owned();
        let author = author.chars().take(LONGEST_AUTHOR).collect();
        Self { revision: revision.to_owned(), author, time: time.to_owned(), message }
    }

    /// The first line of the message.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

/// Which commits a log shows, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRange {
    /// Not this one, nor what it descends from.
    pub after: Option<String>,
    /// This one and what it descends from; an exact revision.
    pub upto: String,
    /// At most so many.
    pub limit: usize,
}

/// What a working copy is at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyState {
    /// Its revision; `None` where its files are of several, or an operation was interrupted.
    pub revision: Option<String>,
    /// The same in the program's words, such as `5:6M`.
    pub described: String,
    /// Files under version control that differ from the revision.
    pub modified: Vec<String>,
}

/// A repository, its cache on this machine, and working copies of it. A revision is exact: the whole SHA of a commit,
/// or a number. Every method runs `git` or `svn`, and fails when that is missing, fails, is stopped or takes too long.
#[async_trait]
pub trait Source: Send + Sync {
    /// The programs that must be installed.
    fn programs(&self) -> &'static [&'static str];

    /// The exact revision that `HEAD`, a branch, a tag, a SHA or a number is now.
    async fn resolve(&self, revision: &str, run: &StepRun<'_>) -> Result<String, DeployError>;

    /// Brings a revision into the cache, with what is new alone; asks nobody when it is there.
    async fn fetch(&self, revision: &str, run: &StepRun<'_>) -> Result<(), DeployError>;

    /// Commits, the newest first.
    async fn log(&self, range: &LogRange, run: &StepRun<'_>) -> Result<Vec<Commit>, DeployError>;

    /// Whether `older` is `newer`, or one that it descends from. Both are exact; one that is not there is no ancestor.
    async fn is_ancestor(&self, older: &str, newer: &str, run: &StepRun<'_>) -> Result<bool, DeployError>;

    /// How many bytes the files of a fetched revision have; with `from`, those that differ from it.
    async fn size(&self, from: Option<&str>, to: &str, run: &StepRun<'_>) -> Result<u64, DeployError>;

    /// Writes the files of a fetched revision, and nothing else, into this empty folder.
    async fn export(&self, revision: &str, into: &Path, run: &StepRun<'_>) -> Result<(), DeployError>;

    /// Whether there is a working copy.
    fn is_copy(&self, copy: &Path) -> bool;

    /// What a working copy is at, and the files that were changed there.
    async fn current(&self, copy: &Path, run: &StepRun<'_>) -> Result<CopyState, DeployError>;

    /// The files on which an update of this copy to a fetched revision would stumble.
    async fn conflicts(&self, copy: &Path, to: &str, run: &StepRun<'_>) -> Result<Vec<String>, DeployError>;

    /// Makes a working copy in this empty folder.
    async fn checkout(&self, copy: &Path, to: &str, run: &StepRun<'_>) -> Result<(), DeployError>;

    /// Updates, or switches, a copy to a fetched revision. Files that were changed on this machine stay as they are;
    /// where they are in the way it fails, and the copy is as before.
    async fn update(&self, copy: &Path, to: &str, run: &StepRun<'_>) -> Result<(), DeployError>;

    /// Saves what was changed on this machine as a patch, then reverts it.
    async fn discard(&self, copy: &Path, patch: &Path, run: &StepRun<'_>) -> Result<(), DeployError>;

    /// After an update from `from` to `to` that was killed: removes the locks of the dead, and makes the copy what
    /// `from` was. It fails when a living process works on the copy.
    async fn repair(&self, copy: &Path, from: &str, to: &str, run: &StepRun<'_>) -> Result<(), DeployError>;

    /// Removes locks that dead processes left.
    async fn unlock(&self, copy: &Path, run: &StepRun<'_>) -> Result<(), DeployError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let commit = Commit::new("1", &"ü".repeat(300), "", &format!("a{}", "ü".repeat(100_000)));
        assert_eq!(commit.author, "ü".repeat(200));
        assert_eq!(commit.message.len(), (64 << 10) - 1);
        assert_eq!(Commit::new("1", "a", "", "m \n").message, "m");
    }
}
