//! What an earlier process left of a publication.

use herald_publish::{CommandReport, PolicyKeys, ProjectLedger, PublishPolicy, Recovery, recover};
use serde::Deserialize as _;
use serde_json::Value;

use crate::options::PolicySource;
use crate::publication::ledgers::{OpenedLedgers, blocking};
use crate::publication::note::ProjectNote;
use crate::publication::result::{PublicationEnd, PublicationResult, StepFailure};
use crate::publication::run::PublicationRun;
use crate::publisher::id;

impl PublicationRun<'_> {
    /// Deals with what an earlier process left. Gives the end of this job where that was its publication.
    pub(crate) async fn recovered(
        &mut self,
        opened: &OpenedLedgers,
    ) -> Result<(ProjectLedger, Option<PublicationEnd>), StepFailure> {
        let (folder, claims, name) = (opened.folder.clone(), opened.claims.clone(), id(&self.keys));
        let recovery = blocking(move || recover(folder.project(&name)?, &claims)).await;
        let recovery = recovery.map_err(|error| StepFailure { passes: true, ..StepFailure::of(error) })?;
        let (ledger, is_over) = match recovery {
            Recovery::Clean(ledger) => {
                self.note = ProjectNote::of(&ledger);
                (ledger, self.take_completed())
            }
            Recovery::Finished(done) => {
                self.note = ProjectNote::of(&done.ledger);
                let is_own = self.take_completed();
                self.result.changes = done.changes;
                // An older version did not keep whose it was.
                let is_unnamed = self.note.completed.is_none();
                (done.ledger, is_own || (self.is_recovery && is_unnamed))
            }
            Recovery::Swapped(swapped) => {
                self.note = ProjectNote::of(swapped.ledger());
                self.result.changes = swapped.changes();
                let publication = swapped.publication().to_owned();
                let is_own = publication == self.result.publication;
                self.take_context(&swapped.context());
                let policy = policy_of(&swapped.context());
                // The result is kept under the name of whose it is: this job may have to publish something else yet.
                let own = std::mem::replace(&mut self.result.publication, publication);
                let confirmed = self.confirm(swapped, &policy).await;
                self.result.publication = own;
                (confirmed?, is_own)
            }
            Recovery::Undone(undone) => {
                let policy = policy_of(&undone.context());
                let after = self.commands(&policy).run(&policy.after, None).await;
                if !after.success {
                    tracing::warn!(project = id(&self.keys), "afterCmd after an undo failed: {}", after.msg);
                }
                let ledger = blocking(move || undone.settle()).await.map_err(StepFailure::of)?;
                self.note = ProjectNote::of(&ledger);
                (ledger, false)
            }
        };
        if is_over {
            return Ok((ledger, Some(PublicationEnd { state: "published", is_reported: true })));
        }
        self.begin_result();
        Ok((ledger, None))
    }

    /// Whether the publication that ended last is this job's, whose end was not recorded then. Its result is taken.
    fn take_completed(&mut self) -> bool {
        let own = |completed: &&PublicationResult| completed.publication == self.result.publication;
        let completed = self.note.completed.as_ref().filter(own).cloned();
        let is_own = completed.is_some();
        self.result = completed.unwrap_or_else(|| std::mem::take(&mut self.result));
        if is_own && self.publisher.options.policy_from == PolicySource::Yaml {
            self.result.callback = self.callback_of_now();
        }
        is_own
    }

    /// The URL of a policy in YAML, which the ledger does not keep: it may hold a secret, and be another one by now.
    fn callback_of_now(&self) -> Value {
        let given = self.publisher.templates.render(&self.keys.project, &self.execution.job).ok().flatten();
        let policy = given.and_then(|given| PublishPolicy::read(&given, PolicyKeys::Exact).ok());
        policy.map(|policy| policy.callback).unwrap_or_default().into()
    }

    fn take_context(&mut self, context: &Value) {
        self.result.callback = context.get("callback").cloned().unwrap_or_default();
        self.result.revision = context.get("revision").and_then(Value::as_i64).unwrap_or_default();
        // Before a swap both have succeeded, also where an older version did not keep what they said.
        let report = |name: &str| {
            let kept = context.get(name).and_then(|kept| CommandReport::deserialize(kept).ok());
            kept.unwrap_or_else(CommandReport::none)
        };
        (self.result.check, self.result.before) = (report("check"), report("before"));
    }
}

/// The policy that was kept for the completion.
fn policy_of(context: &Value) -> PublishPolicy {
    let kept = context.get("policy").and_then(Value::as_object).cloned().unwrap_or_default();
    let policy = PublishPolicy::read(&kept, PolicyKeys::AnyCase).unwrap_or_default();
    match context.get("is_emptied").and_then(Value::as_bool) {
        Some(true) => policy.without_checks(),
        _ => policy,
    }
}
