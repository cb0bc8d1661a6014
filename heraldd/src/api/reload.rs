//! A reload of the configuration that a client asks for.

use tokio::sync::oneshot;

use crate::loading::ConfigLoadError;
use herald_control::model::Reloaded;
use herald_core::yaml::LocatedProblem;

/// A request to reload the configuration; the answer says what to know of it, or why it is not in force.
pub type ReloadRequest = oneshot::Sender<Result<Reloaded, ReloadError>>;

/// Why a changed configuration is not in force; the running one is kept.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration is not valid.
    #[error("configuration not reloaded, the running one is kept:\n{0}")]
    Configuration(ConfigLoadError),
    /// Loading it failed.
    #[error("configuration not reloaded, the running one is kept: loading it failed: {0}")]
    Load(String),
    /// The control API cannot listen as configured.
    #[error("configuration not reloaded, the running one is kept: {0}")]
    Listen(String),
    /// A trigger cannot start.
    #[error("configuration not reloaded, the running one is kept: trigger \"{name}\": {error}")]
    Trigger {
        /// The name of the trigger.
        name: String,
        /// Why.
        error: String,
    },
}

impl ReloadError {
    /// What is wrong at places of the files.
    #[must_use]
    pub fn found(&self) -> &[LocatedProblem] {
        match self {
            Self::Configuration(ConfigLoadError::Places(problems)) => problems.found(),
            _ => &[],
        }
    }
}
