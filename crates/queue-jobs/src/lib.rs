//! Jobs as messages of a queue, and messages as events: the connections that components share, and the workers of this
//! process.
//!
//! [`QueuePutter`] does the work of the executor `queue`, [`QueueReceiver`] that of the trigger `queue`, and
//! [`ThroughQueue`] that of `via` of the executor `http_remote`. They know jobs, events and outcomes, but are not
//! components themselves.

mod connections;
mod monitor;
mod node_name;
mod plain_list;
mod put;
mod receive;
mod via;
mod workers;

pub use connections::{QueueConnection, QueueConnections};
pub use monitor::{QueueMonitor, UnfitQueue, begin};
pub use node_name::{QueueNode, node_name};
pub use plain_list::unsigned_messages;
pub use put::QueuePutter;
pub use receive::QueueReceiver;
pub use via::ThroughQueue;
pub use workers::QueueWorkers;
