//! Jobs on one runner, on several, or on those that read a topic of a queue.

use std::sync::Arc;

use herald_core::activation::EXE_DONE;
use herald_core::context::Context;
use herald_core::exe_done::ONLY_HERE;
use herald_core::executor::{Execution, Failure, FailureKind, Outcome};
use herald_core::job::Job;
use herald_core::param::{Params, lookup};
use herald_core::secret::Mask;
use herald_core::spec::Options;
use herald_core::trigger::ComponentError;
use herald_queue_jobs::ThroughQueue;
use herald_remote::{
    DrainedNodes, HideSecrets, Rollout, RolloutJob, RunnerClient, RunnerFailureKind, RunnerJob, RunnerOutcome,
};
use herald_wire::job::JobKey;
use serde_json::Value;

use crate::options::{RemoteOptions, RolloutOptions, Targets, ViaOptions};

/// What runs jobs elsewhere.
pub struct RemoteJobs(JobsOn);

enum JobsOn {
    /// One runner.
    One(Box<RunnerClient>),
    /// Several nodes.
    Many {
        rollout: Rollout,
        /// Which of them this is.
        own: Option<String>,
    },
    /// The runners that read a topic of a queue.
    Queue(ThroughQueue),
}

impl RemoteJobs {
    /// Of checked options, with the nodes and queues of the context.
    ///
    /// # Errors
    /// The option, and what is wrong with it.
    pub fn new(options: &Options, context: &Context) -> Result<Self, ComponentError> {
        let RemoteOptions { settings, targets } = RemoteOptions::of(options, context)?;
        let settings = Arc::new(settings);
        Ok(Self(match targets {
            Targets::Queue(ViaOptions { connection, topic }) => {
                JobsOn::Queue(ThroughQueue::new(connection, topic, settings))
            }
            Targets::One(address) => JobsOn::One(Box::new(RunnerClient::new(settings, address))),
            Targets::Many(RolloutOptions { nodes, strategy, own }) => {
                let drained = context.get::<DrainedNodes>().map(|drained| (*drained).clone());
                let rollout = Rollout::new(settings, nodes, strategy, drained.unwrap_or_default());
                JobsOn::Many { rollout, own }
            }
        }))
    }

    /// Whether a job goes on while Herald is down.
    #[must_use]
    pub fn outlives(&self) -> bool {
        matches!(self.0, JobsOn::Queue(_))
    }

    /// The nodes that each job goes to; none where only a runner is known, or a topic.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        match &self.0 {
            JobsOn::Many { rollout, .. } => rollout.node_names().map(str::to_owned).collect(),
            JobsOn::One(_) | JobsOn::Queue(_) => Vec::new(),
        }
    }

    /// Whether there is a node that takes new jobs.
    #[must_use]
    pub fn takes_jobs(&self) -> bool {
        !matches!(&self.0, JobsOn::Many { rollout, .. } if rollout.is_drained())
    }

    /// Whether another attempt of a job leaves out what succeeded before.
    #[must_use]
    pub fn continues_attempts(&self) -> bool {
        matches!(self.0, JobsOn::Many { .. })
    }

    /// Runs a job; with `recovers`, one that an earlier process began. In version 2 the runner keeps the job by its id
    /// and attempt; in version 1 it cannot be asked for it.
    ///
    /// # Errors
    /// Why the job failed.
    pub async fn run(&self, execution: Execution, recovers: bool) -> Outcome {
        let mask = execution.mask.clone();
        let done = match &self.0 {
            JobsOn::Queue(queue) => return queue.run(&execution, recovers).await,
            JobsOn::One(runner) if recovers => runner.recover(runner_job(execution)).await,
            JobsOn::One(runner) => runner.run(runner_job(execution)).await,
            JobsOn::Many { rollout, own } => {
                let only_node = own.clone().filter(|_| is_only_here(&execution.job));
                let hide_secrets = Arc::new(HiddenByMask(mask.clone()));
                let earlier = execution.earlier.clone();
                let job = RolloutJob { only_node, earlier, hide_secrets, job: runner_job(execution) };
                if recovers { rollout.recover(job).await } else { rollout.run(job).await }
            }
        };
        outcome(done, &mask)
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

#[cfg(test)]
mod tests {
    use herald_core::trigger_param::TriggerParam;
    use serde_json::json;

    use super::*;

    /// A request that a peer forwarded is run only here, and so is what follows on its jobs.
    #[test]
    fn what_is_for_this_node_alone_stays_here_in_a_chain_too() {
        let request = |query: Value| json!({"_request": {"query": query}});
        let follows = |trigger: &str, params: Value| json!({"trigger": trigger, "trigger_param": params, "success": true});
        let here = request(json!({"node": "1"}));
        let nested = follows("exe_done", follows("web", here.clone()));
        for (trigger, params, only_here) in [
            ("web", here.clone(), true),
            ("web", request(json!({"node": ""})), false),
            ("web", request(json!({})), false),
            ("exe_done", follows("web", here.clone()), true),
            ("exe_done", nested.clone(), true),
            ("exe_done", follows("exe_done", nested), true),
            ("exe_done", follows("web", request(json!({}))), false),
            ("exe_done", follows("cron", json!({})), false),
            ("exe_done", json!({}), false),
            // A sender may write whatever he likes.
            ("web", follows("web", here.clone()), false),
            ("exe_done", follows("web", follows("web", here)), false),
        ] {
            let empty = Arc::new(Params::new());
            let job = Job {
                id: "job1".into(),
                trigger_id: "e".into(),
                router: "r".into(),
                trigger: trigger.into(),
                selector: "all".into(),
                task: "k".into(),
                executor: "x".into(),
                trigger_param: Arc::new(TriggerParam::from_json(&params.to_string(), Params::new()).unwrap()),
                select_param: empty.clone(),
                job_param: empty,
                chain_depth: 0,
                attempt: 3,
                by: None,
                rerun: false,
            };
            assert_eq!(is_only_here(&job), only_here, "{trigger} {params}");
        }
    }
}
