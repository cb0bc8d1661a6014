//! `http_remote`: runs the job on a herald-runner elsewhere, or on several, and stores its files here.

mod options;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::activation::EXE_DONE;
use herald_core::exe_done::ONLY_HERE;
use herald_core::executor::{DefaultPlaces, Execution, Executor, Failure, FailureKind, Outcome};
use herald_core::job::Job;
use herald_core::param::{Params, lookup};
use herald_core::secret::Mask;
use herald_core::spec::{Description, ExecutorType};
use herald_queue_jobs::ThroughQueue;
use herald_remote::{
    HideSecrets, Rollout, RolloutJob, RunnerClient, RunnerFailureKind, RunnerJob, RunnerOutcome,
};
use herald_wire::job::JobKey;
use serde_json::Value;

use super::{MAX_JOBS_ELSEWHERE, job_params, together};
use crate::tls;
use options::{RemoteOptions, RolloutOptions, Targets, ViaOptions};

/// The component type `http_remote`.
#[must_use]
pub fn component() -> ExecutorType {
    let description = Description::new(
        "http_remote",
        "Runs a program on another machine, through the herald-runner there; or on several machines of the fleet (`nodes` or \
         `tags`), as one job with a child for each node: its `result` then holds `node: {NAME: RESULT}`, with `status` and \
         `error` added to each, and it succeeds when all did. Result files are brought here and checked.",
    );
    let description =
        options::specs().into_iter().fold(description, Description::option).example(options::EXAMPLE);
    let description = description.doubts(tls::client_doubts);
    let description = job_params().into_iter().fold(description, Description::param).params_check(together);
    ExecutorType::with_context(description, |options, context| {
        let RemoteOptions { settings, targets } = RemoteOptions::of(options, context)?;
        let settings = Arc::new(settings);
        Ok(match targets {
            Targets::Queue(ViaOptions { connection, topic }) => {
                Arc::new(OnQueueRunners(ThroughQueue::new(connection, topic, settings)))
            }
            Targets::One(address) => Arc::new(OnOneRunner(RunnerClient::new(settings, address))),
            Targets::Many(RolloutOptions { nodes, strategy, own }) => {
                Arc::new(OnNodes { rollout: Rollout::new(settings, nodes, strategy), own })
            }
        })
    })
}

/// One runner.
struct OnOneRunner(RunnerClient);

#[async_trait]
impl Executor for OnOneRunner {
    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Elsewhere(MAX_JOBS_ELSEWHERE)
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        let mask = execution.mask.clone();
        outcome(self.0.run(runner_job(execution)).await, &mask)
    }

    /// In version 2 the runner keeps the job by its id and attempt; in version 1 it cannot be asked for it.
    async fn recover(&self, execution: Execution) -> Outcome {
        let mask = execution.mask.clone();
        outcome(self.0.recover(runner_job(execution)).await, &mask)
    }
}

/// Several nodes.
struct OnNodes {
    rollout: Rollout,
    /// Which of them this is.
    own: Option<String>,
}

impl OnNodes {
    fn job(&self, execution: Execution) -> RolloutJob {
        let only_node = self.own.clone().filter(|_| is_only_here(&execution.job));
        let hide_secrets = Arc::new(HiddenByMask(execution.mask.clone()));
        RolloutJob { only_node, hide_secrets, job: runner_job(execution) }
    }
}

#[async_trait]
impl Executor for OnNodes {
    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Elsewhere(MAX_JOBS_ELSEWHERE)
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        let mask = execution.mask.clone();
        outcome(self.rollout.run(self.job(execution)).await, &mask)
    }

    async fn recover(&self, execution: Execution) -> Outcome {
        let mask = execution.mask.clone();
        outcome(self.rollout.recover(self.job(execution)).await, &mask)
    }
}

/// The runners that read a topic of a queue.
struct OnQueueRunners(ThroughQueue);

#[async_trait]
impl Executor for OnQueueRunners {
    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Elsewhere(MAX_JOBS_ELSEWHERE)
    }

    fn outlives(&self) -> bool {
        true
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        self.0.run(&execution, false).await
    }

    async fn recover(&self, execution: Execution) -> Outcome {
        self.0.run(&execution, true).await
    }
}

fn runner_job(execution: Execution) -> RunnerJob {
    RunnerJob {
        key: JobKey { job_id: execution.job.id.to_string(), attempt: execution.job.attempt },
        params: execution.params(),
        stop: execution.stop,
        output: execution.output,
    }
}

fn outcome(outcome: RunnerOutcome, mask: &Mask) -> Outcome {
    outcome.map_err(|failure| {
        let line = failure.error_line;
        let failure = Failure {
            kind: match failure.kind {
                RunnerFailureKind::Failed => FailureKind::Failed,
                RunnerFailureKind::TimedOut => FailureKind::TimedOut,
                RunnerFailureKind::Cancelled => FailureKind::Cancelled,
                RunnerFailureKind::Lost => FailureKind::Lost,
            },
            error: failure.error,
            result: failure.result,
        };
        failure.ending_with(line.as_deref(), mask)
    })
}

/// Hides what the mask of the configuration hides.
struct HiddenByMask(Arc<Mask>);

impl HideSecrets for HiddenByMask {
    fn in_text(&self, text: &str) -> String {
        self.0.text(text)
    }

    fn in_object(&self, object: &Params) -> Params {
        self.0.params(object)
    }
}

/// Whether the request that led to this job is for this node alone. `exe_done` has the parameters of a job, and in
/// these those of the job before it.
fn is_only_here(job: &Job) -> bool {
    let mut trigger = &*job.trigger;
    let mut params = &**job.trigger_param.params();
    while trigger == EXE_DONE {
        let before = params.get("trigger").and_then(Value::as_str);
        let (Some(before), Some(Value::Object(of_before))) = (before, params.get("trigger_param")) else {
            return false;
        };
        (trigger, params) = (before, of_before);
    }
    // `?node=` says nothing, as with the original.
    lookup(params, ONLY_HERE).is_some_and(|node| node.as_str() != Some(""))
}
