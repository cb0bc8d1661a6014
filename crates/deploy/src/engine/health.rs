//! Whether what is live works: a URL is asked, or a command is run, until it does or the time for that is over.

use std::time::Duration;

use async_trait::async_trait;
use herald_base::unit;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::deployer::{DeployAction, DeployRequest, Deployer};
use crate::command::StepRun;
use crate::error::DeployError;
use crate::hook::{HookEnd, HookVariables, run_command};
use crate::place::record::{DeployPhase, DeployRecord, StepRecord};
use crate::target::{DeployHealth, HealthTest};

/// The time between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a URL may take to answer.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);
/// What runs, for sentences about its end.
const NAME: &str = "the health check";

/// Asks URLs. This crate has no HTTP.
#[async_trait]
pub trait HealthCheck: Send + Sync {
    /// Asks this URL once, by GET and without following redirects, and returns the status code of the answer. It takes
    /// as long as it takes: the caller drops it when its time is over.
    ///
    /// # Errors
    /// When there is no answer.
    async fn status_code(&self, url: &str) -> Result<u16, NoHealthAnswer>;
}

/// Why a URL did not answer, as words without a full stop: `connection refused`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoHealthAnswer(pub String);

/// What one attempt found.
enum HealthAttempt {
    Works,
    Fails(String),
    /// The time of the whole check was over first.
    NotEnded,
}

impl Deployer {
    /// Tries once a second whether what is live works, until it does or the time of the check is over.
    ///
    /// # Errors
    /// With the last answer, when it does not work in time; when the step is cancelled, or its time is over.
    pub async fn health(
        &self,
        health: &DeployHealth,
        request: &DeployRequest,
        action: DeployAction,
        http: &dyn HealthCheck,
        run: &StepRun<'_>,
    ) -> Result<(), DeployError> {
        let end = Instant::now() + health.within;
        let variables = self.health_variables(request, action)?;
        let mut last = "did not end".to_owned();
        loop {
            let attempt = match &health.test {
                HealthTest::Url { url, status } => ask(http, url, *status, end, run).await?,
                HealthTest::Command(_) => self.try_command(&health.test, &variables, end, run).await?,
            };
            match attempt {
                HealthAttempt::Works => return Ok(()),
                HealthAttempt::Fails(how) => last = how,
                HealthAttempt::NotEnded => {}
            }
            let next = Instant::now() + PAUSE;
            if next >= end {
                let (what, within) = (health.test.shown(), unit::text(health.within));
                return Err(DeployError::Unhealthy(format!("{what} {last}, within {within}")));
            }
            tokio::select! {
                () = run.stop.asked() => return Err(DeployError::Cancelled(NAME.to_owned())),
                () = sleep_until(run.deadline) => return Err(DeployError::TimedOut(NAME.to_owned())),
                () = sleep_until(next) => {}
            }
        }
    }

    async fn try_command(
        &self,
        test: &HealthTest,
        variables: &HookVariables,
        end: Instant,
        run: &StepRun<'_>,
    ) -> Result<HealthAttempt, DeployError> {
        let HealthTest::Command(command) = test else { return Ok(HealthAttempt::Works) };
        let deadline = end.min(run.deadline);
        let attempt = StepRun { deadline, ..*run };
        match run_command(&self.starter, command, variables, &self.layout.served(), &attempt).await? {
            HookEnd::Succeeded => Ok(HealthAttempt::Works),
            HookEnd::Failed(how) => Ok(HealthAttempt::Fails(how)),
            HookEnd::TimedOut if run.deadline <= Instant::now() => {
                Err(DeployError::TimedOut(NAME.to_owned()))
            }
            HookEnd::TimedOut => Ok(HealthAttempt::NotEnded),
        }
    }

    /// As those of the hook `after`, also when the deployment is forgotten after a revert.
    fn health_variables(
        &self,
        request: &DeployRequest,
        action: DeployAction,
    ) -> Result<HookVariables, DeployError> {
        let record = DeployRecord::read(&self.layout.record())?;
        let step = record.step.filter(|step| step.id == request.id).unwrap_or_else(|| StepRecord {
            id: request.id.clone(),
            phase: DeployPhase::Switched,
            action: request.action.as_str().to_owned(),
            by: request.by.clone(),
            from: record.revision,
            to: request.revision.clone(),
            from_tree: None,
            to_tree: None,
            is_first: false,
            fresh_inode: None,
            is_updated: false,
        });
        Ok(self.variables(&step, action.as_str()))
    }
}

async fn ask(
    http: &dyn HealthCheck,
    url: &str,
    expected: Option<u16>,
    end: Instant,
    run: &StepRun<'_>,
) -> Result<HealthAttempt, DeployError> {
    let latest = Instant::now() + LONGEST_ANSWER;
    let answer = tokio::select! {
        biased;
        () = run.stop.asked() => return Err(DeployError::Cancelled(NAME.to_owned())),
        () = sleep_until(run.deadline) => return Err(DeployError::TimedOut(NAME.to_owned())),
        answer = timeout_at(latest.min(end), http.status_code(url)) => answer,
    };
    let wanted = expected.map_or_else(|| "200-299".to_owned(), |status| status.to_string());
    Ok(match answer {
        Ok(Ok(status)) if expected.map_or((200..=299).contains(&status), |expected| expected == status) => {
            HealthAttempt::Works
        }
        Ok(Ok(status)) => HealthAttempt::Fails(format!("answered {status}, not {wanted}")),
        Ok(Err(error)) => HealthAttempt::Fails(format!("did not answer {wanted} ({error})")),
        Err(_) if latest <= end => {
            let longest = unit::text(LONGEST_ANSWER);
            HealthAttempt::Fails(format!("did not answer {wanted} (no answer in {longest})"))
        }
        Err(_) => HealthAttempt::NotEnded,
    })
}
