//! `http_remote`: runs the job on a herald-runner elsewhere, or on several, and stores its files here.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::executor::{DefaultPlaces, Execution, Executor, Outcome};
use herald_core::param::Params;
use herald_core::spec::{Description, ExecutorType};
use herald_local_jobs::{job_params, refusal, together};
use herald_remote_jobs::RemoteJobs;

use super::MAX_JOBS_ELSEWHERE;

/// A whole configuration.
const EXAMPLE: &str = "
trigger:
  manual:
    type: http

executor:
  remote_command:
    type: http_remote
    host: https://herald-runner.example.com/
    secret: the_secret_must_be_exactly_the_same_as_herald_exe_server
    data_dir: /var/lib/heraldd/data

router:
  backup:
    trigger: manual
    selector: all
    task:
      run_backup: remote_command
    job_param:
      repo: https://github.com/heraldgo/demo-script.git
      cmd: run/backup.sh
";

/// The component type `http_remote`.
#[must_use]
pub fn component() -> ExecutorType {
    let description = Description::new(
        "http_remote",
        "Runs a program on another machine, through the herald-runner there; or on several machines of the fleet (`nodes` or \
         `tags`), as one job with a child for each node: its `result` then holds `node: {NAME: RESULT}`, with `status`, \
         `attempt` and `error` added to each, and it succeeds when all did. Another attempt (`policy.retry`) runs on those \
         nodes where it did not succeed, and `result.node` holds the last result of each; `heraldd retry` runs a new job, \
         on all. Result files are brought here and checked. **A program that gives a result writes one JSON object to \
         standard output and nothing else; everything else goes to standard error.** With `nodes` or `tags` a \
         program finds the name of its node in `HERALD_NODE`, and as `node` in the JSON of `HERALD_EXECUTE_PARAM`.",
    );
    let description =
        herald_remote_jobs::specs().into_iter().fold(description, Description::option).example(EXAMPLE);
    let description = description.doubts(herald_tls_options::client_doubts);
    let description = job_params().into_iter().fold(description, Description::param).params_check(together);
    ExecutorType::with_context(description, |options, context| {
        Ok(Arc::new(HttpRemote(RemoteJobs::new(options, context)?)))
    })
}

/// Runs each job elsewhere.
struct HttpRemote(RemoteJobs);

#[async_trait]
impl Executor for HttpRemote {
    fn refusal(&self, job_param: &Params) -> Option<String> {
        refusal(job_param)
    }

    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Elsewhere(MAX_JOBS_ELSEWHERE)
    }

    fn outlives(&self) -> bool {
        self.0.outlives()
    }

    fn continues_attempts(&self) -> bool {
        self.0.continues_attempts()
    }

    fn takes_jobs(&self) -> bool {
        self.0.takes_jobs()
    }

    fn nodes(&self) -> Vec<String> {
        self.0.nodes()
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        self.0.run(execution, false).await
    }

    async fn recover(&self, execution: Execution) -> Outcome {
        self.0.run(execution, true).await
    }
}
