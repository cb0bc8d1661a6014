//! The end of a publication whose files are in their places: verified and followed by `afterCmd`, or undone.

use herald_core::executor::FailureKind;
use herald_publish::{ProjectLedger, PublishPolicy, Swapped};

use crate::publication::ledgers::blocking;
use crate::publication::result::StepFailure;
use crate::publication::run::PublicationRun;

impl PublicationRun<'_> {
    pub(crate) async fn confirm(
        &mut self,
        swapped: Swapped,
        policy: &PublishPolicy,
    ) -> Result<ProjectLedger, StepFailure> {
        let commands = self.commands(policy);
        let verify = commands.run(&policy.verify, None).await;
        let why = if verify.success {
            self.result.after = commands.run(&policy.after, None).await;
            let after = &self.result.after;
            (!after.success).then(|| format!("afterCmd: {}", after.msg))
        } else {
            Some(format!("verifyCmd: {}", verify.msg))
        };
        let Some(why) = why else {
            self.note.completed = Some(self.result.kept());
            let note = self.note.value();
            let done = blocking(move || swapped.finish(note)).await.map_err(StepFailure::of)?;
            return Ok(done.ledger);
        };
        Err(self.undo(swapped, policy, why).await)
    }

    async fn undo(&self, swapped: Swapped, policy: &PublishPolicy, why: String) -> StepFailure {
        let undone = match blocking(move || swapped.undo()).await {
            Ok(undone) => undone,
            Err(error) => {
                let error = format!("{why}; the previous files could not be restored: {error}");
                tracing::error!(project = self.keys.project, "{error}");
                return StepFailure::new(error);
            }
        };
        if self.execution.stop.is_asked() {
            // afterCmd stays due, and runs at the next start.
            let error = format!("{why}; cancelled, rolled back");
            return StepFailure {
                state: "rolled_back",
                kind: FailureKind::Cancelled,
                passes: true,
                ..StepFailure::new(error)
            };
        }
        let again = self.commands(policy).run(&policy.after, None).await;
        let settled = blocking(move || undone.settle()).await;
        let error = match (again.success, settled) {
            (_, Err(error)) => format!("{why}; rolled back, but {error}"),
            (true, Ok(_)) => format!("{why}; rolled back"),
            (false, Ok(_)) => {
                let error = format!("{why}; rolled back, but afterCmd failed again: {}", again.msg);
                tracing::error!(project = self.keys.project, "{error}");
                error
            }
        };
        StepFailure { state: "rolled_back", ..StepFailure::new(error) }
    }
}
