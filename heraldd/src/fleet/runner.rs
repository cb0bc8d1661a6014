//! The runner that this daemon is as well.

use anyhow::Context as _;
use herald_core::trigger::CancellationToken;
use herald_runner::config::RunnerConfig;
use herald_runner::runner::{ForceStop, Runner};

/// The runner at work, and what it was made from.
pub struct OwnRunner {
    runner: Runner,
    config: RunnerConfig,
}

impl OwnRunner {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot have what it needs: the port is taken, say.
    pub async fn start(config: &RunnerConfig) -> anyhow::Result<Self> {
        let runner = Runner::start(config).await.context("runner")?;
        Ok(Self { runner, config: config.clone() })
    }

    /// Starts it where there is to be one.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_if(config: Option<&RunnerConfig>) -> anyhow::Result<Option<Self>> {
        match config {
            Some(config) => Self::start(config).await.map(Some),
            None => Ok(None),
        }
    }

    /// Accepts changed secrets. Whether that was all: everything else needs a restart.
    pub fn reload(&mut self, config: Option<&RunnerConfig>) -> bool {
        let Some(config) = config else { return false };
        self.runner.take_secrets(config.secrets.clone());
        config.same_but_secrets(&self.config)
    }

    /// Stops it cleanly; once `forced` is cancelled, its jobs are ended at once.
    pub async fn stop(self, forced: CancellationToken) {
        let grace = self.config.shutdown_grace;
        if let Err(error) = self.runner.stop(grace, &mut Forced(Some(forced))).await {
            tracing::error!("the runner did not stop cleanly: {error:#}");
        }
    }
}

/// Becomes impatient once.
struct Forced(Option<CancellationToken>);

impl ForceStop for Forced {
    async fn requested(&mut self) {
        match self.0.take() {
            Some(forced) => {
                forced.cancelled().await;
            }
            None => std::future::pending().await,
        }
    }
}
