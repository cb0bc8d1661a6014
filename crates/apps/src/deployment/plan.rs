//! What a deployment would do: the revision, the commits between, and what each node says. Nothing is changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use herald_base::output::NoOutput;
use herald_base::stop::Stop;
use herald_deploy::{Commit, LogRange};
use serde::Serialize;
use serde_json::{Map, Value};

use super::gate::{self, DeploymentRefusal};
use super::request::DeploymentRequest;
use crate::app::parts::{AppError, AppParts};
use crate::book::{DeploymentWay, RecordedCommit};
use crate::clipped::{NAME, SENTENCE, clipped, list};
use crate::node::{NodeStepOutcome, StepCall, StepName};

/// How many nodes are asked at once.
pub(super) const AT_ONCE: usize = 32;
/// How long a plan may take on a node where somebody only wants to see it.
const LONGEST_PLAN: Duration = Duration::from_secs(120);
/// How many refusals of a node are listed.
const MOST_REFUSALS: usize = 20;
/// How many commits are listed.
const MOST_COMMITS: usize = 50;
/// How long it may take to compare a revision with all that were rolled back.
pub(super) const LONGEST_MARKS: Duration = Duration::from_secs(60);
/// How long the repository may take to list them.
pub(super) const LONGEST_LOG: Duration = Duration::from_secs(15);

/// What a deployment would do.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AppPlan {
    /// The application.
    pub app: String,
    /// The revision that is live on all nodes, as it is recorded.
    pub from: Option<String>,
    /// The revision that would be deployed.
    pub to: String,
    /// What lies between, the newest first; at most 50.
    pub commits: Vec<RecordedCommit>,
    /// Whether `to` is older than `from`, or of another branch: the commits are taken back.
    pub backward: bool,
    /// What each node says.
    pub nodes: BTreeMap<String, NodePlan>,
    /// What speaks against it, as sentences.
    pub refusals: Vec<String>,
}

/// What a deployment would do on one node.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NodePlan {
    /// Whether it answered.
    pub online: bool,
    /// What it said: `current`, `local_changes`, `conflicts`, `needed` and `free` bytes…
    pub plan: Map<String, Value>,
    /// What speaks against it.
    pub refusals: Vec<String>,
}

/// What lies between two revisions.
#[derive(Debug, Default)]
pub(crate) struct Between {
    pub(crate) commits: Vec<RecordedCommit>,
    pub(crate) backward: bool,
}

impl AppParts {
    /// What speaks against a request before any node is asked.
    pub(crate) fn accepts(&self, request: &DeploymentRequest) -> Result<(), DeploymentRefusal> {
        gate::check(&self.settings, &self.book.now(), request, self.clock.now())
    }

    /// The exact revision of a request.
    pub(crate) async fn resolve(
        &self,
        request: &DeploymentRequest,
        within: Duration,
        stop: &Stop,
    ) -> Result<String, AppError> {
        let (app, book) = (&self.settings, self.book.now());
        match (&request.revision, request.action) {
            (None, DeploymentWay::Rollback) => {
                let nodes: Vec<&str> = app.nodes.iter().map(|node| &*node.name).collect();
                let target = book.rollback_target(&nodes).map(str::to_owned);
                target.ok_or_else(|| AppError::Refused(DeploymentRefusal::NoTarget { app: app.name.clone() }))
            }
            // What was deployed before needs no server.
            (Some(revision), _)
                if book.deployments.iter().any(|record| record.to.as_ref() == Some(revision)) =>
            {
                Ok(revision.clone())
            }
            (Some(revision), _) => Ok(self.source.resolve(revision, within, stop).await?),
            (None, DeploymentWay::Deploy) => Ok(self.source.resolve(&app.revision, within, stop).await?),
        }
    }

