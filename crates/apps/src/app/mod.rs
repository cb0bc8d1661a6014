//! One application: its settings, what is known of it, its repository and its nodes.

mod carry_out;
mod commits;
mod drift;
mod hold;
mod memory;
mod view;

use std::path::Path;
use std::sync::Arc;

use herald_base::clock::{Clock, SystemClock};
use herald_config::component_error::ComponentError;

pub use commits::{CommitPage, CommitQuery, CommitView};
pub use drift::{AppStateChange, NodeState};
pub use memory::AppMemories;
pub use view::{AppNodeView, AppView};

use crate::book::{BookError, BookKeeper};
use crate::deployment::Refusal;
use crate::node::{NodeSteps, RunnerSteps};
use crate::settings::AppSettings;
use crate::source::{AppSource, RepositorySource};
use memory::AppMemory;

/// An application.
#[derive(Clone)]
pub struct App {
    settings: Arc<AppSettings>,
    memory: Arc<AppMemory>,
    source: Arc<dyn AppSource>,
    steps: Arc<dyn NodeSteps>,
    clock: Arc<dyn Clock>,
}

/// An application whose book is open.
pub(crate) struct AppParts {
    pub(crate) settings: Arc<AppSettings>,
    pub(crate) book: Arc<BookKeeper>,
    pub(crate) source: Arc<dyn AppSource>,
    pub(crate) steps: Arc<dyn NodeSteps>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Somebody is to fire `deployed`.
    pub(crate) announce: Arc<tokio::sync::Notify>,
}

/// Why something could not be done with an application.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// What is known of it cannot be read or written.
    #[error(transparent)]
    Book(#[from] BookError),
    /// It is not allowed, or makes no sense, now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The revision cannot be found out.
    #[error(transparent)]
    Revision(#[from] herald_deploy::DeployError),
}

impl App {
    /// Of these settings. `folder` has the caches of repositories.
    ///
    /// # Errors
    /// When the options do not go together.
    pub fn new(settings: AppSettings, memories: &AppMemories, folder: &Path) -> Result<Self, ComponentError> {
        let settings = Arc::new(settings);
        let work_dir = folder.join("apps").join(".cache");
        let source = RepositorySource::new(&settings, work_dir).map_err(|error| match error {
            herald_deploy::DeployError::Target(problem) => {
                ComponentError::of_option(problem.option, problem.message)
            }
            other => ComponentError::new(other),
        })?;
        let steps = RunnerSteps::new(settings.clone(), folder.join("apps").join(".data"));
        let memory = memories.of(&settings.name);
        let clock = Arc::new(SystemClock);
        Ok(Self { settings, memory, source: Arc::new(source), steps: Arc::new(steps), clock })
    }

    /// The same with another repository, other nodes and another clock, for tests.
    #[cfg(test)]
    pub(crate) fn with(
        settings: AppSettings,
        memories: &AppMemories,
        source: Arc<dyn AppSource>,
        steps: Arc<dyn NodeSteps>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let memory = memories.of(&settings.name);
        Self { settings: Arc::new(settings), memory, source, steps, clock }
    }

    /// What is configured.
    #[must_use]
    pub fn settings(&self) -> &AppSettings {
        &self.settings
    }

    pub(crate) async fn parts(&self) -> Result<AppParts, BookError> {
        Ok(AppParts {
            settings: self.settings.clone(),
            book: self.memory.book().await?,
            source: self.source.clone(),
            steps: self.steps.clone(),
            clock: self.clock.clone(),
            announce: self.memory.announce.clone(),
        })
    }

    /// What is known of it.
    ///
    /// # Errors
    /// When that cannot be read.
    pub async fn book(&self) -> Result<Arc<crate::book::AppBook>, BookError> {
        Ok(self.memory.book().await?.now())
    }
}
