//! `heraldd deploy` and `rollback`: another revision for the nodes of an application.

use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::Value;

use super::apps::short;
use super::deploy_progress::DeployProgress;
use crate::client::{DaemonSocket, NOT_FOUND, ReadAborted, step};
use crate::command_output::{BAD_INPUT, CommandOutput, FAILED, STOPPED};
use crate::model;

/// Deploy an application to its nodes
///
/// All nodes get the same revision, and none switches before all are ready. The exit code is 0 when it was accepted
/// (with --wait: when it succeeded; with --dry-run: when nothing speaks against it), 1 when not, 4 when there is no
/// such application or revision.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  heraldd deploy shop --wait\n  heraldd deploy shop v2.1 --dry-run")]
pub struct DeployArguments {
    #[command(flatten)]
    options: DeployOptions,
    /// A branch, a tag, a commit or a number; by default the `revision` of the application
    revision: Option<String>,
}

/// Roll an application back to the last deployment that was good on all its nodes
///
/// The revision that is left is marked bad: automatic deployments of it are held. Exit codes as with `heraldd deploy`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd rollback shop --reason 'checkout fails' --wait")]
pub struct RollbackArguments {
    #[command(flatten)]
    options: DeployOptions,
    /// The revision to go to
    revision: Option<String>,
}

/// How often a job is looked for that was accepted just now, and how long to wait in between.
const TRIES: usize = 40;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
struct DeployOptions {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// The application
    app: String,
    /// This node alone; may be given several times
    #[arg(long, value_name = "NAME")]
    node: Vec<String>,
    /// Show what it would do; nothing is changed
    #[arg(long, conflicts_with_all = ["wait", "key"])]
    dry_run: bool,
    /// Why; it is recorded
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Wait until it has ended, and show how far each node is
    #[arg(short, long)]
    wait: bool,
    /// Only if this revision is live
    #[arg(long, value_name = "REVISION")]
    if_live: Option<String>,
    /// The same key twice within a day is one deployment
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Fail if another deployment is under way, and do not wait for it
    #[arg(long)]
    fail_if_busy: bool,
    /// Pass a hold and a freeze; needs the role admin and a reason
    #[arg(long = "override", requires = "reason")]
    overrides: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a command answers, or why it cannot.
type DeployOutput = Result<CommandOutput, CommandOutput>;

/// Carries it out.
#[must_use]
pub fn deploy(arguments: &DeployArguments) -> CommandOutput {
    arguments.options.run("deploy", arguments.revision.as_deref()).unwrap_or_else(|answer| answer)
}

/// Carries it out.
#[must_use]
pub fn rollback(arguments: &RollbackArguments) -> CommandOutput {
    arguments.options.run("rollback", arguments.revision.as_deref()).unwrap_or_else(|answer| answer)
}

/// What is wrong with the revision or a node is not a matter of the command line.
fn as_not_found(answer: CommandOutput) -> CommandOutput {
    let code = if answer.code == BAD_INPUT { NOT_FOUND } else { answer.code };
    CommandOutput { code, ..answer }
}

impl DeployOptions {
    fn run(&self, action: &str, revision: Option<&str>) -> DeployOutput {
        if self.dry_run {
            return self.plan(action, revision);
        }
        let wanted = model::DeploymentWanted {
            revision: revision.map(Value::from),
            nodes: (!self.node.is_empty()).then(|| self.node.clone()),
            reason: self.reason.clone(),
            if_live: self.if_live.clone(),
            key: self.key.clone(),
            overrides: self.overrides,
            fail_if_busy: self.fail_if_busy,
        };
        let body = serde_json::to_string(&wanted).unwrap_or_default();
        let path = format!("/v1/apps/{}/{action}", step(&self.app));
        let said = self.daemon.ask(Method::POST, &path, Some(&body)).map_err(as_not_found)?;
        let accepted: model::DeploymentAccepted =
            serde_json::from_value(said.clone()).map_err(|error| CommandOutput::unexpected(&error))?;
        match accepted.job_id {
            Some(job) if self.wait => self.wait_for(&job),
            _ if self.json => Ok(CommandOutput::good(said.to_string())),
            Some(job) => Ok(CommandOutput::good(job)),
            None => {
                let remarks = "the deployment is recorded; its job is not made yet".to_owned();
                Ok(CommandOutput { remarks, ..CommandOutput::good(accepted.event_id) })
            }
        }
    }

