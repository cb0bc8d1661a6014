//! Sends a job to nodes as the strategy says, and waits for its results.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use herald_base::os_error;
use herald_base::output::Output;
use herald_base::stop::Stop;
use herald_wire::job::JobKey;
use tokio::time::Instant;

use super::dispatch_log::DispatchLog;
use super::node_prefix::NodePrefix;
use super::node_result::NodeResult;
use super::params::with_node;
use super::strategy::{OfflinePolicy, RolloutStrategy};
use crate::drained_nodes::{DRAINED, DrainedNodes};
use crate::job::HideSecrets;
use crate::outcome::{RunnerFailure, RunnerFailureKind};
use crate::runner::{RunnerClient, RunnerRequest};

/// Between two attempts to reach a node that is offline.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A node that the job is for.
pub(super) struct TargetNode<'a> {
    pub(super) name: &'a str,
    pub(super) runner: &'a RunnerClient,
    /// An earlier process sent it there: it is joined, never started.
    pub(super) sent: bool,
    /// Its result before the restart.
    pub(super) ended: Option<&'a NodeResult>,
}

/// One attempt at a job, for all its nodes.
pub(super) struct Wave<'a> {
    pub(super) strategy: &'a RolloutStrategy,
    pub(super) key: &'a JobKey,
    pub(super) params: &'a str,
    pub(super) stop: &'a Stop,
    pub(super) output: &'a Arc<dyn Output>,
    pub(super) hide_secrets: &'a dyn HideSecrets,
    pub(super) log: &'a DispatchLog,
    pub(super) drained: &'a DrainedNodes,
    /// Whether the job is for one node alone.
    pub(super) is_single: bool,
    pub(super) deadline: Instant,
}

