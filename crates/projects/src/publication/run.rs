//! One publication, from the event to the outcome.

use herald_core::executor::{Execution, Outcome};
use herald_etcd::ProjectKeys;
use herald_publish::{
    CommandReport, Planned, ProjectLedger, PublicationRequest, PublishPolicy, WantedFile, sha256_hex,
};
use serde_json::{Value, json};

use crate::options::{DriftOption, PolicySource, SameContent};
use crate::project::{EtcdProject, LedgerSource, NoPolicy, ProjectPolicy};
use crate::publication::command::CommandRunner;
use crate::publication::hold::{KnownProject, held, no_policy};
use crate::publication::ledgers::{OpenedLedgers, blocking};
use crate::publication::note::ProjectNote;
use crate::publication::request::{JobRequest, RequestReason};
use crate::publication::result::{PublicationEnd, PublicationResult, StepFailure};
use crate::publication::target::target;
use crate::publication::turn::ContentTurn;
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
    /// An earlier process did not end this job, or did not record that.
    pub(crate) is_recovery: bool,
    pub(crate) result: PublicationResult,
    pub(crate) note: ProjectNote,
}

impl<'a> PublicationRun<'a> {
    pub(crate) fn new(
        publisher: &'a Publisher,
        execution: &'a Execution,
        keys: ProjectKeys,
        request: JobRequest,
        is_recovery: bool,
    ) -> Self {
        let mut run = Self {
            publisher,
            execution,
            keys,
            request,
            is_recovery,
            result: PublicationResult::default(),
            note: ProjectNote::default(),
        };
        run.begin_result();
        run
    }

    /// Nothing is known yet of this job's own publication.
    pub(crate) fn begin_result(&mut self) {
        let publication = self.execution.job.id.to_string();
        self.result = PublicationResult { publication, ..PublicationResult::default() };
    }

    pub(crate) async fn run(mut self) -> Outcome {
        self.stand(ProjectStanding { state: ProjectState::Publishing, ..ProjectStanding::pending() });
        let ended = self.publish().await;
        self.settle(&ended).await;
        self.result.outcome(&self.keys, ended)
    }

    pub(crate) fn stand(&self, standing: ProjectStanding) {
        self.publisher.connection.standings.note(&self.keys, standing);
    }

    async fn publish(&mut self) -> RunEnd {
        let opened = self.publisher.ledgers.open().await.map_err(StepFailure::of)?;
        let ledger = match self.recovered(&opened).await? {
            (_, Some(end)) => return Ok(end),
            (ledger, None) => ledger,
        };
        if let Some(publication) = &self.request.rollback {
            let kept = ledger.kept(publication).map(str::to_owned);
            let wrong = |error| StepFailure { is_of_request: true, ..StepFailure::of(error) };
            self.request.rollback = Some(kept.map_err(wrong)?);
        }
        let Publisher { connection, options, .. } = self.publisher;
        let read = async {
            let turn = self.publisher.turns.next().await;
            (turn, EtcdProject::read(&connection.client, &self.keys, options.max_total).await)
        };
        let (turn, project) = tokio::select! {
            read = read => read,
            () = self.execution.stop.asked() => return Err(StepFailure::cancelled()),
        };
        let mut project = project.map_err(|error| StepFailure { passes: true, ..StepFailure::new(error) })?;
        self.result.revision = project.revision;
        let source: LedgerSource = serde_json::from_value(ledger.data().source.clone()).unwrap_or_default();
        self.result.callback = self.last_callback(&project, &source);
        let known = KnownProject { note: &self.note, ledger: &ledger, project: &project, source: &source };
        let hold = match self.request.is_accepted {
            true => Ok(None),
            false => self.publisher.hold(&self.execution.job, known).await,
        };
        let hold = hold.map_err(|error| StepFailure { passes: true, ..StepFailure::new(error) })?;
        if let Some(ended) = self.pinned(&project, hold) {
            return ended;
        }
        let (mut policy, files) = match self.wanted(&ledger, &mut project, &source)? {
            Some(wanted) => wanted,
            None if self.request.reason == RequestReason::Manual => {
                let missing = no_policy(&self.keys, options);
                return Err(StepFailure { is_of_request: true, ..StepFailure::new(missing) });
            }
            None => return Ok(quiet("pending")),
        };
        if files.is_empty() {
            policy.policy = policy.policy.without_checks();
        }
        self.result.callback = policy.callback.clone();
        self.note.report_url = policy.report_url.take().or_else(|| self.note.report_url.take());
        let next = project.source(&policy);
        self.note.gone = project.is_empty();
        drop(project);
        let is_same_source = next.is_same_as(&source);
        let request = self.publication(&policy, &next, files).await?;
        drop((source, next));
        let planned = self.plan(opened, ledger, request).await?;
        self.carry_out(planned, is_same_source, policy, turn).await
    }