    fn plan(&self, action: &str, revision: Option<&str>) -> DeployOutput {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("action", action);
        if let Some(revision) = revision {
            query.append_pair("revision", revision);
        }
        if !self.node.is_empty() {
            query.append_pair("nodes", &self.node.join(","));
        }
        let path = format!("/v1/apps/{}/plan?{}", step(&self.app), query.finish());
        let said = self.daemon.ask(Method::GET, &path, None).map_err(as_not_found)?;
        let plan: model::AppPlanResource =
            serde_json::from_value(said.clone()).map_err(|error| CommandOutput::unexpected(&error))?;
        let code = if plan.refusals.is_empty() { STOPPED } else { FAILED };
        let out = if self.json { said.to_string() } else { plan_page(&plan) };
        let remarks = plan.refusals.iter().map(|refusal| format!("heraldd: {refusal}")).collect::<Vec<_>>();
        Ok(CommandOutput { out, remarks: remarks.join("\n"), code })
    }

    /// Shows what the job prints until it ends; then what came of it on each node.
    fn wait_for(&self, job: &str) -> DeployOutput {
        let mut progress = DeployProgress::new(self.json);
        let path = format!("/v1/jobs/{}/log?follow=true", step(job));
        let mut tries = 0;
        loop {
            let followed = self.daemon.follow(&path, |bytes| {
                let taken = progress.take(bytes);
                taken.map_err(|error| ReadAborted(format!("the output could not be written: {error}")))
            });
            match followed {
                Ok(()) => break,
                // It was accepted just now, and is about to be recorded.
                Err(answer) if answer.code == NOT_FOUND && tries < TRIES => tries += 1,
                Err(answer) => return Err(answer),
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
        progress.end();
        let record = self.record_of(job)?;
        let code = if record.status == "succeeded" { STOPPED } else { FAILED };
        let out = match serde_json::to_string(&record) {
            Ok(json) if self.json => json,
            _ => record_page(&record),
        };
        Ok(CommandOutput { out, remarks: String::new(), code })
    }

    fn record_of(&self, job: &str) -> Result<model::DeploymentResource, CommandOutput> {
        let path = format!("/v1/apps/{}/deployments?limit=200", step(&self.app));
        let said = self.daemon.ask(Method::GET, &path, None)?;
        let page: model::Page<model::DeploymentResource> =
            serde_json::from_value(said).map_err(|error| CommandOutput::unexpected(&error))?;
        let found = page.items.into_iter().find(|record| record.job_id == job);
        found.ok_or_else(|| {
            let remarks = format!("heraldd: the job {job} ended without a record; see `heraldd job {job}`");
            CommandOutput { out: String::new(), remarks, code: FAILED }
        })
    }
}

fn plan_page(plan: &model::AppPlanResource) -> String {
    let mut lines = vec![format!("{}: {} -> {}", plan.app, short(plan.from.as_ref()), short(Some(&plan.to)))];
    let sign = if plan.backward { '-' } else { '+' };
    let commit = |commit: &model::CommitSummary| {
        format!("  {sign} {} {} {}", short(Some(&commit.revision)), commit.author, commit.subject)
    };
    lines.extend(plan.commits.iter().map(commit));
    for (name, node) in &plan.nodes {
        let text = |key: &str| node.plan.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key: &str| node.plan.get(key).and_then(Value::as_u64).unwrap_or_default();
        let state = match (node.online, node.refusals.is_empty()) {
            (false, _) => "offline",
            (true, false) => "refuses",
            (true, true) => "ready",
        };
        let current = text("current").or_else(|| text("described"));
        let room = format!("needs {} of {} bytes", number("needed"), number("free"));
        lines.push(format!("{name}: {state}, has {}, {room}", short(current.as_ref())));
        let files = |key: &str| node.plan.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        for (key, what) in [("local_changes", "changed here"), ("conflicts", "in the way")] {
            lines.extend(
                files(key).iter().filter_map(Value::as_str).map(|file| format!("    {what}: {file}")),
            );
        }
    }
    lines.join("\n")
}

fn record_page(record: &model::DeploymentResource) -> String {
    let mut lines = vec![format!(
        "{}: {} -> {}: {}",
        record.app,
        short(record.from.as_ref()),
        short(record.to.as_ref()),
        record.status
    )];
    lines.extend(record.nodes.iter().map(|(name, node)| {
        let error = node.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        format!("  {name}  {}  {}{error}", node.status, short(node.to.as_ref()))
    }));
    lines.extend(record.error.iter().map(|error| format!("  {error}")));
    lines.join("\n")
}
