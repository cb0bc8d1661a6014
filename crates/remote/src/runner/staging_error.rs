//! Errors of storing result files.

use herald_base::os_error;
use herald_wire::name::NameError;

/// Why result files cannot be stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StagingError {
    #[error("the name {name:?} of a result file cannot be used: {error}")]
    Name { name: String, error: NameError },
    #[error("the name {filename:?} of the result file {name:?} cannot be used: {error}")]
    Filename { name: String, filename: String, error: NameError },
    #[error("the result file {0:?} was sent twice")]
    Duplicate(String),
    #[error("cannot write the result file {name:?}: {why}")]
    Write { name: String, why: String },
    #[error("the job's id cannot be the name of a folder: {0}")]
    JobId(NameError),
    #[error("the job's id must not begin with {0}")]
    ReservedJobId(&'static str),
    #[error("the node's name cannot be the name of a folder: {0}")]
    Node(NameError),
    #[error("cannot put the result files in place: {0}")]
    Commit(String),
}

impl StagingError {
    pub(super) fn write(name: &str, error: &dyn std::fmt::Display) -> Self {
        Self::Write { name: name.to_owned(), why: os_error::plain(&error.to_string()) }
    }
}
