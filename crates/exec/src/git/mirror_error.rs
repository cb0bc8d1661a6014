//! What goes wrong with a mirror.

/// Why a repository could not be had.
#[derive(Debug)]
pub(crate) enum MirrorError {
    /// libgit2 says so.
    Git(git2::Error),
    /// libgit2 says so of the remote: the mirror is not to blame.
    Remote(git2::Error),
    /// Herald says so.
    Reason(String),
    /// Somebody asked to stop.
    Cancelled,
}

impl From<git2::Error> for MirrorError {
    fn from(error: git2::Error) -> Self {
        Self::Git(error)
    }
}
