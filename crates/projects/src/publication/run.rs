//! One publication, from the event to the outcome.

use herald_core::executor::{Execution, Outcome};
use herald_etcd::ProjectKeys;
use herald_publish::{
    CommandReport, Planned, ProjectLedger, PublicationRequest, PublishPolicy, WantedFile, sha256_hex,
};
use serde_json::json;

use crate::options::{DriftOption, OnReset, SameContent};
use crate::project::{EtcdProject, LedgerSource, NoPolicy, ProjectPolicy};
use crate::publication::command::CommandRunner;
use crate::publication::ledgers::{OpenedLedgers, blocking};
use crate::publication::note::ProjectNote;
use crate::publication::request::{JobRequest, RequestReason};
use crate::publication::result::{PublicationEnd, PublicationResult, StepFailure};
use crate::publication::target::target;
use crate::publisher::Publisher;
use crate::standings::{ProjectStanding, ProjectState};

/// How a publication ended.
pub(crate) type RunEnd = Result<PublicationEnd, StepFailure>;

/// Nothing was to be done, and nobody needs to know.
pub(crate) const fn quiet(state: &'static str) -> PublicationEnd {
    PublicationEnd { state, is_reported: false }
}

/// A publication while it runs.
pub(crate) struct PublicationRun<'a> {
    pub(crate) publisher: &'a Publisher,
    pub(crate) execution: &'a Execution,
    pub(crate) keys: ProjectKeys,
    pub(crate) request: JobRequest,
    pub(crate) result: PublicationResult,
    pub(crate) note: ProjectNote,
}

impl<'a> PublicationRun<'a> {
    pub(crate) fn new(
        publisher: &'a Publisher,
        execution: &'a Execution,
        keys: ProjectKeys,
        request: JobRequest,
    ) -> Self {
        let result =
            PublicationResult { publication: execution.job.id.to_string(), ..PublicationResult::default() };
        Self { publisher, execution, keys, request, result, note: ProjectNote::default() }
    }

    pub(crate) async fn run(mut self, is_recovery: bool) -> Outcome {
        self.stand(ProjectStanding { state: ProjectState::Publishing, ..ProjectStanding::pending() });
        let ended = self.publish(is_recovery).await;
        self.settle(&ended).await;
        self.result.outcome(&self.keys, ended)
    }

    pub(crate) fn stand(&self, standing: ProjectStanding) {
        self.publisher.connection.standings.note(&self.keys, standing);
    }

    async fn publish(&mut self, is_recovery: bool) -> RunEnd {
        let opened = self.publisher.ledgers.open().await.map_err(StepFailure::of)?;
        let ledger = match self.recovered(&opened).await? {
            (ledger, Some(end)) if is_recovery => {
                drop(ledger);
                return Ok(end);
            }
            (ledger, _) => ledger,
        };
        if let Some(publication) = &self.request.rollback {
            let kept = ledger.kept(publication).map(str::to_owned);
            let wrong = |error| StepFailure { is_of_request: true, ..StepFailure::of(error) };
            self.request.rollback = Some(kept.map_err(wrong)?);
        }
        let Publisher { connection, options, .. } = self.publisher;
        let read = EtcdProject::read(&connection.client, &self.keys, options.max_total);
        let project = tokio::select! {
            project = read => project.map_err(|error| StepFailure { passes: true, ..StepFailure::new(error) })?,
            () = self.execution.stop.asked() => return Err(StepFailure::cancelled()),
        };
        self.result.revision = project.revision;
        let source: LedgerSource = serde_json::from_value(ledger.data().source.clone()).unwrap_or_default();
        self.result.callback = project.last_callback(&source, &options.etcd);
        let broken = self.broken(&project, &source).await?;
        if let Some(ended) = self.pinned(&ledger, &project, &source, broken) {
            return ended;
        }
        let (policy, files) = match self.wanted(&ledger, &project, &source)? {
            Some(wanted) => wanted,
            None => return Ok(quiet("pending")),
        };
        self.result.callback = policy.callback.clone();
        self.carry_out(opened, ledger, &project, &source, policy, files).await
    }

    /// Why etcd is of another history than what was published, where that counts.
    async fn broken(
        &self,
        project: &EtcdProject,
        source: &LedgerSource,
    ) -> Result<Option<String>, StepFailure> {
        let Publisher { connection, options, .. } = self.publisher;
        if options.on_reset != OnReset::Hold || self.request.is_accepted || !source.is_known() {
            return Ok(None);
        }
        if self.note.held.is_some() {
            return Ok(self.note.held.clone());
        }
        let found = project.history_break(&connection.client, source).await;
        let found = found.map_err(|error| StepFailure { passes: true, ..StepFailure::new(error) })?;
        Ok(found.map(|found| found.to_string()))
    }

