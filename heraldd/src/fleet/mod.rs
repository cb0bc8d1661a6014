//! The fleet: how every node is, and the runner that this daemon is itself.

mod heartbeat;
mod runner;

pub use heartbeat::Heartbeats;
pub use runner::OwnRunner;