    /// Refuses an automatic deployment of a revision that was rolled back, or of what such a one descends from.
    pub(crate) async fn refuse_bad(&self, revision: &str, stop: &Stop) -> Result<(), DeploymentRefusal> {
        let book = self.book.now();
        let asked = async {
            for bad in book.bad.iter().rev() {
                let is_it = bad.revision == revision
                    || self.source.is_ancestor(revision, &bad.revision, LONGEST_LOG, stop).await?;
                if is_it {
                    return Ok(Some(bad));
                }
            }
            Ok::<_, herald_deploy::DeployError>(None)
        };
        let revision = revision.to_owned();
        match tokio::time::timeout(LONGEST_MARKS, asked).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(bad))) => {
                let (by, at) = (bad.by.clone(), bad.at);
                return Err(DeploymentRefusal::Bad { revision, bad: bad.revision.clone(), by, at });
            }
            // Nobody is there to decide.
            Ok(Err(_)) | Err(_) => return Err(DeploymentRefusal::Unclear { revision }),
        }
        Ok(())
    }

    /// The commits between two revisions. That they cannot be listed, because the server is away, does not matter.
    pub(crate) async fn between(&self, from: Option<&str>, to: &str, stop: &Stop) -> Between {
        let Some(from) = from.filter(|from| *from != to) else { return Between::default() };
        let list = |after: &str, upto: &str| LogRange {
            after: Some(after.to_owned()),
            upto: upto.to_owned(),
            limit: MOST_COMMITS,
        };
        let forward = self.source.log(&list(from, to), LONGEST_LOG, stop).await.unwrap_or_default();
        let is_forward =
            self.source.is_ancestor(from, to, LONGEST_LOG, stop).await.unwrap_or(!forward.is_empty());
        if is_forward {
            return Between { commits: forward.iter().map(recorded).collect(), backward: false };
        }
        let back = self.source.log(&list(to, from), LONGEST_LOG, stop).await.unwrap_or_default();
        Between { commits: back.iter().map(recorded).collect(), backward: true }
    }

    /// What a deployment would do. Nothing is changed.
    ///
    /// # Errors
    /// When the revision cannot be found out.
    pub(crate) async fn plan(
        &self,
        request: &DeploymentRequest,
        within: Duration,
        stop: &Stop,
    ) -> Result<AppPlan, AppError> {
        let to = self.resolve(request, within, stop).await?;
        let book = self.book.now();
        let mut refusals = Vec::new();
        if let Err(refusal) = gate::check(&self.settings, &book, request, self.clock.now()) {
            refusals.push(refusal.to_string());
        }
        let Between { commits, backward } = self.between(book.revision.as_deref(), &to, stop).await;
        let names = self.names(request);
        let asked = stream::iter(names).map(|name| async {
            let timeout = Some(LONGEST_PLAN);
            let call = StepCall { timeout, stop: stop.clone(), ..self.call(request, StepName::Plan, &to) };
            let answer = self.steps.run(&name, call).await;
            (name, answer)
        });
        let answers: Vec<(String, NodeStepOutcome)> = asked.buffer_unordered(AT_ONCE).collect().await;
        let nodes: BTreeMap<String, NodePlan> =
            answers.into_iter().map(|(name, answer)| (name, node_plan(answer))).collect();
        for (name, node) in &nodes {
            refusals.extend(node.refusals.iter().map(|refusal| format!("{name}: {refusal}")));
        }
        let (app, from) = (self.settings.name.clone(), book.revision.clone());
        Ok(AppPlan { app, from, to, commits, backward, nodes, refusals })
    }

    /// The nodes of a request, in the order in which they switch.
    pub(crate) fn names(&self, request: &DeploymentRequest) -> Vec<String> {
        let wanted = |name: &String| request.nodes.as_ref().is_none_or(|nodes| nodes.contains(name));
        self.settings.nodes.iter().map(|node| node.name.clone()).filter(wanted).collect()
    }

    /// A step of this request; its stop and output are nobody's.
    pub(crate) fn call(&self, request: &DeploymentRequest, name: StepName, revision: &str) -> StepCall {
        let deploy = [
            ("id", Value::from(request.id())),
            ("action", request.action.as_str().into()),
            ("revision", revision.into()),
            ("by", request.by_name.clone().into()),
        ];
        StepCall {
            job_id: format!("{}.{}", request.job_id, name.as_str()),
            attempt: request.attempt.max(1),
            name,
            deploy: deploy.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            timeout: None,
            stop: Stop::new(),
            output: Arc::new(NoOutput),
            joined: false,
        }
    }
}

/// What a node said to the step `plan`.
pub(super) fn node_plan(answer: NodeStepOutcome) -> NodePlan {
    match answer {
        Ok(plan) => {
            let refusals = list(&plan, "refusals", MOST_REFUSALS);
            NodePlan { online: true, plan, refusals }
        }
        Err(failure) => NodePlan {
            online: !failure.is_unreachable(),
            refusals: vec![clipped(&failure.error, SENTENCE)],
            plan: failure.result,
        },
    }
}

pub(crate) fn recorded(commit: &Commit) -> RecordedCommit {
    RecordedCommit {
        revision: commit.revision.clone(),
        author: clipped(&commit.author, NAME),
        time: clipped(&commit.time, NAME),
        subject: clipped(commit.subject(), SENTENCE),
    }
}
