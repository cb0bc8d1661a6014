//! An application as it is configured, with what is known of it.

use std::path::Path;
use std::sync::Arc;

use herald_base::clock::{Clock, SystemClock};
use herald_config::component_error::ComponentError;
use herald_remote::DrainedNodes;

use super::memory::{AppMemories, AppMemory};
use super::parts::AppParts;
use crate::book::{AppBook, BookError};
use crate::node::{NodeSteps, RunnerSteps};
use crate::settings::AppSettings;
use crate::source::{AppSource, RepositorySource};

/// An application.
#[derive(Clone)]
pub struct App {
    pub(super) settings: Arc<AppSettings>,
    pub(super) memory: Arc<AppMemory>,
    pub(super) source: Arc<dyn AppSource>,
    pub(super) steps: Arc<dyn NodeSteps>,
    pub(super) clock: Arc<dyn Clock>,
}

impl App {
    /// Of these settings. `folder` has the caches of repositories; `drained` are the nodes that get nothing new.
    ///
    /// # Errors
    /// When the options do not go together.
    pub fn new(
        settings: AppSettings,
        memories: &AppMemories,
        folder: &Path,
        drained: DrainedNodes,
    ) -> Result<Self, ComponentError> {
        let settings = Arc::new(settings);
        let work_dir = folder.join("apps").join(".cache");
        let source = RepositorySource::new(&settings, work_dir).map_err(|error| match error {
            herald_deploy::DeployError::Target(problem) => {
                ComponentError::of_option(problem.option, problem.message)
            }
            other => ComponentError::new(other),
        })?;
        let steps = RunnerSteps::new(settings.clone(), folder.join("apps").join(".data"), drained);
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
    pub async fn book(&self) -> Result<Arc<AppBook>, BookError> {
        Ok(self.memory.book().await?.now())
    }
}
