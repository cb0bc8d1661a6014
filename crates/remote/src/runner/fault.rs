//! Why a request to a runner gave no result.

use std::time::Duration;

use herald_wire::ending::EndingName;
use herald_wire::multipart::MultipartError;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No connection: the runner did not receive the request.
    #[error("{0}")]
    Unreachable(String),
    /// Something answers there, but one side does not trust or understand the other: the runner did not receive the
    /// request.
    #[error("{0}")]
    Untrusted(String),
    /// The connection broke before an answer: the runner may have received the request.
    #[error("{0}")]
    Broken(String),
    /// The connection broke in the middle of the answer.
    #[error("{0}")]
    Truncated(String),
    /// The runner cannot run the job now.
    #[error("{why}")]
    Busy {
        /// When to ask again.
        retry_after: Duration,
        /// Its reason.
        why: String,
    },
    /// The runner does not know the job.
    #[error("the runner does not know the job")]
    Unknown,
    /// The runner rejected the request, or could not run the job.
    #[error("{why}")]
    Refused {
        /// Its reason.
        why: String,
        /// Whether it had accepted the job, and then could not run it or send its result.
        accepted: bool,
        /// How the job ended, if it ran.
        ending: Option<EndingName>,
    },
    /// The request was rejected as not authenticated, in an answer that is not signed.
    #[error("rejected with 401 Unauthorized: {0}")]
    Unauthorized(String),
    /// The answer is that of another program.
    #[error("not a herald-runner: it answered {0}; check host, port and path")]
    NotARunner(String),
    /// The answer is wrong.
    #[error("{0}")]
    Invalid(String),
}

impl From<MultipartError> for Fault {
    fn from(error: MultipartError) -> Self {
        Self::invalid(error)
    }
}

impl Fault {
    pub(crate) fn invalid(error: impl std::fmt::Display) -> Self {
        Self::Invalid(error.to_string())
    }
}
