//! Several runners: one job with a result for each node.

use std::sync::Arc;
use std::time::Duration;

use herald_base::output::Output;
use herald_base::stop::Stop;
use herald_wire::job::JobKey;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::dispatch_log::{self, DispatchLog, Dispatched};
use super::earlier::EarlierAttempts;
use super::node_result::{LastResult, NodeResult, summary};
use super::strategy::RolloutStrategy;
use super::wave::{TargetNode, Wave};
use crate::drained_nodes::DrainedNodes;
use crate::job::{HideSecrets, RolloutJob, RunnerJob};
use crate::outcome::{RunnerFailure, RunnerOutcome};
use crate::runner::RunnerClient;
use crate::settings::{RemoteSettings, RunnerAddress};

/// How long dispatch logs are kept that no process opens: a month, and as long as a job may take.
const KEEP_LOGS: Duration = Duration::from_secs(30 * 24 * 3600);

/// A node by name, with its runner.
pub struct NodeRunner {
    /// The node's name.
    pub name: String,
    /// Where its runner is.
    pub address: RunnerAddress,
}

/// A node and the client of its runner.
pub(super) struct NodeClient {
    pub(super) name: String,
    pub(super) runner: RunnerClient,
}

/// Rolls a job out to several nodes.
pub struct Rollout {
    nodes: Vec<NodeClient>,
    strategy: RolloutStrategy,
    settings: Arc<RemoteSettings>,
    drained: DrainedNodes,
    swept: OnceCell<()>,
}

impl Rollout {
    /// To these nodes, in this order. One that is drained is left out, or waited for, after the others.
    #[must_use]
    pub fn new(
        settings: Arc<RemoteSettings>,
        nodes: Vec<NodeRunner>,
        strategy: RolloutStrategy,
        drained: DrainedNodes,
    ) -> Self {
        let client = |NodeRunner { name, address }| {
            let runner = RunnerClient::new(settings.clone(), address);
            NodeClient { name, runner }
        };
        let nodes = nodes.into_iter().map(client).collect();
        Self { nodes, strategy, settings, drained, swept: OnceCell::new() }
    }

    /// The names of its nodes.
    pub fn node_names(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.name.as_str())
    }

    /// Whether all its nodes are drained.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.nodes.iter().all(|node| self.drained.has(&node.name))
    }

    /// Runs the job on all nodes; another attempt on those where it has not succeeded. The result is
    /// `node: {NAME: RESULT}`, the last one of each node, with `status`, `attempt` and `error` added.
    ///
    /// # Errors
    /// When the job did not succeed on all nodes.
    pub async fn run(&self, job: RolloutJob) -> RunnerOutcome {
        let attempt = RolloutAttempt::new(self, job).await;
        let nodes = attempt.nodes();
        let log = DispatchLog::create(&self.settings.data_dir, &attempt.key, &nodes).await;
        let log = log.map_err(RunnerFailure::failed)?;
        attempt.finish(log, Dispatched { nodes, ..Dispatched::default() }).await
    }

    /// Continues an attempt that an earlier process began: joins the job where it was sent, and sends it to the others.
    ///
    /// # Errors
    /// When the job did not succeed on all nodes.
    pub async fn recover(&self, job: RolloutJob) -> RunnerOutcome {
        job.job.output.restart().await;
        let attempt = RolloutAttempt::new(self, job).await;
        let (log, dispatched) = match DispatchLog::open(&self.settings.data_dir, &attempt.key).await {
            Some(opened) => opened,
            None => {
                // It is not known who received the job: it may have been every node.
                let nodes = attempt.nodes();
                let sent = nodes.iter().cloned().collect();
                (DispatchLog::none(), Dispatched { nodes, sent, ..Dispatched::default() })
            }
        };
        attempt.finish(log, dispatched).await
    }

    /// The nodes that the job is for, those that may have received it first; and the results of those that the
    /// configuration does not have any longer.
    fn targets<'a>(&'a self, dispatched: &'a Dispatched) -> (Vec<TargetNode<'a>>, Vec<NodeResult>) {
        let (mut targets, mut results) = (Vec::new(), Vec::new());
        for name in &dispatched.nodes {
            let sent = dispatched.sent.contains(name);
            let ended = dispatched.ended.get(name);
            match (self.nodes.iter().find(|node| node.name == *name), ended) {
                (Some(NodeClient { name, runner }), _) => {
                    targets.push(TargetNode { name, runner, sent, ended })
                }
                (None, Some(ended)) => results.push(ended.clone()),
                (None, None) if sent => {
                    let why = "the node was removed from the configuration; it is not known how the job ended there";
                    results.push(NodeResult::of(name, Err(RunnerFailure::lost(why))));
                }
                (None, None) => {
                    results.push(NodeResult::not_run(name, "the node was removed from the configuration"));
                }
            }
        }
        // Those that wait come last: they hold up nobody, and others are the canaries.
        targets.sort_by_key(|target| (!target.sent, !target.sent && self.drained.has(target.name)));
        (targets, results)
    }
}

