//! The nodes that get no new jobs.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

/// Why a drained node does not get something.
pub const DRAINED: &str = "the node is drained: it gets no new jobs";

/// The nodes that are drained. All clones are the same; it outlives the configuration.
#[derive(Debug, Clone, Default)]
pub struct DrainedNodes(Arc<watch::Sender<BTreeSet<String>>>);

impl PartialEq for DrainedNodes {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl DrainedNodes {
    /// These are drained from now on, and no others.
    pub fn show(&self, nodes: impl IntoIterator<Item = String>) {
        self.0.send_replace(nodes.into_iter().collect());
    }

    /// Whether this node is drained.
    #[must_use]
    pub fn has(&self, node: &str) -> bool {
        self.0.borrow().contains(node)
    }

    /// Resolves once this node is not drained.
    pub async fn released(&self, node: &str) {
        // The sender is ours: it is not closed.
        let _ = self.0.subscribe().wait_for(|drained| !drained.contains(node)).await;
    }
}
