//! The stages of a deployment, one after the other. Each goes on where an earlier process stopped.

use std::sync::Arc;

use herald_base::failpoint;
use herald_base::output::{Output, Stream};
use herald_base::stop::Stop;
use herald_remote::{DRAINED, RunnerFailureKind};

use super::gate;
use super::plan::{Between, NodePlan, node_plan};
use super::progress::{DeploymentProgress, GaveUpKind, NodeProgress, NodeStage, ProgressFile, milliseconds};
use crate::app::parts::{AppError, AppParts};
use crate::book::{BookError, DeploymentRecord};
use crate::clipped::exact;
use crate::node::{StepCall, StepName};
use crate::settings::OfflineNode;

/// How often a node that is waited for is asked whether it is back.
const ASK_AGAIN: std::time::Duration = std::time::Duration::from_secs(2);

/// A deployment that is under way.
pub(crate) struct Deployment<'a> {
    pub(super) app: &'a AppParts,
    pub(super) progress: ProgressFile,
    pub(super) stop: Stop,
    pub(super) output: Arc<dyn Output>,
}

impl<'a> Deployment<'a> {
    pub(crate) fn new(
        app: &'a AppParts,
        progress: DeploymentProgress,
        stop: Stop,
        output: Arc<dyn Output>,
    ) -> Self {
        let progress = ProgressFile::new(app.book.progress_file(), progress);
        Self { app, progress, stop, output }
    }

    /// One that is over before it begins, and of which nothing is kept but its record.
    pub(crate) fn unkept(app: &'a AppParts, progress: DeploymentProgress) -> Self {
        let (stop, output) = (Stop::new(), Arc::new(herald_base::output::NoOutput));
        Self { app, progress: ProgressFile::new(None, progress), stop, output }
    }

    /// Carries it out, or goes on with it, to its record.
    ///
    /// # Errors
    /// When what is to be kept of it cannot be written.
    pub(crate) async fn run(&self) -> Result<DeploymentRecord, BookError> {
        self.progress.change(|_| ()).await?;
        if !self.progress.now().planned {
            self.resolve_and_plan().await?;
        }
        if self.goes_on().await? {
            self.prepare().await?;
        }
        failpoint!("apps-prepared");
        if self.goes_on().await? || self.has_sent_once() {
            self.once().await?;
        }
        self.switch().await?;
        failpoint!("apps-switched");
        if self.progress.now().gave_up.is_some() {
            self.undo().await?;
        }
        self.finish().await?;
        let record = self.record().await?;
        failpoint!("apps-recorded");
        self.progress.remove().await;
        Ok(record)
    }

    /// Whether nothing has failed and nobody has cancelled it.
    pub(super) async fn goes_on(&self) -> Result<bool, BookError> {
        if self.progress.now().gave_up.is_none() && self.stop.is_asked() {
            self.give_up(GaveUpKind::Cancelled, "cancelled".to_owned()).await?;
        }
        Ok(self.progress.now().gave_up.is_none())
    }

    pub(super) async fn give_up(&self, kind: GaveUpKind, error: String) -> Result<(), BookError> {
        self.say(&error).await;
        self.progress.change(|progress| progress.give_up(kind, error)).await
    }

    /// A line in the log of the job.
    pub(super) async fn say(&self, line: &str) {
        self.output.write(Stream::Stdout, format!("{line}\n").as_bytes()).await;
    }

    async fn resolve_and_plan(&self) -> Result<(), BookError> {
        let request = self.progress.now().request.clone();
        let (app, book) = (self.app, self.app.book.now());
        if let Err(refusal) = gate::check(&app.settings, &book, &request, app.clock.now()) {
            let kind = if refusal.is_held() { GaveUpKind::Held } else { GaveUpKind::Failed };
            return self.give_up(kind, refusal.to_string()).await;
        }
        failpoint!("apps-resolving");
        let revision = match app.resolve(&request, app.settings.timeout, &self.stop).await {
            Ok(revision) => revision,
            Err(error) => {
                let kind = match &error {
                    _ if self.stop.is_asked() => GaveUpKind::Cancelled,
                    AppError::Revision(herald_deploy::DeployError::TimedOut(_)) => GaveUpKind::TimedOut,
                    _ => GaveUpKind::Failed,
                };
                return self.give_up(kind, error.to_string()).await;
            }
        };
        let Between { commits, backward } =
            app.between(book.revision.as_deref(), &revision, &self.stop).await;
        let (from, to) = (book.revision.clone(), revision.clone());
        self.progress
            .change(|progress| {
                (progress.revision, progress.from) = (Some(to), from);
                (progress.commits, progress.backward) = (commits, backward);
            })
            .await?;
        if request.automatic
            && book.revision.as_ref() != Some(&revision)
            && request.action == crate::book::DeploymentWay::Deploy
            && let Err(refusal) = app.refuse_bad(&revision, &self.stop).await
        {
            return self.give_up(GaveUpKind::Held, refusal.to_string()).await;
        }
        self.say(&format!("{} {} of {}", request.action.as_str(), revision, app.settings.name)).await;
        self.plan_all(&revision).await
    }

