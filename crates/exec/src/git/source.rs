//! Where a job's program comes from.

use super::credential::Credentials;
use super::url::RepoUrl;

/// The shortest abbreviation of a commit.
const SHORTEST: usize = 7;
/// A commit's name in full, under SHA-1.
pub(crate) const FULL: usize = 40;

/// Which commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Revision {
    /// The remote's default branch.
    Default,
    /// A branch or tag.
    Name(String),
    /// A commit, perhaps abbreviated.
    Commit(String),
}

/// Where a job's program comes from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct GitSource {
    pub(crate) url: RepoUrl,
    pub(crate) revision: Revision,
    pub(crate) credentials: Credentials,
}

/// Whether a text can be the name of a commit.
pub(crate) fn is_commit(text: &str) -> bool {
    let length = text.len();
    ((SHORTEST..=FULL).contains(&length) || length == 64)
        && text.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
}
