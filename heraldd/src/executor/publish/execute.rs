//! Runs jobs: one at a time for each project.

use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Failure, Outcome};

use super::publisher::{Publisher, id};
use super::request::{self, JobRequest};
use super::result::StepFailure;
use super::run::PublicationRun;

impl Publisher {
    async fn publish(&self, execution: &Execution, is_recovery: bool) -> Outcome {
        self.watch_disk();
        let keys = request::keys(&execution.job).map_err(Failure::new)?;
        let request = JobRequest::of(&execution.job);
        let _lock = tokio::select! {
            lock = async { self.ledgers.lock(&id(&keys)).await } => lock,
            () = execution.stop.asked() => return Err(StepFailure::cancelled().into()),
        };
        PublicationRun::new(self, execution, keys, request).run(is_recovery).await
    }
}

impl From<StepFailure> for Failure {
    fn from(failure: StepFailure) -> Self {
        Self { kind: failure.kind, ..Self::new(failure.error) }
    }
}

#[async_trait]
impl Executor for Publisher {
    async fn execute(&self, execution: Execution) -> Outcome {
        self.publish(&execution, false).await
    }

    /// Completes what was interrupted. Where nothing of it had become visible it is done again, as it would be for the
    /// next event.
    async fn recover(&self, execution: Execution) -> Outcome {
        self.publish(&execution, true).await
    }

    async fn close(&self) {
        self.end_watch();
    }
}
