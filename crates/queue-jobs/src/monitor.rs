//! Asks every queue at the start whether it is fit, and now and then how it is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use herald_queue::Queue;
use tokio::task::JoinSet;

use crate::connections::QueueConnections;
use crate::node_name::keep_node_name;

/// How often a queue is asked.
const EVERY: Duration = Duration::from_secs(10);
/// How long the start waits for the answer of a queue. One that is away is waited for later.
const LONGEST_START: Duration = Duration::from_secs(5);

/// Begins to use the queues: one that is there and unfit is an error, in a sentence; one that is away is waited for.
/// The name of this node is kept in `state_dir`.
///
/// # Errors
/// A sentence.
pub async fn begin(connections: &QueueConnections, state_dir: Option<&Path>) -> Result<(), UnfitQueue> {
    if connections.iter().next().is_none() {
        return Ok(());
    }
    if let Some(folder) = state_dir
        && let Err(error) = keep_node_name(folder, &connections.node)
    {
        return Err(UnfitQueue(format!(
            "the name of this node on queues cannot be kept in {}: {error}",
            folder.display()
        )));
    }
    for connection in connections.iter() {
        let queue = &connection.queue;
        match tokio::time::timeout(LONGEST_START, queue.fitness()).await {
            Ok(Ok(fitness)) => {
                if let Some(why) = fitness.unfit() {
                    return Err(UnfitQueue(format!("queue {}: {why}", queue.name())));
                }
                for finding in fitness.findings {
                    tracing::warn!(queue = queue.name(), "{}", finding.text);
                }
            }
            Ok(Err(error)) => tracing::warn!("{error}; it is tried again until it answers"),
            Err(_) => tracing::warn!(
                queue = queue.name(),
                "the queue does not answer; it is tried again until it does"
            ),
        }
    }
    Ok(())
}

/// Why a queue cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnfitQueue(String);

/// The tasks that ask, one for each queue. Dropped, they end.
pub struct QueueMonitor {
    watched: QueueConnections,
    _tasks: JoinSet<()>,
}

impl QueueMonitor {
    /// Asks from now on. Call it inside the runtime.
    #[must_use]
    pub fn start(connections: &QueueConnections) -> Self {
        let mut tasks = JoinSet::new();
        for connection in connections.iter() {
            tasks.spawn(watch(connection.queue.clone()));
        }
        Self { watched: connections.clone(), _tasks: tasks }
    }

    /// Whether these are the queues that it asks.
    #[must_use]
    pub fn watches(&self, connections: &QueueConnections) -> bool {
        self.watched == *connections
    }
}

async fn watch(queue: Arc<dyn Queue>) {
    let mut problem = None;
    loop {
        // What it finds is in the status of the queue.
        let _ = queue.fitness().await;
        let status = queue.status();
        let now = status.unfit.or(status.problem.filter(|_| !status.connected));
        match (&problem, &now) {
            (None, Some(why)) => tracing::warn!(queue = queue.name(), "the queue cannot be used: {why}"),
            (Some(_), None) => tracing::info!(queue = queue.name(), "the queue can be used again"),
            _ => {}
        }
        problem = now;
        tokio::time::sleep(EVERY).await;
    }
}
