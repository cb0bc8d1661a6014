//! The fleet: how every node is, and the runner that this daemon is itself.

mod address;
mod heartbeat;
mod node;
mod runner;

pub use address::runner_address;
pub use heartbeat::Heartbeats;
pub use node::{ConfiguredNode, Nodes, OwnNode};
pub use runner::OwnRunner;
