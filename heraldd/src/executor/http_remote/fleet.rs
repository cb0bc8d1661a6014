//! Several runners: one job with a child for each node.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use herald_core::activation::EXE_DONE;
use herald_core::executor::{Execution, Executor, Failure, FailureKind, Outcome, Output};
use herald_core::job::Job;
use herald_core::param::{Params, lookup};
use serde_json::Value;
use tokio::time::Instant;

use super::labelled::Labelled;
use super::options::{Common, Many};
use super::single::Remote;
use super::strategy::{Offline, Strategy};

/// Between two looks at a node that is waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The parameter of a request that is for this node alone: it came from another one, which has asked the others already.
const ONLY_HERE: &str = "_request/query/node";

/// Several runners.
pub(super) struct Fleet {
    nodes: Vec<(String, Remote)>,
    strategy: Strategy,
    own: Option<String>,
    timeout: Duration,
}

impl Fleet {
    pub(super) fn new(common: Arc<Common>, many: Many) -> Self {
        let timeout = common.timeout;
        let remote = |(name, runner)| (name, Remote::new(common.clone(), runner));
        let nodes = many.nodes.into_iter().map(remote).collect();
        Self { nodes, strategy: many.strategy, own: many.own, timeout }
    }

    /// The nodes that the job is for.
    fn wanted(&self, execution: &Execution) -> Vec<&(String, Remote)> {
        let only = self.own.as_deref().filter(|_| only_here(&execution.job));
        self.nodes.iter().filter(|(name, _)| only.is_none_or(|own| own == name)).collect()
    }

    /// Whether the job has not succeeded yet on as many nodes as must be well before the others get it.
    fn lacks_canaries(&self, children: &[Child]) -> bool {
        children.iter().filter(|child| child.succeeded()).count() < self.strategy.canary
    }

    async fn attempt(&self, execution: Execution, resumed: bool) -> Outcome {
        if resumed {
            execution.output.begin_anew().await;
        }
        let nodes = self.wanted(&execution);
        let until = Instant::now() + self.timeout;
        let run = Run { fleet: self, execution: &execution, resumed, until };
        let (mut children, rest) = run.canaries(&nodes).await;
        if self.lacks_canaries(&children) && !resumed {
            children.extend(rest.iter().map(|(name, _)| Child::not_run(name, "the job failed on a canary")));
        } else {
            children.extend(run.all(rest).await);
        }
        // In the order in which they are configured.
        let place = |child: &Child| nodes.iter().position(|(name, _)| *name == child.node);
        children.sort_by_key(place);
        summary(children)
    }
}

/// Whether the request that led to this job is for this node alone. `exe_done` tells of a job by its parameters, and of the
/// job before that one in these.
fn only_here(job: &Job) -> bool {
    let mut trigger = &*job.trigger;
    let mut told = &**job.trigger_param.params();
    while trigger == EXE_DONE {
        let before = told.get("trigger").and_then(Value::as_str);
        let (Some(before), Some(Value::Object(params))) = (before, told.get("trigger_param")) else {
            return false;
        };
        (trigger, told) = (before, params);
    }
    // `?node=` says nothing, as with the original.
    lookup(told, ONLY_HERE).is_some_and(|node| node.as_str() != Some(""))
}

#[async_trait]
impl Executor for Fleet {
    async fn execute(&self, execution: Execution) -> Outcome {
        self.attempt(execution, false).await
    }

    async fn recover(&self, execution: Execution) -> Outcome {
        self.attempt(execution, true).await
    }
}

/// One attempt on its way to the nodes.
struct Run<'a> {
    fleet: &'a Fleet,
    execution: &'a Execution,
    resumed: bool,
    until: Instant,
}

