//! The connections to every queue, and the workers of this process.

mod connections;
mod monitor;
mod node_name;
mod workers;

pub use connections::{QueueConnection, QueueConnections, queue_option};
pub use monitor::{QueueMonitor, UnfitQueue, begin};
pub use node_name::{QueueNode, keep_node_name, node_name};
pub use workers::QueueWorkers;
