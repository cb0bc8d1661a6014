//! Probes every node at an interval, and fires `node_state` for those that come and go.

use std::sync::Arc;
use std::time::Duration;

use herald_core::activation::{EventSink, NODE_STATE};
use herald_core::clock::Clock;
use herald_remote::{KnownNode, NodeProbe, NodeRegistry, NodeStatus, ProbeError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::FleetSettings;

/// Before a node that did not answer counts as gone, it is asked once more: a single answer may get lost.
const ONCE_MORE: Duration = Duration::from_secs(1);

/// The tasks that ask, one for each node. Dropped, they end.
pub struct Heartbeats {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    settings: FleetSettings,
}

/// What every task needs.
#[derive(Clone)]
struct NodeProber {
    nodes: Arc<NodeRegistry>,
    accept: Arc<dyn EventSink>,
    clock: Arc<dyn Clock>,
    every: Duration,
}

impl Heartbeats {
    /// Asks from now on. Call it inside the runtime.
    #[must_use]
    pub fn start(
        settings: &FleetSettings,
        nodes: &Arc<NodeRegistry>,
        accept: Arc<dyn EventSink>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        nodes.configure(
            settings.nodes.0.iter().map(|node| {
                KnownNode::new(node.name.clone(), node.runner.url.to_string(), node.tags.clone())
            }),
        );
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let asking = NodeProber { nodes: nodes.clone(), accept, clock, every: settings.heartbeat };
        for node in settings.nodes.0.clone() {
            let (asking, stop) = (asking.clone(), stop.clone());
            tasks.spawn(async move {
                let probe = NodeProbe::new(node.runner);
                stop.run_until_cancelled(asking.go_on(&node.name, &probe)).await;
            });
        }
        Self { stop, tasks, settings: settings.clone() }
    }

    /// Whether these are the settings that they go by.
    #[must_use]
    pub fn go_by(&self, settings: &FleetSettings) -> bool {
        self.settings == *settings
    }

    /// Ends them.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl NodeProber {
    async fn go_on(&self, name: &str, probe: &NodeProbe) {
        loop {
            let status = self.probe(name, probe).await;
            if let Err(error) = &status
                && self.nodes.is_online(name)
            {
                let state = if error.is_rejection() { "rejected" } else { "offline" };
                tracing::warn!(node = name, "node {state}: {error}");
            }
            let changed = self.nodes.note(name, status, self.clock.now());
            if let Some(params) = changed {
                tracing::info!(node = name, state = %params["state"].as_str().unwrap_or_default(), "node_state");
                if let Err(refused) = self.accept.accept(NODE_STATE.into(), params).await {
                    tracing::error!(node = name, "could not fire node_state: {refused}");
                }
            }
            tokio::time::sleep(self.every).await;
        }
    }

    async fn probe(&self, name: &str, probe: &NodeProbe) -> Result<NodeStatus, ProbeError> {
        let now = || self.clock.now().as_millisecond();
        match probe.status(now).await {
            Err(_) if self.nodes.is_online(name) => {
                tokio::time::sleep(ONCE_MORE).await;
                probe.status(now).await
            }
            status => status,
        }
    }
}