/// One attempt at a job on the nodes of a rollout.
struct RolloutAttempt<'a> {
    rollout: &'a Rollout,
    key: JobKey,
    /// The execution parameters without `node`, as JSON.
    params: String,
    stop: Stop,
    output: Arc<dyn Output>,
    only_node: Option<String>,
    earlier: Option<EarlierAttempts>,
    hide_secrets: Arc<dyn HideSecrets>,
}

impl<'a> RolloutAttempt<'a> {
    async fn new(rollout: &'a Rollout, job: RolloutJob) -> Self {
        let Rollout { settings, swept, nodes, .. } = rollout;
        let RolloutJob { job, only_node, earlier, hide_secrets } = job;
        swept.get_or_init(|| dispatch_log::sweep(&settings.data_dir, settings.timeout + KEEP_LOGS)).await;
        let RunnerJob { key, mut params, stop, output } = job;
        params.shift_remove("node");
        let params = Value::Object(params).to_string();
        let is_node = |name: &str| nodes.iter().any(|node| node.name == name);
        let earlier = earlier.and_then(|result| EarlierAttempts::of(&result, is_node));
        Self { rollout, key, params, stop, output, only_node, earlier, hide_secrets }
    }

    /// The nodes that the attempt is for: a job keeps those that it began with.
    fn nodes(&self) -> Vec<String> {
        if let Some(earlier) = &self.earlier {
            return earlier.remaining();
        }
        let only = self.only_node.as_deref();
        let wanted = self.rollout.nodes.iter().filter(|node| only.is_none_or(|only| only == node.name));
        wanted.map(|node| node.name.clone()).collect()
    }

    async fn finish(self, log: DispatchLog, dispatched: Dispatched) -> RunnerOutcome {
        let Rollout { strategy, settings, .. } = self.rollout;
        let (targets, mut results) = self.rollout.targets(&dispatched);
        let wave = Wave {
            strategy,
            key: &self.key,
            params: &self.params,
            stop: &self.stop,
            output: &self.output,
            hide_secrets: &*self.hide_secrets,
            log: &log,
            drained: &self.rollout.drained,
            is_single: self.rollout.nodes.len() == 1,
            deadline: Instant::now() + settings.timeout,
        };
        let rest = wave.canaries(&targets, &mut results).await;
        if wave.lacks_canaries(&results) {
            let why = "the job failed on a canary";
            results.extend(rest.iter().map(|target| NodeResult::not_run(target.name, why)));
        } else {
            wave.all(rest, &mut results).await;
        }
        log.remove().await;
        // In the order of the configuration.
        results.sort_by_key(|result| dispatched.nodes.iter().position(|name| *name == result.node));
        let attempt = self.key.attempt;
        let results = results.into_iter().map(|result| LastResult { attempt, result }).collect();
        summary(match self.earlier {
            Some(earlier) => earlier.with(results),
            None => results,
        })
    }
}
