//! Runs jobs: one at a time for each project.

use herald_core::executor::{Execution, Failure, Outcome};

use crate::publication::request::{self, JobRequest};
use crate::publication::result::StepFailure;
use crate::publication::run::PublicationRun;
use crate::publisher::{Publisher, id};

impl Publisher {
    /// Publishes the project of a job. `is_recovery`: what was interrupted is completed; where nothing of it had become
    /// visible it is done again, as it would be for the next event.
    ///
    /// # Errors
    /// The job failed, or was cancelled.
    pub async fn publish(&self, execution: &Execution, is_recovery: bool) -> Outcome {
        self.watch_disk();
        let keys = request::keys(&execution.job).map_err(Failure::new)?;
        let request = JobRequest::of(&execution.job);
        let _lock = tokio::select! {
            lock = async { self.ledgers.lock(&id(&keys)).await } => lock,
            () = execution.stop.asked() => return Err(StepFailure::cancelled().into()),
        };
        PublicationRun::new(self, execution, keys, request, is_recovery).run().await
    }
}

impl From<StepFailure> for Failure {
    fn from(failure: StepFailure) -> Self {
        Self { kind: failure.kind, ..Self::new(failure.error) }
    }
}