impl Wave<'_> {
    /// Whether the job has not yet succeeded on as many nodes as it must before the others get it.
    pub(super) fn lacks_canaries(&self, results: &[NodeResult]) -> bool {
        results.iter().filter(|result| result.succeeded()).count() < self.strategy.canary
    }

    /// Runs on the canaries, and returns the nodes that are left. The next node replaces one that is skipped, until as
    /// many as required have succeeded, or one has failed. Nodes that received the job before a restart come first.
    pub(super) async fn canaries<'p>(
        &self,
        targets: &'p [TargetNode<'_>],
        results: &mut Vec<NodeResult>,
    ) -> &'p [TargetNode<'p>] {
        let wanted = self.strategy.canary;
        if wanted == 0 {
            return targets;
        }
        let (sent, mut rest) = targets.split_at(targets.partition_point(|target| target.sent));
        self.all(sent, results).await;
        while !rest.is_empty() && self.lacks_canaries(results) && !results.iter().any(NodeResult::failed) {
            let succeeded = results.iter().filter(|result| result.succeeded()).count();
            let (next, others) = rest.split_at((wanted - succeeded).min(rest.len()));
            self.all(next, results).await;
            rest = others;
        }
        rest
    }

    /// Runs on these nodes, on as many at once as allowed; where it was sent before a restart it runs already.
    pub(super) async fn all(&self, targets: &[TargetNode<'_>], results: &mut Vec<NodeResult>) {
        let at_once = self.strategy.max_parallel.unwrap_or(targets.len()).max(1);
        let mut waiting = targets.iter().peekable();
        let mut running = FuturesUnordered::new();
        let mut stopped = self.strategy.stop_on_failure && results.iter().any(NodeResult::failed);
        loop {
            while let Some(target) =
                waiting.next_if(|target| target.sent || (running.len() < at_once && !stopped))
            {
                running.push(self.one(target));
            }
            let Some(result) = running.next().await else { break };
            stopped |= self.strategy.stop_on_failure && result.failed();
            stopped |= self.stop.asked.is_cancelled();
            results.push(result);
        }
        let why = if self.stop.asked.is_cancelled() {
            "the job was cancelled before it was sent to this node"
        } else {
            "the job failed on another node (stop_on_failure)"
        };
        results.extend(waiting.map(|target| NodeResult::not_run(target.name, why)));
    }

    /// Runs on one node.
    async fn one(&self, target: &TargetNode<'_>) -> NodeResult {
        let output: Arc<dyn Output> = Arc::new(NodePrefix::new(self.output.clone(), target.name));
        let result = self.send(target, &output).await;
        output.close().await;
        if result.ran() {
            self.log.ended(result.hidden(self.hide_secrets)).await;
        }
        match target.ended {
            // Its runner has forgotten the job, or does not exist any longer.
            Some(ended) if result.is_lost() => ended.clone(),
            _ => result,
        }
    }

    /// Sends it to one node, again when that was offline and the strategy is to wait for it.
    async fn send(&self, target: &TargetNode<'_>, output: &Arc<dyn Output>) -> NodeResult {
        let TargetNode { name, runner, sent, .. } = *target;
        let body = with_node(self.params, name);
        let mut request = RunnerRequest::new(self.key.clone(), body, sent).for_node(name);
        let mut logged = false;
        loop {
            if !sent && let Err(not_sent) = self.wait_until_released(name).await {
                return not_sent;
            }
            if !sent && let Err(failure) = self.log_dispatch(name).await {
                return NodeResult::of(name, Err(failure));
            }
            let outcome = runner.run_to_completion(&request, self.stop, output).await;
            if !request.is_unreachable() {
                let outcome = outcome.map_err(|failure| failure.with_line(self.hide_secrets));
                return NodeResult::of(name, outcome);
            }
            self.log.not_sent(name).await;
            match self.strategy.offline {
                OfflinePolicy::Fail => return NodeResult::of(name, outcome),
                OfflinePolicy::Skip => return NodeResult::skipped(name, outcome),
                OfflinePolicy::Wait => {}
            }
            if !std::mem::replace(&mut logged, true) {
                let (job_id, runner) = (&self.key.job_id, runner.url().as_str());
                tracing::info!(job_id, node = name, runner, "node offline; the job waits for it");
            }
            match self.wait_until_reachable(runner).await {
                Ok(true) => request = request.again(),
                Ok(false) => return NodeResult::of(name, outcome),
                Err(failure) => return NodeResult::of(name, Err(failure)),
            }
        }
    }

    /// A drained node is left out of a job for several nodes, which must not hold its place for days. It gets the job
    /// once it is resumed, within the deadline, where the strategy is to wait, and where it was drained just before the
    /// job for it alone was sent. The error is how it ended there.
    async fn wait_until_released(&self, name: &str) -> Result<(), NodeResult> {
        if !self.drained.has(name) {
            return Ok(());
        }
        let waits = match self.strategy.offline {
            OfflinePolicy::Fail => self.is_single,
            OfflinePolicy::Skip => false,
            OfflinePolicy::Wait => true,
        };
        if !waits {
            return Err(NodeResult::skipped(name, Err(RunnerFailure::failed(DRAINED.to_owned()))));
        }
        tracing::info!(job_id = &*self.key.job_id, node = name, "node drained; the job waits for it");
        let released = tokio::time::timeout_at(self.deadline, self.drained.released(name));
        let failure = match self.stop.asked.run_until_cancelled(released).await {
            Some(Ok(())) => return Ok(()),
            Some(Err(_)) => RunnerFailure::failed(format!("{DRAINED}, and was not resumed in time")),
            None => RunnerFailure::new(RunnerFailureKind::Cancelled, "cancelled while the node was drained"),
        };
        Err(NodeResult::of(name, Err(failure)))
    }

    /// False when the deadline of the job comes first.
    async fn wait_until_reachable(&self, runner: &RunnerClient) -> Result<bool, RunnerFailure> {
        loop {
            if Instant::now() + RETRY_PAUSE > self.deadline {
                return Ok(false);
            }
            self.pause("cancelled while the node was offline").await?;
            let reachable = self.stop.asked.run_until_cancelled(runner.is_reachable()).await;
            if reachable == Some(true) {
                return Ok(true);
            }
        }
    }

    /// Writes that the node receives the job, before it does. Waits while that cannot be written.
    async fn log_dispatch(&self, name: &str) -> Result<(), RunnerFailure> {
        let mut logged = false;
        while let Err(error) = self.log.sends(name).await {
            let why = format!("cannot write the dispatch log: {}", os_error::plain(&error.to_string()));
            if Instant::now() + RETRY_PAUSE > self.deadline {
                return Err(RunnerFailure::failed(why));
            }
            if !std::mem::replace(&mut logged, true) {
                tracing::warn!(job_id = %self.key.job_id, node = name, "{why}; the job waits");
            }
            self.pause("cancelled before the job was sent").await?;
        }
        Ok(())
    }

    /// Until the next attempt; `why` is the error when the job is cancelled meanwhile.
    async fn pause(&self, why: &str) -> Result<(), RunnerFailure> {
        let waited = self.stop.asked.run_until_cancelled(tokio::time::sleep(RETRY_PAUSE)).await;
        waited.ok_or_else(|| RunnerFailure::new(RunnerFailureKind::Cancelled, why))
    }
}
