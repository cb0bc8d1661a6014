//! The runner that this daemon is as well.

use std::time::Duration;

use herald_core::trigger::CancellationToken;
use herald_core::unit;
use herald_runner::config::Config;
use herald_runner::runner::{Impatience, Runner};
use serde_json::{Map, Value};

/// How long running jobs may go on at the end, unless told.
const GRACE: Duration = Duration::from_secs(30);

/// The runner at work, and what it was made from.
pub struct OwnRunner {
    runner: Runner,
    settings: Map<String, Value>,
}

impl OwnRunner {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot have what it needs: the port is taken, say.
    pub async fn start(settings: &Map<String, Value>) -> Result<Self, String> {
        let config = config(settings)?;
        let runner = Runner::start(&config).await.map_err(|error| format!("runner: {error:#}"))?;
        Ok(Self { runner, settings: settings.clone() })
    }

    /// Starts it where there is to be one.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_if(settings: Option<&Map<String, Value>>) -> Result<Option<Self>, String> {
        match settings {
            Some(settings) => Self::start(settings).await.map(Some),
            None => Ok(None),
        }
    }

    /// Takes up changed secrets; everything else takes a restart, and a line says so.
    pub fn reload(&mut self, settings: Option<&Map<String, Value>>) {
        let without_secret = |settings: &Map<String, Value>| {
            let mut settings = settings.clone();
            settings.remove("secret");
            settings
        };
        let Some(settings) = settings else {
            tracing::warn!("that this daemon is no runner any more takes effect at the next start");
            return;
        };
        match config(settings) {
            Ok(config) => self.runner.take_secrets(config.secrets),
            Err(why) => tracing::error!("the secrets of the runner stay as they are: {why}"),
        }
        if without_secret(settings) != without_secret(&self.settings) {
            tracing::warn!("changes of `runner` other than its secret take effect at the next start");
        }
    }

    /// Ends it in good order; once `forced` is cancelled, its jobs are ended at once.
    pub async fn stop(self, forced: CancellationToken) {
        let grace = self.settings.get("shutdown_grace").and_then(|grace| unit::duration_or_zero(grace).ok());
        if let Err(error) = self.runner.stop(grace.unwrap_or(GRACE), &mut Forced(Some(forced))).await {
            tracing::error!("the runner did not stop in good order: {error:#}");
        }
    }
}

/// Becomes impatient once.
struct Forced(Option<CancellationToken>);

impl Impatience for Forced {
    async fn again(&mut self) {
        match self.0.take() {
            Some(forced) => {
                forced.cancelled().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// The runner's own reading of its settings: JSON is YAML.
fn config(settings: &Map<String, Value>) -> Result<Config, String> {
    let text = serde_json::to_string(settings).map_err(|error| error.to_string())?;
    herald_runner::config::parse(&text, "runner", false).map_err(|report| format!("runner: {report}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_runner_reads_its_settings_as_a_runner_does() {
        let settings = json!({
            "host": "127.0.0.1", "port": 0, "secret": ["0123456789abcdef", "fedcba9876543210"],
            "work_dir": "/tmp/x", "allow_v1": false, "max_jobs": 3, "output_limit": "2MiB", "keep_results": "10m",
            "shutdown_grace": "5s",
        });
        let config = config(settings.as_object().unwrap()).unwrap();
        assert_eq!((config.max_jobs, config.output_limit), (3, 2 << 20));
        assert_eq!(config.keep_results, Duration::from_secs(600));
        assert_eq!(config.listen.tcp, Some(("127.0.0.1".to_owned(), 0)));
    }
}