impl Run<'_> {
    /// Runs on the canaries, and gives the nodes that are left. The next node takes the place of one that is skipped, until
    /// as many as must have succeeded, or one has failed.
    async fn canaries<'n>(
        &self,
        nodes: &'n [&'n (String, Remote)],
    ) -> (Vec<Child>, &'n [&'n (String, Remote)]) {
        let (mut children, mut rest) = (Vec::<Child>::new(), nodes);
        // What an earlier process sent is joined everywhere at once; where it never came, it is lost.
        while !self.resumed
            && !rest.is_empty()
            && self.fleet.lacks_canaries(&children)
            && !children.iter().any(Child::failed)
        {
            let well = children.iter().filter(|child| child.succeeded()).count();
            let (next, others) = rest.split_at((self.fleet.strategy.canary - well).min(rest.len()));
            children.extend(self.all(next).await);
            rest = others;
        }
        (children, rest)
    }

    /// Runs on these nodes, on as many at once as may be.
    async fn all(&self, nodes: &[&(String, Remote)]) -> Vec<Child> {
        let strategy = &self.fleet.strategy;
        let at_once = strategy.max_parallel.filter(|_| !self.resumed).unwrap_or(nodes.len()).max(1);
        let mut waiting = nodes.iter();
        let mut running = FuturesUnordered::new();
        let mut children = Vec::new();
        let mut stopped = false;
        loop {
            while running.len() < at_once
                && !stopped
                && let Some((name, remote)) = waiting.next()
            {
                running.push(self.one(name, remote));
            }
            let Some(child) = running.next().await else { break };
            stopped |= strategy.stop_on_failure && child.failed();
            stopped |= self.execution.stop.asked.is_cancelled();
            children.push(child);
        }
        let why = if self.execution.stop.asked.is_cancelled() {
            "the job was cancelled before its turn came"
        } else {
            "the job failed on another node (stop_on_failure)"
        };
        children.extend(waiting.map(|(name, _)| Child::not_run(name, why)));
        children
    }

    async fn one(&self, name: &str, remote: &Remote) -> Child {
        let output: Arc<dyn Output> = Arc::new(Labelled::new(self.execution.output.clone(), name));
        let execution = Execution { output: output.clone(), ..self.execution.clone() };
        let mut told = false;
        let child = loop {
            let attempted = remote.attempt(&execution, self.resumed, Some(name)).await;
            if !attempted.unreached {
                break Child::of(name, attempted.outcome);
            }
            match self.fleet.strategy.offline {
                Offline::Fail => break Child::of(name, attempted.outcome),
                Offline::Skip => break Child::skipped(name, attempted.outcome),
                Offline::Wait if Instant::now() + LOOK_AGAIN > self.until => {
                    break Child::of(name, attempted.outcome);
                }
                Offline::Wait => {}
            }
            if !std::mem::replace(&mut told, true) {
                let (job_id, runner) = (&*execution.job.id, remote.url().as_str());
                tracing::info!(job_id, node = name, runner, "the node is offline; the job waits for it");
            }
            let wait = execution.stop.asked.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await;
            if wait.is_none() {
                let cancelled = Failure::new("it was cancelled while it waited for the node");
                break Child::of(name, Err(Failure { kind: FailureKind::Cancelled, ..cancelled }));
            }
        };
        output.close().await;
        child
    }
}

/// What became of the job on one node.
struct Child {
    node: String,
    status: &'static str,
    error: Option<String>,
    result: Params,
}

impl Child {
    fn of(node: &str, outcome: Outcome) -> Self {
        let node = node.to_owned();
        match outcome {
            Ok(result) => Self { node, status: "succeeded", error: None, result },
            Err(failure) => {
                let status = match failure.kind {
                    FailureKind::Failed => "failed",
                    FailureKind::TimedOut => "timed_out",
                    FailureKind::Cancelled => "cancelled",
                    FailureKind::Lost => "lost",
                };
                Self { node, status, error: Some(failure.error), result: failure.result }
            }
        }
    }

    fn skipped(node: &str, outcome: Outcome) -> Self {
        Self { status: "skipped", ..Self::of(node, outcome) }
    }

    fn not_run(node: &str, why: &str) -> Self {
        Self { node: node.to_owned(), status: "not_run", error: Some(why.to_owned()), result: Params::new() }
    }

    fn succeeded(&self) -> bool {
        self.status == "succeeded"
    }

    /// Whether the job did not succeed there, though it was to.
    fn failed(&self) -> bool {
        !matches!(self.status, "succeeded" | "skipped")
    }

    /// Its result, with how it ended.
    fn entry(self) -> (String, Value) {
        let mut entry = self.result;
        entry.insert("status".to_owned(), Value::from(self.status));
        if let Some(error) = self.error {
            entry.insert("error".to_owned(), Value::from(error));
        }
        (self.node, Value::Object(entry))
    }
}

/// The job succeeds when all its children did.
fn summary(children: Vec<Child>) -> Outcome {
    let failed: Vec<&Child> = children.iter().filter(|child| child.failed()).collect();
    let all_skipped = !children.is_empty() && children.iter().all(|child| child.status == "skipped");
    let of = |status: &str| failed.iter().any(|child| child.status == status);
    let kind = match () {
        () if of("failed") => FailureKind::Failed,
        () if of("timed_out") => FailureKind::TimedOut,
        () if of("cancelled") => FailureKind::Cancelled,
        () if of("lost") => FailureKind::Lost,
        () => FailureKind::Failed,
    };
    let error = if all_skipped {
        Some("no node could be reached".to_owned())
    } else if failed.is_empty() {
        None
    } else {
        let why =
            |child: &&Child| format!("{} ({})", child.node, child.error.as_deref().unwrap_or(child.status));
        let told: Vec<String> = failed.iter().map(why).collect();
        Some(format!(
            "it did not succeed on {} of {} nodes: {}",
            failed.len(),
            children.len(),
            told.join("; ")
        ))
    };
    let nodes: Params = children.into_iter().map(Child::entry).collect();
    let result: Params = [("node".to_owned(), Value::Object(nodes))].into_iter().collect();
    match error {
        None => Ok(result),
        Some(error) => Err(Failure { kind, error, result }),
    }
}
