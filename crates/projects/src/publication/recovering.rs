//! What an earlier process left of a publication.

use herald_publish::{ProjectLedger, PublishPolicy, Recovery, recover};
use serde_json::Value;

use crate::publication::ledgers::{OpenedLedgers, blocking};
use crate::publication::note::ProjectNote;
use crate::publication::result::{PublicationEnd, StepFailure};
use crate::publication::run::PublicationRun;
use crate::publisher::id;

impl PublicationRun<'_> {
    /// Deals with what an earlier process left. Gives the end of that publication where its files are published.
    pub(crate) async fn recovered(
        &mut self,
        opened: &OpenedLedgers,
    ) -> Result<(ProjectLedger, Option<PublicationEnd>), StepFailure> {
        let (folder, claims, name) = (opened.folder.clone(), opened.claims.clone(), id(&self.keys));
        let recovery = blocking(move || recover(folder.project(&name)?, &claims)).await;
        let recovery = recovery.map_err(|error| StepFailure { passes: true, ..StepFailure::of(error) })?;
        let published = PublicationEnd { state: "published", is_reported: true };
        match recovery {
            Recovery::Clean(ledger) => {
                self.note = ProjectNote::of(&ledger);
                Ok((ledger, None))
            }
            Recovery::Finished(done) => {
                self.note = ProjectNote::of(&done.ledger);
                self.result.changes = done.changes;
                Ok((done.ledger, Some(published)))
            }
            Recovery::Swapped(swapped) => {
                self.note = ProjectNote::of(swapped.ledger());
                self.result.changes = swapped.changes();
                self.take_context(&swapped.context());
                let policy = policy_of(&swapped.context());
                let ledger = self.confirm(swapped, &policy).await?;
                Ok((ledger, Some(published)))
            }
            Recovery::Undone(undone) => {
                let policy = policy_of(&undone.context());
                let after = self.commands(&policy).run(&policy.after, None).await;
                if !after.success {
                    tracing::warn!(project = id(&self.keys), "afterCmd after an undo failed: {}", after.msg);
                }
                let ledger = blocking(move || undone.settle()).await.map_err(StepFailure::of)?;
                self.note = ProjectNote::of(&ledger);
                Ok((ledger, None))
            }
        }
    }

    fn take_context(&mut self, context: &Value) {
        self.result.callback = context.get("callback").cloned().unwrap_or_default();
        self.result.revision = context.get("revision").and_then(Value::as_i64).unwrap_or_default();
    }
}

/// The policy that was kept for the completion.
fn policy_of(context: &Value) -> PublishPolicy {
    let kept = context.get("policy").and_then(Value::as_object).cloned().unwrap_or_default();
    PublishPolicy::read(&kept, herald_publish::PolicyKeys::AnyCase).unwrap_or_default()
}
