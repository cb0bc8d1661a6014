//! Why the daemon did not run.

use herald_net::serve::SocketError;
use herald_queue_jobs::UnfitQueue;
use herald_store::store::OpenError;

use crate::loading;

/// Why the daemon did not run, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is not right. The text is for people, each problem with its place.
    #[error("{0}")]
    Configuration(String),
    /// Something that it needs could not be had: a port, a file.
    #[error("heraldd: {0}")]
    Start(String),
}

macro_rules! start_errors {
    ($($error:ty),+) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Start(error.to_string())
            }
        }
    )+};
}

start_errors!(OpenError, UnfitQueue, SocketError);

impl From<loading::ConfigLoadError> for Error {
    fn from(wrong: loading::ConfigLoadError) -> Self {
        Self::Configuration(wrong.to_string())
    }
}
