//! Why a deployment failed, as sentences for sysadmins.

use std::io;
use std::path::{Path, PathBuf};

use herald_base::os_error;
use herald_exec::Ending;
use herald_exec::environment::FindProgramError;
use herald_exec::program::ProgramError;

use crate::target::{HookName, TargetProblem};

/// How many paths a sentence lists.
const LISTED: usize = 10;
/// How many characters of a revision a sentence has.
const LONGEST_REVISION: usize = 200;

/// Why a step of a deployment failed. No text has a password.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The description of the application cannot be used.
    #[error(transparent)]
    Target(#[from] TargetProblem),
    /// `git`, `svn` or the program of a hook is missing.
    #[error("{0}; install it on this machine")]
    Missing(#[from] FindProgramError),
    /// A program could not be started.
    #[error(transparent)]
    Start(#[from] ProgramError),
    /// The repository, or the program that asked it, refused.
    #[error(transparent)]
    Origin(#[from] SourceError),
    /// A file or folder could not be read or changed.
    #[error("cannot {what} {}: {}", path.display(), os_error::plain(&source.to_string()))]
    Io {
        /// What was attempted, such as `write`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another deployment works on this path.
    #[error("{} is locked by another deployment (process {holder}); wait until it ends", path.display())]
    Locked {
        /// The path of the application.
        path: PathBuf,
        /// The process that holds the lock.
        holder: String,
    },
    /// A living process works on the copy.
    #[error("{} is in use by `{program}` (process {pid}); wait until it ends", path.display())]
    InUse {
        /// The path of the application.
        path: PathBuf,
        /// The name of that process.
        program: String,
        /// Its number.
        pid: u32,
    },
    /// Somebody changed files of the copy, and `local_changes` is `refuse`.
    #[error("files were changed on this machine: {}; commit or revert them, or set local_changes", list(.0))]
    LocalChanges(Vec<String>),
    /// Files of this machine are in the way of the update.
    #[error("the update would conflict with files of this machine: {}; move or revert them", list(.0))]
    Conflicts(Vec<String>),
    /// The disk has too little room.
    #[error("the deployment needs {needed} bytes on the file system of {}, which has {free}", path.display())]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// Bytes that are needed, with the reserve.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A hook failed.
    #[error("hook `{name}` {how}")]
    Hook {
        /// Which one.
        name: HookName,
        /// How it ended: `failed with exit code 1`.
        how: String,
        /// Whether its time was over.
        is_timeout: bool,
    },
    /// What was switched to, or back to, does not work.
    #[error("health check: {0}")]
    Unhealthy(String),
    /// The tree is not what was deployed.
    #[error("the tree at {} is not revision {revision}: {how}", path.display())]
    NotAsDeployed {
        /// The path of the application.
        path: PathBuf,
        /// What was to be deployed.
        revision: String,
        /// What differs.
        how: String,
    },
    /// A step was asked for that does not follow the last one.
    #[error("deployment {id} cannot do this step: {how}")]
    OutOfOrder {
        /// The deployment.
        id: String,
        /// What the record says.
        how: String,
    },
    /// The record beside the tree cannot be understood.
    #[error("the record {} cannot be used: {how}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        how: String,
    },
    /// Somebody asked to stop.
    #[error("cancelled while {} was running", quoted(.0))]
    Cancelled(String),
    /// Somebody asked before the step began.
    #[error("cancelled before the step {0}")]
    CancelledBefore(&'static str),
    /// The time of the step was over.
    #[error("timed out while {} was running; terminated", quoted(.0))]
    TimedOut(String),
}

impl DeployError {
    /// How a step ended that ended with this error: [`Ending::TimedOut`] and [`Ending::Cancelled`] where that is the
    /// reason, else exit code 1.
    #[must_use]
    pub fn ending(&self) -> Ending {
        match self {
            Self::Cancelled(_) | Self::CancelledBefore(_) => Ending::Cancelled,
            Self::TimedOut(_) | Self::Hook { is_timeout: true, .. } => Ending::TimedOut,
            _ => Ending::Exited(1),
        }
    }

    pub(crate) fn io(what: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { what, path: path.to_owned(), source: source.into() }
    }
}

/// What a repository, or the program that asked it, refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no such revision, branch or tag.
    #[error("revision `{}` does not exist in {url}", cut(revision))]
    NoRevision {
        /// As it was asked for.
        revision: String,
        /// The repository.
        url: String,
    },
    /// The path of the URL does not exist at this revision.
    #[error("{url} does not exist at revision {revision}")]
    NoPath {
        /// The repository.
        url: String,
        /// The revision.
        revision: String,
    },
    /// User name, password or key were refused.
    #[error("{url} refused the credentials; check user name, password or key: {detail}")]
    Credentials {
        /// The repository.
        url: String,
        /// The program's words.
        detail: String,
    },
    /// The server cannot be reached.
    #[error("{url} cannot be reached: {detail}")]
    Unreachable {
        /// The repository.
        url: String,
        /// The program's words.
        detail: String,
    },
    /// The server's host key, over ssh, is not one that is known.
    #[error(
        "the host key of {url} is not known, or not the one that is known; see its known_hosts_file: {detail}"
    )]
    HostKey {
        /// The repository.
        url: String,
        /// The program's words.
        detail: String,
    },
    /// The server's certificate is not trusted.
    #[error(
        "the certificate of {url} is not trusted; name its authority with `tls: {{ca: FILE}}` of the application: {detail}"
    )]
    Certificate {
        /// The repository.
        url: String,
        /// The program's words.
        detail: String,
    },
    /// An external definition of Subversion could not be fetched.
    #[error("an external of {url} could not be fetched (externals: ignore leaves them out): {detail}")]
    External {
        /// The repository.
        url: String,
        /// The program's words.
        detail: String,
    },
    /// An external of Subversion is on a server that the password is not for.
    #[error(
        "the external `{external}` of {url} is on another server, which would get the password; use externals: ignore \
         to leave externals out, or auth: machine"
    )]
    ForeignExternal {
        /// Its URL, as it is written.
        external: String,
        /// The repository.
        url: String,
    },
    /// Something else.
    #[error("`{command}` failed: {detail}")]
    Failed {
        /// The program and its command, such as `svn switch`.
        command: String,
        /// The program's words.
        detail: String,
    },
    /// The program said what cannot be understood.
    #[error("the output of `{command}` cannot be understood: {detail}")]
    Output {
        /// The program and its command.
        command: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl SourceError {
    /// What ssh said, where it was ssh that failed.
    pub(crate) fn of_ssh(url: &str, words: &str) -> Option<Self> {
        let line =
            |part: &str| words.lines().map(str::trim).find(|line| line.contains(part)).map(str::to_owned);
        let url = url.to_owned();
        if let Some(detail) = line("Host key verification failed") {
            return Some(Self::HostKey { url, detail });
        }
        line("Permission denied (").map(|detail| Self::Credentials { url, detail })
    }

    /// What was asked for is kept as far as it can be shown.
    pub(crate) fn no_revision(revision: &str, url: &str) -> Self {
        Self::NoRevision { revision: cut(revision), url: url.to_owned() }
    }
}

/// The beginning of a revision that somebody asked for, which can be of any length.
fn cut(revision: &str) -> String {
    revision.chars().take(LONGEST_REVISION).collect()
}

/// The name of a program is quoted, words are not.
fn quoted(what: &str) -> String {
    if what.contains(' ') { what.to_owned() } else { format!("`{what}`") }
}

fn list(paths: &[String]) -> String {
    let shown: Vec<&str> = paths.iter().take(LISTED).map(String::as_str).collect();
    match paths.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_revision_is_cut() {
        let (revision, url) = ("ü".repeat(1000), "u".to_owned());
        let expected = format!("revision `{}` does not exist in u", "ü".repeat(200));
        assert_eq!(SourceError::no_revision(&revision, &url).to_string(), expected);
        assert_eq!(SourceError::NoRevision { revision, url }.to_string(), expected);
    }
}
