//! `http_remote`: runs the job on a herald-runner elsewhere, or on several, and brings its files here.

mod answer;
mod call;
mod child;
mod client;
mod data_dir;
mod fleet;
mod follow;
mod labelled;
mod landing;
mod mishap;
mod options;
mod pulse;
mod retry;
mod sent;
mod single;
mod strategy;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Outcome};
use herald_core::spec::{Description, ExecutorType};

use super::job_params;
use crate::tls;
use fleet::Fleet;
pub use options::check_secret;
use options::{Settings, Targets};
pub use pulse::{Beat, Pulse};
use single::Remote;

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
    let description = job_params().into_iter().fold(description, Description::param);
    let description = description.section("node").section("id");
    ExecutorType::new(description, |options| {
        let Settings { common, targets } = Settings::of(options)?;
        Ok(match targets {
            Targets::One(runner) => Arc::new(One(Remote::new(Arc::new(common), runner))),
            Targets::Many(many) => Arc::new(Fleet::new(Arc::new(common), many)),
        })
    })
}

/// One runner.
struct One(Remote);

#[async_trait]
impl Executor for One {
    async fn execute(&self, execution: Execution) -> Outcome {
        self.0.attempt(&execution, false, None).await.outcome
    }

    /// In version 2 the runner keeps the job by its id and attempt; in version 1 nobody can ask for it.
    async fn recover(&self, execution: Execution) -> Outcome {
        self.0.attempt(&execution, true, None).await.outcome
    }
}
