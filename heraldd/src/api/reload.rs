//! A reload of the configuration that a client asks for.

use tokio::sync::oneshot;

use crate::loading::ConfigLoadError;

/// A request to reload the configuration; the answer holds its warnings, or why it is not in force.
pub type ReloadRequest = oneshot::Sender<Result<Vec<String>, ReloadError>>;

/// Why a changed configuration is not in force; the running one is kept.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration is not valid.
    #[error("\n{0}")]
    Configuration(ConfigLoadError),
    /// Loading it failed.
    #[error("loading the configuration failed: {0}")]
    Load(String),
    /// The control API cannot listen as configured.
    #[error("{0}")]
    Listen(String),
    /// A trigger cannot start.
    #[error("trigger \"{name}\": {error}")]
    Trigger {
        /// The name of the trigger.
        name: String,
        /// Why.
        error: String,
    },
}
