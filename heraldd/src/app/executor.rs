//! `app:NAME`: deploys an application of the section `app`. There is one for each application; it is not a type.

use async_trait::async_trait;
use herald_apps::{App, BookError, DeploymentRecord, DeploymentRequest, DeploymentStatus, RequestError};
use herald_core::activation::APP;
use herald_core::actor::Actor;
use herald_core::executor::{DefaultPlaces, Execution, Executor, Failure, FailureKind, Outcome};
use herald_core::param::Params;
use herald_core::secret::Mask;
use serde_json::{Value, json};

use crate::executor::MAX_JOBS_ELSEWHERE;

/// Who deploys what a node missed.
const HERALD: &str = "herald";

/// Deploys one application.
pub struct AppExecutor(App);

impl AppExecutor {
    /// Of this application.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self(app)
    }
}

/// The application that this executor deploys, where it is one that does.
#[must_use]
pub fn app_of(executor: &dyn Executor) -> Option<&App> {
    let executor: &dyn std::any::Any = executor;
    executor.downcast_ref().map(|AppExecutor(app)| app)
}

/// The name of the person or thing that caused something.
#[must_use]
pub fn name_of(by: Option<&Actor>) -> String {
    by.map_or_else(|| HERALD.to_owned(), |by| by.user.as_ref().unwrap_or(&by.via).to_string())
}

#[async_trait]
impl Executor for AppExecutor {
    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Elsewhere(MAX_JOBS_ELSEWHERE)
    }

    /// What is under way is on disk; the next process goes on with it.
    fn outlives(&self) -> bool {
        true
    }

    fn nodes(&self) -> Vec<String> {
        self.0.settings().nodes.iter().map(|node| node.name.clone()).collect()
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        let request = match request(&execution) {
            Ok(request) => request,
            Err(error) => return Err(Failure::new(error)),
        };
        let (stop, output) = (execution.stop.clone(), execution.output.clone());
        tokio::select! {
            ended = self.0.deploy(request, stop, output) => outcome(ended, &execution.mask),
            () = execution.stop.shutdown.cancelled() => {
                let failure = Failure::new("heraldd stops; the deployment goes on when it is back");
                Err(Failure { kind: FailureKind::Lost, ..failure })
            }
        }
    }

    async fn recover(&self, execution: Execution) -> Outcome {
        self.execute(execution).await
    }
}

/// What a job asks for: a person by the trigger `app:deploy`, everything else by its parameters.
fn request(execution: &Execution) -> Result<DeploymentRequest, RequestError> {
    let job = &execution.job;
    let is_person = *job.trigger == *APP;
    let params = if is_person { job.trigger_param.params().clone() } else { job.job_param.clone() };
    let request = DeploymentRequest::read(&job.id, job.attempt, &params)?;
    // Where nobody is known, it is at least known what fired.
    let via = if is_person { HERALD.into() } else { job.trigger.clone() };
    let by = job.by.as_deref().cloned().unwrap_or_else(|| Actor::via(via));
    let reason = request.reason.clone().or_else(|| by.reason.as_ref().map(ToString::to_string));
    let is_automatic = !is_person || params.get("automatic") == Some(&Value::Bool(true));
    Ok(DeploymentRequest {
        by: by.params(&execution.mask).into(),
        by_name: name_of(Some(&by)),
        reason,
        automatic: is_automatic,
        // An override is for this one time: who runs the job again has not asked for it.
        overrides: request.overrides && is_person && !job.rerun,
        ..request
    })
}

fn outcome(ended: Result<DeploymentRecord, BookError>, mask: &Mask) -> Outcome {
    let record = ended.map_err(Failure::new)?;
    let result = json!({"deployment": record, "node": record.nodes});
    let result = match result {
        Value::Object(result) => mask.params(&result),
        _ => Params::new(),
    };
    let kind = match record.status {
        DeploymentStatus::Succeeded => return Ok(result),
        DeploymentStatus::TimedOut => FailureKind::TimedOut,
        DeploymentStatus::Cancelled => FailureKind::Cancelled,
        DeploymentStatus::Lost => FailureKind::Lost,
        DeploymentStatus::Reverted
        | DeploymentStatus::Partial
        | DeploymentStatus::Failed
        | DeploymentStatus::Held => FailureKind::Failed,
    };
    let why = record.error.as_deref().unwrap_or_default();
    let error = match record.status {
        DeploymentStatus::Reverted | DeploymentStatus::Partial | DeploymentStatus::Held => {
            format!("{}: {why}", record.status)
        }
        _ => why.to_owned(),
    };
    Err(Failure { kind, error: mask.text(&error), result })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use herald_core::executor::{NoOutput, Stop};
    use herald_core::job::Job;

    use super::*;

    fn execution(trigger: &str, rerun: bool) -> Execution {
        let params = json!({"override": true, "revision": "1f"});
        let params = params.as_object().cloned().unwrap_or_default();
        let job = Job {
            id: "j1".into(),
            trigger_id: "e1".into(),
            router: "app:shop".into(),
            trigger: trigger.into(),
            selector: "all".into(),
            task: "shop".into(),
            executor: "app:shop".into(),
            trigger_param: Arc::new(params.clone().into()),
            select_param: Arc::default(),
            job_param: Arc::new(params),
            chain_depth: 0,
            attempt: 1,
            by: None,
            rerun,
        };
        let (job, mask) = (Arc::new(job), Arc::new(Mask::new()));
        Execution { job, mask, stop: Stop::new(), output: Arc::new(NoOutput), earlier: None }
    }

    #[test]
    fn an_override_is_for_one_time_and_for_people() {
        for (trigger, rerun, overrides, automatic) in
            [(APP, false, true, false), (APP, true, false, false), ("hook", false, false, true)]
        {
            let request = request(&execution(trigger, rerun)).unwrap();
            assert_eq!((request.overrides, request.automatic), (overrides, automatic), "{trigger} {rerun}");
        }
    }
}
