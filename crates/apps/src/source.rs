//! The repository of an application, as the daemon asks it: what a name means, which commits there are.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use herald_base::output::NoOutput;
use herald_base::stop::Stop;
use herald_deploy::{
    Commit, DeployError, DeployHooks, DeployOrigin, DeployTarget, Deployer, DeployerSettings, Externals,
    LocalChanges, LogRange, StepRun,
};
use tokio::time::Instant;

use crate::settings::AppSettings;

/// The time between TERM and KILL for `git` and `svn`.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// What the daemon asks a repository.
#[async_trait]
pub trait AppSource: Send + Sync {
    /// The exact revision that a name is now.
    async fn resolve(&self, revision: &str, within: Duration, stop: &Stop) -> Result<String, DeployError>;

    /// Commits, the newest first.
    async fn log(&self, range: &LogRange, within: Duration, stop: &Stop) -> Result<Vec<Commit>, DeployError>;

    /// Whether `older` is the same as `newer`, or what it descends from.
    async fn is_ancestor(
        &self,
        older: &str,
        newer: &str,
        within: Duration,
        stop: &Stop,
    ) -> Result<bool, DeployError>;
}

/// The repository itself, by `git` or `svn` on this machine.
pub struct RepositorySource(Deployer);

impl RepositorySource {
    /// Of this application; caches are below this folder.
    ///
    /// # Errors
    /// When the options do not go together.
    pub fn new(app: &AppSettings, work_dir: PathBuf) -> Result<Self, DeployError> {
        let mut origin = DeployOrigin::new(app.kind, &app.repo);
        origin.auth = app.auth.clone();
        origin.ca_file.clone_from(&app.ca_file);
        // Nothing is written on this machine: what the path and the mode are does not matter.
        let target = DeployTarget {
            app: app.name.clone(),
            node: String::new(),
            path: work_dir.join("none"),
            mode: app.mode,
            origin: DeployOrigin { externals: Externals::Ignore, ..origin },
            shared: Vec::new(),
            keep: 1,
            hooks: DeployHooks::default(),
            local_changes: LocalChanges::Refuse,
            reserve: 0,
        };
        let settings = DeployerSettings::new(work_dir, KILL_GRACE);
        Deployer::new(target, settings).map(Self)
    }
}

fn run<'a>(stop: &'a Stop, within: Duration) -> StepRun<'a> {
    StepRun { stop, output: &NoOutput, deadline: Instant::now() + within }
}

#[async_trait]
impl AppSource for RepositorySource {
    async fn resolve(&self, revision: &str, within: Duration, stop: &Stop) -> Result<String, DeployError> {
        self.0.resolve(revision, &run(stop, within)).await
    }

    async fn log(&self, range: &LogRange, within: Duration, stop: &Stop) -> Result<Vec<Commit>, DeployError> {
        self.0.log(range, &run(stop, within)).await
    }

    async fn is_ancestor(
        &self,
        older: &str,
        newer: &str,
        within: Duration,
        stop: &Stop,
    ) -> Result<bool, DeployError> {
        self.0.is_ancestor(older, newer, &run(stop, within)).await
    }
}
