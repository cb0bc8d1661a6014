//! Carries a step out, and says what the daemon needs to know of its end.

use std::time::Instant;

use herald_exec::Ending;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::params::{DeployStep, StepName};
use crate::command::StepRun;
use crate::engine::{DeployAction, DeployRequest, Deployer, DeployerSettings, HealthCheck};
use crate::error::DeployError;
use crate::target::DeployHealth;

/// Shorter passwords are in too many words to be hidden.
const SHORTEST_HIDDEN: usize = 4;

/// The result of `switch`, also when it failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchResult {
    /// Whether the new tree is live, or may be: then a failed deployment must be reverted.
    pub switched: bool,
    /// How long the health check took, in milliseconds; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_ms: Option<u64>,
    /// How long it took to look whether everything is as it was deployed, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_ms: Option<u64>,
}

/// The result of `revert`, also when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevertResult {
    /// Whether the tree of before is live.
    pub reverted: bool,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// A sentence without a full stop. No password is in it.
    pub message: String,
    /// How the step ended: [`Ending::TimedOut`], [`Ending::Cancelled`], or exit code 1.
    pub ending: Ending,
    /// What is known all the same: [`SwitchResult`], [`RevertResult`], or nothing.
    pub result: Map<String, Value>,
}

/// A step at work.
struct StepWork<'a> {
    deployer: Deployer,
    request: DeployRequest,
    health: Option<DeployHealth>,
    http: &'a dyn HealthCheck,
    run: &'a StepRun<'a>,
}

/// Its end: what is known, and whether it succeeded.
struct StepOutcome {
    result: Map<String, Value>,
    ended: Result<(), DeployError>,
}

impl StepOutcome {
    fn of<T: Serialize>(done: Result<T, DeployError>) -> Self {
        match done {
            Ok(result) => Self { result: map(&result), ended: Ok(()) },
            Err(error) => Self { result: Map::new(), ended: Err(error) },
        }
    }
}

/// Carries out one step of a deployment on this machine, and returns its result: a `DeployPlan` with its refusals
/// (`plan`), a `PreparedTree` (`prepare`), a [`SwitchResult`], a [`RevertResult`], an `AppStatus` (`status`), or
/// nothing (`once`, `finish`). Each step first repairs what a killed process left.
///
/// # Errors
/// When the step failed, was cancelled or timed out.
pub async fn run_step(
    step: &DeployStep,
    settings: DeployerSettings,
    run: &StepRun<'_>,
    http: &dyn HealthCheck,
) -> Result<Map<String, Value>, StepError> {
    let StepOutcome { result, ended } = match work(step, settings, run, http) {
        Ok(work) => work.run(step.step).await,
        Err(error) => StepOutcome { result: Map::new(), ended: Err(error) },
    };
    match ended {
        Ok(()) => Ok(result),
        Err(error) => {
            let message = hide(error.to_string(), step.secret());
            Err(StepError { message, ending: error.ending(), result })
        }
    }
}

fn work<'a>(
    step: &DeployStep,
    settings: DeployerSettings,
    run: &'a StepRun<'a>,
    http: &'a dyn HealthCheck,
) -> Result<StepWork<'a>, DeployError> {
    let (target, health) = (step.target()?, step.health()?);
    if run.stop.is_asked() {
        return Err(DeployError::CancelledBefore(step.step.as_str()));
    }
    Ok(StepWork { deployer: Deployer::new(target, settings)?, request: step.request(), health, http, run })
}

impl StepWork<'_> {
    async fn run(&self, step: StepName) -> StepOutcome {
        let Self { deployer, request, run, .. } = self;
        match step {
            StepName::Plan => StepOutcome::of(self.plan().await),
            StepName::Prepare => StepOutcome::of(deployer.prepare(request, run).await),
            StepName::Once => StepOutcome::of(deployer.once(&request.id, run).await),
            StepName::Switch => {
                let mut took = SwitchResult::default();
                let ended = self.switch(&mut took).await;
                let switched = ended.is_ok() || deployer.is_switched_by(&request.id);
                StepOutcome { result: map(&SwitchResult { switched, ..took }), ended }
            }
            StepName::Finish => StepOutcome::of(deployer.finish(&request.id, run).await),
            StepName::Revert => {
                let ended = self.revert().await;
                let reverted = ended.is_ok() || !deployer.is_switched_by(&request.id);
                StepOutcome { result: map(&RevertResult { reverted }), ended }
            }
            StepName::Status => StepOutcome::of(deployer.recovered_status(run).await),
        }
    }

    async fn plan(&self) -> Result<impl Serialize + use<>, DeployError> {
        self.deployer.recover(self.run).await?;
        self.deployer.plan(&self.request.revision, self.run).await
    }

    async fn switch(&self, took: &mut SwitchResult) -> Result<(), DeployError> {
        self.deployer.switch(&self.request.id, self.run).await?;
        let began = Instant::now();
        let healthy = self.healthy(self.request.action).await;
        took.health_ms = self.health.as_ref().map(|_| milliseconds(began));
        healthy?;
        let began = Instant::now();
        let verified = self.deployer.verify(&self.request.id, self.run).await;
        took.verify_ms = Some(milliseconds(began));
        verified
    }

    async fn revert(&self) -> Result<(), DeployError> {
        let is_put_back = self.deployer.revert(&self.request.id, self.run).await?;
        // What this deployment did not change says nothing about it, and nothing works where nothing is.
        if is_put_back && self.deployer.is_served() {
            self.healthy(DeployAction::Revert).await?;
        }
        Ok(())
    }

    async fn healthy(&self, action: DeployAction) -> Result<(), DeployError> {
        let Some(health) = &self.health else { return Ok(()) };
        self.deployer.health(health, &self.request, action, self.http, self.run).await
    }
}

fn milliseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn map(result: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(result) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn hide(message: String, secret: Option<&str>) -> String {
    match secret.filter(|secret| secret.len() >= SHORTEST_HIDDEN) {
        Some(secret) => message.replace(secret, "***"),
        None => message,
    }
}