    /// Ends it where etcd does not count: it is of another history, an earlier publication was restored, or what
    /// failed did not change.
    fn pinned(
        &mut self,
        ledger: &ProjectLedger,
        project: &EtcdProject,
        source: &LedgerSource,
        broken: Option<String>,
    ) -> Option<RunEnd> {
        let JobRequest { reason, .. } = self.request;
        let fingerprint = project.fingerprint();
        let is_known = self.note.failed.as_ref() == Some(&fingerprint);
        if reason != RequestReason::Manual && self.note.pinned.as_ref() == Some(&fingerprint) {
            return Some(Ok(quiet("held")));
        }
        if let Some(why) = broken.filter(|_| !self.is_as_published(ledger, project, source)) {
            self.note.held = Some(why.clone());
            self.note.failed = Some(fingerprint);
            let help =
                format!("`heraldd publish {} --accept` publishes what etcd has now", self.keys.project);
            let error = format!("held: {why}; {help}, the return of the keys ends it too");
            let is_reported = !is_known;
            return Some(Err(StepFailure { state: "held", is_reported, ..StepFailure::new(error) }));
        }
        self.note.held = None;
        self.note.pinned = None;
        if reason == RequestReason::Resync && is_known && !self.note.passes {
            return Some(Ok(quiet("failed")));
        }
        self.note.failed = Some(fingerprint);
        None
    }

    /// Whether etcd has exactly what was published.
    fn is_as_published(&self, ledger: &ProjectLedger, project: &EtcdProject, source: &LedgerSource) -> bool {
        let Publisher { options, templates, .. } = self.publisher;
        let policy = project.policy(options, templates, &self.execution.job).ok().map(|policy| policy.kept);
        let files = project.files(|_, _| false);
        let published = &ledger.data().files;
        let is_same = |file: &WantedFile| {
            let name = options.nested().apply(&file.name).ok();
            let known = name.and_then(|name| published.get(&name));
            known.is_some_and(|known| known.sha256 == sha256_hex(&file.content))
        };
        policy == source.policy && files.len() == published.len() && files.iter().all(is_same)
    }

    /// The policy and the files; none where there is nothing to do yet.
    fn wanted(
        &self,
        ledger: &ProjectLedger,
        project: &EtcdProject,
        source: &LedgerSource,
    ) -> Result<Option<(ProjectPolicy, Vec<WantedFile>)>, StepFailure> {
        let Publisher { options, templates, .. } = self.publisher;
        let policy = match project.policy(options, templates, &self.execution.job) {
            Ok(policy) => policy,
            Err(NoPolicy::Missing) if project.is_empty() => match project.last_policy(source, options) {
                Some(policy) => policy,
                None => return Ok(None),
            },
            Err(NoPolicy::Missing) if !source.is_known() => return Ok(None),
            Err(NoPolicy::Missing) => {
                let error = "its policy is gone; the files stay as they are until there is one again";
                return Err(StepFailure::new(error));
            }
            Err(NoPolicy::Invalid(error)) => return Err(StepFailure::new(error)),
        };
        let is_forced = self.request.is_forced;
        let touches = options.same_content == SameContent::Publish && source.is_known();
        let mut files =
            project.files(|key, revision| is_forced || (touches && source.is_changed(key, revision)));
        if let Some(publication) = &self.request.rollback {
            files = ledger.contents_of(publication).map_err(StepFailure::of)?;
        }
        Ok(Some((policy, files)))
    }

    async fn carry_out(
        &mut self,
        opened: OpenedLedgers,
        ledger: ProjectLedger,
        project: &EtcdProject,
        source: &LedgerSource,
        policy: ProjectPolicy,
        files: Vec<WantedFile>,
    ) -> RunEnd {
        let next = project.source(&policy);
        let is_same_source = next.is_same_as(source);
        let request = self.publication(&policy, &next, files).await?;
        let planned = self.plan(opened, ledger, request).await?;
        self.result.changes = planned.changes();
        self.result.foreign = planned.foreign().to_vec();
        self.note.gone = project.is_empty();
        if planned.changes().is_empty() && !self.request.is_forced {
            return self.adopt(planned, is_same_source).await;
        }
        self.splay(policy.policy.splay).await?;
        let needs_tree = !policy.policy.check.trim().is_empty();
        let staged = blocking(move || planned.stage(needs_tree)).await.map_err(StepFailure::of)?;
        let tree = staged.tree().map(std::path::Path::to_owned);
        let commands = self.commands(&policy.policy);
        let check = commands.run(&policy.policy.check, tree.as_deref()).await;
        let before = match check.success {
            true => commands.run(&policy.policy.before, None).await,
            false => CommandReport::default(),
        };
        let failed = match (check.success, before.success) {
            (false, _) => Some(("checkCmd", &check)),
            (_, false) => Some(("beforeCmd", &before)),
            _ => None,
        };
        let failure = failed.map(|(name, report)| self.refused(name, report));
        (self.result.check, self.result.before) = (check, before);
        if let Some(failure) = failure {
            blocking(move || staged.discard()).await.map_err(StepFailure::of)?;
            return Err(failure);
        }
        let swapped = blocking(move || staged.swap()).await.map_err(StepFailure::of)?;
        for path in swapped.in_place() {
            tracing::info!(path, "written in place: it cannot be replaced by a rename, as a mount point");
        }
        self.confirm(swapped, &policy.policy).await?;
        Ok(PublicationEnd { state: "published", is_reported: true })
    }

