//! Which routers are paused, and which nodes are drained.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPaused {
    router: String,
}

/// The gauge of routers that are paused.
#[derive(Debug, Clone, Default)]
pub struct PausedGauge(Family<OfPaused, Gauge>);

impl PausedGauge {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("router_paused", "1 while a router is paused: its jobs wait", self.0.clone());
    }

    /// These are paused now.
    pub fn show<'a>(&self, routers: impl Iterator<Item = &'a String>) {
        self.0.clear();
        for router in routers {
            self.0.get_or_create(&OfPaused { router: router.clone() }).set(1);
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDrained {
    node: String,
}

/// The gauge of nodes that are drained.
#[derive(Debug, Clone, Default)]
pub struct DrainedGauge(Family<OfDrained, Gauge>);

impl DrainedGauge {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("node_drained", "1 while a node is drained: it gets no new jobs", self.0.clone());
    }

    /// These are drained now.
    pub fn show<'a>(&self, nodes: impl Iterator<Item = &'a String>) {
        self.0.clear();
        for node in nodes {
            self.0.get_or_create(&OfDrained { node: node.clone() }).set(1);
        }
    }
}
