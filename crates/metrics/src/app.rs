//! Deployments, and how applications are on their nodes, for Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDeployment {
    app: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfNodeState {
    app: String,
    state: &'static str,
}

/// Deployments, and how applications are on their nodes.
#[derive(Default)]
pub struct AppMetrics {
    deployments: Family<OfDeployment, Counter>,
    nodes: Family<OfNodeState, Gauge>,
}

impl AppMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("deployments", "Deployments that ended", self.deployments.clone());
        let what = "Nodes of an application whose state is in_sync, outdated, drifted, broken or unknown";
        registry.register("app_nodes", what, self.nodes.clone());
    }

    /// A deployment has ended.
    pub fn ended(&self, app: &str, status: &'static str) {
        self.deployments.get_or_create(&OfDeployment { app: app.to_owned(), status }).inc();
    }

    /// Shows how the nodes are now: applications, and the states of their nodes.
    pub fn show<'a>(&self, states: impl IntoIterator<Item = (&'a str, &'static str)>) {
        self.nodes.clear();
        for (app, state) in states {
            self.nodes.get_or_create(&OfNodeState { app: app.to_owned(), state }).inc();
        }
    }
}
