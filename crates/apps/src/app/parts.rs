//! An application while something is done with it.

use std::sync::Arc;

use herald_base::clock::Clock;
use herald_deploy::DeployError;
use tokio::sync::Notify;

use crate::book::{BookError, BookKeeper};
use crate::deployment::gate::DeploymentRefusal;
use crate::node::NodeSteps;
use crate::settings::AppSettings;
use crate::source::AppSource;

/// An application whose book is open.
pub(crate) struct AppParts {
    pub(crate) settings: Arc<AppSettings>,
    pub(crate) book: Arc<BookKeeper>,
    pub(crate) source: Arc<dyn AppSource>,
    pub(crate) steps: Arc<dyn NodeSteps>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Somebody is to fire `deployed`.
    pub(crate) announce: Arc<Notify>,
}

/// Why something could not be done with an application.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// What is known of it cannot be read or written.
    #[error(transparent)]
    Book(#[from] BookError),
    /// It is not allowed, or makes no sense, now.
    #[error(transparent)]
    Refused(#[from] DeploymentRefusal),
    /// The revision cannot be found out.
    #[error(transparent)]
    Revision(#[from] DeployError),
}

impl AppError {
    /// Whether the repository did not answer in time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Revision(DeployError::TimedOut(_)))
    }
}
