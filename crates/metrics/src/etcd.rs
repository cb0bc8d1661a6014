//! How each etcd is, for Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use herald_projects::EtcdConnections;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEtcd {
    etcd: String,
}

/// How each etcd is.
#[derive(Default)]
pub struct EtcdMetrics {
    connected: Family<OfEtcd, Gauge>,
}

impl EtcdMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let what = "1 while an etcd can be used: a member answers, has a leader, and accepts the user";
        registry.register("etcd_connected", what, self.connected.clone());
    }

    /// Shows how they are now.
    pub fn show(&self, connections: &EtcdConnections) {
        // One that is not configured any more is not shown.
        self.connected.clear();
        for connection in connections.iter() {
            let of = OfEtcd { etcd: connection.client.name().to_owned() };
            self.connected.get_or_create(&of).set(i64::from(connection.client.connection().connected));
        }
    }
}