    /// Where reports go as long as no policy of etcd counts.
    fn last_callback(&self, project: &EtcdProject, source: &LedgerSource) -> Value {
        let Publisher { options, templates, .. } = self.publisher;
        if options.policy_from == PolicySource::Yaml {
            let policy = project.policy(options, templates, &self.execution.job);
            return policy.map_or_else(|_| "".into(), |policy| policy.callback);
        }
        project.last_callback(source, self.note.report_url.as_ref(), &options.etcd)
    }

    /// Ends it where etcd does not count: it is of another history, an earlier publication was restored, or what
    /// failed did not change.
    fn pinned(&mut self, project: &EtcdProject, hold: Option<String>) -> Option<RunEnd> {
        let JobRequest { reason, .. } = self.request;
        let fingerprint = project.fingerprint();
        // What was interrupted may not have been reported.
        let is_known = !self.is_recovery && self.note.failed.as_ref() == Some(&fingerprint);
        if reason != RequestReason::Manual && self.note.pinned.as_ref() == Some(&fingerprint) {
            return Some(Ok(quiet("held")));
        }
        if let Some(why) = hold {
            self.note.held = Some(why.clone());
            self.note.failed = Some(fingerprint);
            let error = held(&self.keys, &why);
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

    /// The policy and the files; none where there is nothing to do yet.
    fn wanted(
        &self,
        ledger: &ProjectLedger,
        project: &mut EtcdProject,
        source: &LedgerSource,
    ) -> Result<Option<(ProjectPolicy, Vec<WantedFile>)>, StepFailure> {
        let Publisher { options, templates, .. } = self.publisher;
        let policy = match project.policy(options, templates, &self.execution.job) {
            Ok(policy) => policy,
            Err(NoPolicy::Missing) if project.is_empty() => {
                match project.last_policy(source, self.result.callback.clone(), options) {
                    Some(policy) => policy,
                    None => return Ok(None),
                }
            }
            Err(NoPolicy::Missing) if !source.is_known() => return Ok(None),
            Err(NoPolicy::Missing) => {
                let error = "its policy is gone; the files stay as they are until there is one again";
                return Err(StepFailure::new(error));
            }
            Err(NoPolicy::Invalid(error)) => return Err(StepFailure::new(error)),
        };
        let is_forced = self.request.is_forced;
        let touches = options.same_content == SameContent::Publish && source.is_known();
        let rewrite = |key: &str, revision| is_forced || (touches && source.is_changed(key, revision));
        let mut files = project.take_files(rewrite);
        if let Some(publication) = &self.request.rollback {
            files = ledger.contents_of(publication).map_err(StepFailure::of)?;
        }
        Ok(Some((policy, files)))
    }

    async fn carry_out(
        &mut self,
        planned: Planned,
        is_same_source: bool,
        policy: ProjectPolicy,
        mut turn: Option<ContentTurn<'_>>,
    ) -> RunEnd {
        self.result.changes = planned.changes();
        self.result.foreign = planned.foreign().to_vec();
        if planned.changes().is_empty() && !self.request.is_forced {
            return self.adopt(planned, is_same_source).await;
        }
        if let Some(wait) = self.splay(policy.policy.splay) {
            // Others need not wait for that as well.
            drop(turn.take());
            self.wait(wait).await?;
            turn = self.publisher.turns.next().await;
        }
        let needs_tree = !policy.policy.check.trim().is_empty();
        let mut staged = blocking(move || planned.stage(needs_tree)).await.map_err(StepFailure::of)?;
        drop(turn);
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
        staged.add_context("check", self.result.check.value());
        staged.add_context("before", self.result.before.value());
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
        let is_emptied = wanted.is_empty();
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
                "is_emptied": is_emptied,
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

    /// A part of the splay that differs from job to job.
    fn splay(&self, splay: std::time::Duration) -> Option<std::time::Duration> {
        if splay.is_zero() || self.request.reason == RequestReason::Manual {
            return None;
        }
        let digest = sha256_hex(format!("{}{}", self.execution.job.id, self.keys.layout.host).as_bytes());
        let part = u32::from_str_radix(&digest[..6], 16).unwrap_or_default();
        Some(splay.mul_f64(f64::from(part) / f64::from(0x00ff_ffff)))
    }

    async fn wait(&self, wait: std::time::Duration) -> Result<(), StepFailure> {
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