    /// Why nothing was changed.
    fn refused(&self, name: &str, report: &CommandReport) -> StepFailure {
        if self.execution.stop.is_asked() {
            return StepFailure::cancelled();
        }
        StepFailure::new(format!("{name}: {}; nothing was changed", report.msg))
    }

    async fn publication(
        &self,
        policy: &ProjectPolicy,
        next: &LedgerSource,
        wanted: Vec<WantedFile>,
    ) -> Result<PublicationRequest, StepFailure> {
        let (options, read) = (self.publisher.options.clone(), policy.policy.clone());
        let made = tokio::task::spawn_blocking(move || target(&options, &read)).await;
        let target = made.map_err(StepFailure::new)??;
        let now = self.publisher.clock.now();
        let local = now.to_zoned(jiff::tz::TimeZone::system());
        let drift = self.publisher.options.drift;
        let is_asked_for = self.request.is_forced || self.request.reason == RequestReason::Manual;
        Ok(PublicationRequest {
            publication: self.result.publication.clone(),
            time: now.to_string(),
            backup_time: local.strftime("%Y-%m-%d_%H:%M:%S").to_string(),
            wanted,
            target,
            leaves_drift: !is_asked_for && drift != DriftOption::Repair,
            source: serde_json::to_value(next).unwrap_or_default(),
            context: json!({
                "policy": policy.kept,
                "callback": self.result.callback,
                "revision": self.result.revision,
            }),
        })
    }

    async fn plan(
        &self,
        opened: OpenedLedgers,
        ledger: ProjectLedger,
        request: PublicationRequest,
    ) -> Result<Planned, StepFailure> {
        let planned = blocking(move || herald_publish::plan(ledger, &opened.claims, request)).await;
        planned.map_err(StepFailure::of)
    }

    /// Nothing changes on disk; files that are the same belong to the project from now on.
    async fn adopt(&mut self, planned: Planned, is_same_source: bool) -> RunEnd {
        let reports_drift = self.publisher.options.drift == DriftOption::Report;
        let is_drifted = reports_drift && !planned.drifted().is_empty();
        let end = quiet(if is_drifted { "drifted" } else { "in_sync" });
        let is_known = planned.files() == planned.ledger().data().files.len();
        if is_same_source && is_known {
            let ledger = planned.discard();
            self.note.published_at =
                self.note.published_at.take().filter(|_| !ledger.data().files.is_empty());
            return Ok(end);
        }
        let note = self.note.value();
        blocking(move || planned.adopt(note)).await.map_err(StepFailure::of)?;
        Ok(end)
    }

    /// Waits for a part of the splay that differs from job to job.
    async fn splay(&self, splay: std::time::Duration) -> Result<(), StepFailure> {
        if splay.is_zero() || self.request.reason == RequestReason::Manual {
            return Ok(());
        }
        let digest = sha256_hex(format!("{}{}", self.execution.job.id, self.keys.layout.host).as_bytes());
        let part = u32::from_str_radix(&digest[..6], 16).unwrap_or_default();
        let wait = splay.mul_f64(f64::from(part) / f64::from(0x00ff_ffff));
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.execution.stop.asked() => Err(StepFailure::cancelled()),
        }
    }

    pub(crate) fn commands(&self, policy: &PublishPolicy) -> CommandRunner<'a> {
        let options = &self.publisher.options;
        CommandRunner {
            form: options.commands,
            timeout: options.command_timeout,
            execution: self.execution,
            variables: vec![
                ("HERALD_PROJECT", self.keys.project.clone()),
                ("HERALD_HOST", self.keys.layout.host.clone()),
                ("HERALD_REVISION", self.result.revision.to_string()),
                ("HERALD_DEPLOY_PATH", policy.deploy_path.clone()),
            ],
        }
    }
}
