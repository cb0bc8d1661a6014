//! Why a publication failed.

use std::io;
use std::path::{Path, PathBuf};

use herald_base::os_error;
use rustix::io::Errno;

use crate::name::{NameClash, NameProblem};

/// Why a publication failed. Whatever it was, the published files are as they were before.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Keys with names that lead elsewhere, or are no names.
    #[error("{}", rejected(.0))]
    Names(Vec<RejectedKey>),
    /// Two keys for one place.
    #[error("the keys {} and {} {why}; rename one of them", quoted(first), quoted(second))]
    Clash {
        /// The key that was seen first.
        first: String,
        /// The other one.
        second: String,
        /// What they are, as the middle of the sentence.
        why: &'static str,
    },
    /// Another project publishes this file.
    #[error("{path:?} (key {}) belongs to {owner}; publish it elsewhere, or remove it there", quoted(key))]
    Claimed {
        /// The file.
        path: PathBuf,
        /// The key that wants it, too.
        key: String,
        /// The project that published it first, and its key, for people.
        owner: String,
    },
    /// More than `max_file` or `max_total`.
    #[error("{what} has {size} bytes; {option} allows {limit}")]
    TooLarge {
        /// A key, or the whole project.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The option that limits it.
        option: &'static str,
        /// What it allows.
        limit: u64,
    },
    /// `deployPath` or `backupDir` cannot be used.
    #[error("{option} {path:?} {why}")]
    Folder {
        /// Which of the two.
        option: &'static str,
        /// As it was given.
        path: String,
        /// The end of the sentence.
        why: String,
    },
    /// A symbolic link where a folder was expected.
    #[error("{0:?} is a symbolic link; links below deployPath are not followed")]
    Link(PathBuf),
    /// Something other than a file is in the place of one.
    #[error("{path:?} is {what}; remove it first")]
    Occupied {
        /// The place.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// The file was changed between plan and swap.
    #[error("{0:?} was changed by another program during the publication")]
    Changed(PathBuf),
    /// The system said no.
    #[error("{doing} {path:?}: {}", os_error::plain(&source.to_string()))]
    Io {
        /// What was tried, as the beginning of the sentence: `cannot write`.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The ledger is damaged.
    #[error("{path:?} is damaged: {why}; remove it to start over: files that are the same will be adopted")]
    Ledger {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Contents of an earlier publication are not kept any more.
    #[error("{0}")]
    NotKept(String),
    /// Several publications are meant by a part of an id.
    #[error("several publications have {part:?} in their ids")]
    SeveralKept {
        /// The part.
        part: String,
        /// The whole ids, the newest first.
        ids: Vec<String>,
    },
    /// A step failed, and undoing it failed as well.
    #[error("{error}; undoing it failed too: {undo}")]
    NotUndone {
        /// What failed first.
        error: Box<PublishError>,
        /// Why the previous files could not be restored.
        undo: Box<PublishError>,
    },
}

/// A key with a name that is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedKey {
    /// The key as it is shown.
    pub key: String,
    /// What is wrong with it.
    pub problem: NameProblem,
}

/// How many keys an error lists.
const LISTED: usize = 5;

/// The longest key that is shown whole, in characters.
const LONGEST_KEY: usize = 200;

/// A key as the caller shows it, for people. Its backslashes are those of the caller, who escapes what is not text.
pub(crate) fn quoted(key: &str) -> String {
    let escaped = |c: char| if c == '\\' { "\\".to_owned() } else { c.escape_debug().to_string() };
    let shown: String = key.chars().take(LONGEST_KEY).map(escaped).collect();
    match key.chars().nth(LONGEST_KEY) {
        Some(_) => format!("\"{shown}…\" ({} bytes)", key.len()),
        None => format!("\"{shown}\""),
    }
}

fn rejected(keys: &[RejectedKey]) -> String {
    let listed: Vec<String> = keys
        .iter()
        .take(LISTED)
        .map(|rejected| format!("key {} {}", quoted(&rejected.key), rejected.problem))
        .collect();
    let more = keys.len().saturating_sub(LISTED);
    if more == 0 { listed.join("; ") } else { format!("{}; and {more} more", listed.join("; ")) }
}

impl PublishError {
    pub(crate) fn io(doing: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Self::Io { doing, path: path.as_ref().to_owned(), source: source.into() }
    }

    /// Whether it may work later without a change of what is wanted: no room, a read-only file system, an I/O error.
    #[must_use]
    pub fn passes_by_itself(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                let never = [Errno::ACCESS, Errno::PERM, Errno::NAMETOOLONG, Errno::LOOP];
                !never.iter().any(|errno| source.raw_os_error() == Some(errno.raw_os_error()))
            }
            Self::Changed(_) => true,
            Self::NotUndone { error, .. } => error.passes_by_itself(),
            _ => false,
        }
    }
}

impl From<NameClash> for PublishError {
    fn from(clash: NameClash) -> Self {
        Self::Clash { first: clash.first, second: clash.second, why: clash.why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_escaped_once() {
        let long = "x".repeat(300);
        for (key, shown) in [
            ("/w/a", "\"/w/a\"".to_owned()),
            ("/w/\\xff", "\"/w/\\xff\"".to_owned()),
            ("a\"b\u{202e}", "\"a\\\"b\\u{202e}\"".to_owned()),
            (&long, format!("\"{}…\" (300 bytes)", "x".repeat(200))),
        ] {
            assert_eq!(quoted(key), shown);
        }
    }
}
