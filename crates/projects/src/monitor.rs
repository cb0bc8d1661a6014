//! Asks every etcd now and then how it is, so that its status is known also while no component uses it.

use std::time::Duration;

use herald_etcd::EtcdClient;
use tokio::task::JoinSet;

use crate::connections::EtcdConnections;

/// How often an etcd is asked.
const EVERY: Duration = Duration::from_secs(10);

/// The tasks that ask, one for each etcd. Dropped, they end.
pub struct EtcdMonitor {
    watched: EtcdConnections,
    _tasks: JoinSet<()>,
}

impl EtcdMonitor {
    /// Asks from now on. Call it inside the runtime.
    #[must_use]
    pub fn start(connections: &EtcdConnections) -> Self {
        let mut tasks = JoinSet::new();
        for connection in connections.iter() {
            tasks.spawn(watch(connection.client.clone()));
        }
        Self { watched: connections.clone(), _tasks: tasks }
    }

    /// Whether these are the etcds that it asks.
    #[must_use]
    pub fn watches(&self, connections: &EtcdConnections) -> bool {
        self.watched == *connections
    }
}

async fn watch(client: EtcdClient) {
    loop {
        // What it finds is in the status of the client, which logs when it changes.
        let _ = client.status().await;
        tokio::time::sleep(EVERY).await;
    }
}
