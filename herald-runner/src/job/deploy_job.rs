//! Jobs that are steps of a deployment: they have `deploy` where others have `cmd`.

use std::time::Duration;

use herald_base::unit;
use herald_deploy::{DeployStep, DeployerSettings, HealthCheck, StepProblem, StepRun, run_step};
use herald_exec::{Ending, ExecEngine, ExecError, Output, Report, Stop};
use serde_json::{Map, Value};
use tokio::time::Instant;

/// How long a step may take, where its job does not say.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// A job that is a step of a deployment.
#[derive(Debug)]
pub(crate) struct DeployJob {
    step: DeployStep,
    timeout: Duration,
}

/// Why a job with `deploy` cannot be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeployJobError {
    #[error(
        "deploy and cmd are both given: a job is either a step of a deployment or a command; remove one of them"
    )]
    TwoThings,
    #[error("deploy: expected a map with `step`, `id` and `app`")]
    NotMap,
    #[error("{0}")]
    Step(#[from] StepProblem),
    #[error("timeout: {0}")]
    Timeout(#[from] unit::UnitError),
}

impl DeployJob {
    /// Of execution parameters that have `deploy`, or whose `job_param` has it. `None` when the job is a command; then
    /// a `deploy` that is not a map is the command's own parameter.
    pub(crate) fn of(params: &Map<String, Value>) -> Result<Option<Self>, DeployJobError> {
        let none = Map::new();
        let job_param = params.get("job_param").and_then(Value::as_object).unwrap_or(&none);
        let given = |map: &Map<String, Value>, key: &str| map.get(key).is_some_and(|value| !value.is_null());
        let home = if given(params, "deploy") { params } else { job_param };
        let Some(value) = home.get("deploy").filter(|value| !value.is_null()) else { return Ok(None) };
        match (value.is_object(), given(home, "cmd") || given(job_param, "cmd")) {
            (true, true) => return Err(DeployJobError::TwoThings),
            (false, true) => return Ok(None),
            (false, false) => return Err(DeployJobError::NotMap),
            (true, false) => {}
        }
        let step = DeployStep::read(value)?;
        let timeout = home.get("timeout").or_else(|| job_param.get("timeout"));
        let timeout = timeout.filter(|value| !value.is_null()).map(unit::duration).transpose()?;
        Ok(Some(Self { step, timeout: timeout.unwrap_or(TIMEOUT) }))
    }

    /// Carries it out. A step that failed is a report, as a command that failed is: its result has `error`.
    ///
    /// # Errors
    /// When the work folder cannot be used.
    pub(crate) async fn run(
        &self,
        engine: &ExecEngine,
        http: &dyn HealthCheck,
        stop: &Stop,
        output: &dyn Output,
    ) -> Result<Report, ExecError> {
        let deadline = Instant::now() + self.timeout;
        let settings = engine.settings();
        let settings = DeployerSettings {
            work_dir: settings.work_dir.clone(),
            owner: Some(engine.owner().await?),
            kill_grace: settings.kill_grace,
            restrictions: settings.restrictions.clone(),
        };
        let DeployStep { step, id, revision, app, .. } = &self.step;
        let name = &app.name;
        tracing::info!(app = %name, step = %step, deployment = %id, revision = %revision, "step of a deployment");
        let done = run_step(&self.step, settings, &StepRun { stop, output, deadline }, http).await;
        let (ending, mut result, error) = match done {
            Ok(result) => (Ending::Exited(0), result, None),
            Err(error) => (error.ending, error.result, Some(error.message)),
        };
        result.insert("exit_code".to_owned(), Value::from(u8::from(!ending.is_success())));
        if let Some(error) = &error {
            result.insert("error".to_owned(), Value::from(error.clone()));
        }
        let mut report = Report::new(ending, result);
        report.timeout = Some(self.timeout);
        // As of a command: what was ended has no last words.
        report.error_line = error.filter(|_| matches!(ending, Ending::Exited(_)));
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn step() -> Value {
        json!({
            "step": "status", "id": "d1", "app": {
                "name": "shop", "node": "web1", "path": "/srv/shop", "mode": "exchange", "type": "git", "repo": "r",
                "auth": {"username": "u", "password": "s3cret"},
            }
        })
    }

    #[test]
    fn a_job_is_a_step_or_a_command() {
        let mut broken = step();
        broken["app"]["mode"] = json!("x");
        for (params, expected) in [
            (json!({"deploy": step()}), "15m"),
            (json!({"deploy": step(), "timeout": "1m"}), "1m"),
            (json!({"job_param": {"deploy": step(), "timeout": 7}}), "7s"),
            (json!({"deploy": step(), "job_param": {"timeout": "2m"}}), "2m"),
            (json!({"deploy": null, "job_param": {"cmd": "true"}}), "a command"),
            (json!({"job_param": {"cmd": "true", "deploy": "production"}}), "a command"),
            (json!({"job_param": {"cmd": "true"}}), "a command"),
            (json!({}), "a command"),
            (json!({"deploy": step(), "cmd": "true"}), "deploy and cmd are both given"),
            (json!({"deploy": step(), "job_param": {"cmd": "true"}}), "deploy and cmd are both given"),
            (json!({"job_param": {"deploy": step(), "cmd": "true"}}), "deploy and cmd are both given"),
            (json!({"deploy": "production"}), "deploy: expected a map"),
            (json!({"deploy": broken}), "deploy/app/mode: unknown variant `x`"),
            (json!({"deploy": step(), "timeout": "soon"}), "timeout: "),
        ] {
            let found = match DeployJob::of(params.as_object().unwrap()) {
                Ok(Some(job)) => {
                    assert!(!format!("{job:?}").contains("s3cret"));
                    unit::text(job.timeout)
                }
                Ok(None) => "a command".to_owned(),
                Err(error) => error.to_string(),
            };
            assert!(found.starts_with(expected), "{params}: {found}");
        }
    }
}
