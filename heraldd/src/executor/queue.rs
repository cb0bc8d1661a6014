//! `queue`: puts a message into a queue, for workers on other machines, and may wait for what they did with it.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::executor::{DefaultPlaces, Execution, Executor, Outcome};
use herald_core::spec::{Description, ExecutorType};
use herald_queue_jobs::QueuePutter;

/// How many jobs wait at once for the queue or for workers: they cost little here.
pub const MAX_JOBS: usize = 10_000;

/// A whole configuration.
const EXAMPLE: &str = "
queue:
  main: {url: 'redis://localhost:6379', sign: \"${env:HERALD_QUEUE_SIGN}\"}

trigger:
  hook: {type: http, port: 8888}

executor:
  to_workers: {type: queue, queue: main, topic: deploy, wait: result}

router:
  put: {trigger: hook, selector: all, task: {put: to_workers}, job_param: {key: '{{ trigger_param.repo }}'}}
";

/// The component type `queue`.
#[must_use]
pub fn component() -> ExecutorType {
    let description = Description::new(
        "queue",
        "Puts a message into a queue, for workers on any number of machines (trigger `queue`). While the queue cannot be \
         reached, the job waits; no event is lost, and no message is put twice.",
    )
    .example(EXAMPLE);
    let description = QueuePutter::options().into_iter().fold(description, Description::option);
    let description = QueuePutter::params().into_iter().fold(description, Description::param);
    let description = description.doubts(herald_queue_jobs::unsigned_messages);
    ExecutorType::with_context(description, |options, context| {
        Ok(Arc::new(QueueExecutor(QueuePutter::new(options, context)?)))
    })
}

/// Puts a message for each job.
struct QueueExecutor(QueuePutter);

#[async_trait]
impl Executor for QueueExecutor {
    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Elsewhere(MAX_JOBS)
    }

    fn begins_in_order(&self) -> bool {
        true
    }

    fn outlives(&self) -> bool {
        self.0.outlives()
    }

    async fn execute(&self, execution: Execution) -> Outcome {
        self.0.run(&execution, false).await
    }

    async fn recover(&self, execution: Execution) -> Outcome {
        self.0.run(&execution, true).await
    }
}