    /// Asks all nodes for their plans; a single one that speaks against it ends all.
    async fn plan_all(&self, revision: &str) -> Result<(), BookError> {
        let request = self.progress.now().request.clone();
        let names = self.app.names(&request);
        let planned = |name: String| async {
            let began = self.app.clock.now();
            let (name, plan) = self.plan_of(name, revision).await;
            (name, plan, milliseconds(began, self.app.clock.now()))
        };
        let mut plans = self.on_all(names.clone(), planned).await;
        // They answer in any order, and switch in theirs.
        plans.sort_by_key(|(name, ..)| names.iter().position(|other| other == name));
        let mut nodes = Vec::new();
        let mut refusals: Vec<String> = Vec::new();
        let mut has_timed_out = false;
        for (name, plan, took) in plans {
            let stays_away = !plan.online && self.leaves_out_absent();
            has_timed_out |= plan.plan.get("timed_out").is_some();
            if !stays_away {
                refusals.extend(plan.refusals.iter().map(|refusal| format!("{name}: {refusal}")));
            }
            let stage = if stays_away { NodeStage::Skipped } else { NodeStage::Planned };
            let error = stays_away.then(|| plan.refusals.join("; "));
            let from = exact(&plan.plan, "current");
            let from = from.or_else(|| self.app.book.now().node(&name).revision.filter(|_| stays_away));
            if error.is_some() || plan.refusals.is_empty() {
                let is_drained = plan.refusals.iter().any(|refusal| refusal == DRAINED);
                let found = match stays_away {
                    true if is_drained => "drained",
                    true => "offline",
                    false => "planned",
                };
                self.say(&format!("{name}: {found}")).await;
            }
            let took = plan.online.then_some(took);
            nodes.push(NodeProgress { from, error, ..NodeProgress::planned(name, stage, took) });
        }
        if refusals.is_empty() && nodes.iter().all(|node| node.stage == NodeStage::Skipped) {
            refusals.push("none of its nodes is online".to_owned());
        }
        self.progress.change(|progress| (progress.planned, progress.nodes) = (true, nodes)).await?;
        if refusals.is_empty() {
            return Ok(());
        }
        let kind = match has_timed_out {
            _ if self.stop.is_asked() => GaveUpKind::Cancelled,
            true => GaveUpKind::TimedOut,
            false => GaveUpKind::Failed,
        };
        self.give_up(kind, refusals.join("; ")).await
    }

    fn leaves_out_absent(&self) -> bool {
        matches!(self.app.settings.strategy.offline, OfflineNode::Skip | OfflineNode::CatchUp)
    }

    async fn plan_of(&self, name: String, revision: &str) -> (String, NodePlan) {
        let request = self.progress.now().request.clone();
        let waits = self.app.settings.strategy.offline == OfflineNode::Wait;
        let deadline = tokio::time::Instant::now() + self.app.settings.timeout;
        loop {
            let call = self.call(StepName::Plan, revision);
            let answer = self.app.steps.run(&name, call).await;
            let timed_out = matches!(&answer, Err(failure) if failure.kind == RunnerFailureKind::TimedOut);
            let mut plan = node_plan(answer);
            if timed_out {
                plan.plan.insert("timed_out".to_owned(), true.into());
            }
            if plan.online || !waits || self.stop.is_asked() || tokio::time::Instant::now() >= deadline {
                return (name, plan);
            }
            let is_drained = plan.refusals.iter().any(|refusal| refusal == DRAINED);
            let state = if is_drained { "drained" } else { "offline" };
            self.say(&format!("waiting for {name}, which is {state} ({})", request.job_id)).await;
            while !self.app.steps.is_reachable(&name).await {
                if self.stop.is_asked() || tokio::time::Instant::now() >= deadline {
                    return (name, plan);
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        }
    }

    /// A step of this deployment.
    pub(super) fn call(&self, name: StepName, revision: &str) -> StepCall {
        let request = &self.progress.now().request;
        StepCall {
            stop: self.stop.clone(),
            output: self.output.clone(),
            ..self.app.call(request, name, revision)
        }
    }
}
