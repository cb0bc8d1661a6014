//! The etcds of the configuration, as components share them.

mod connections;
mod monitor;
mod standings;

pub use connections::{EtcdConnection, EtcdConnections, etcd_option};
pub use monitor::EtcdMonitor;
pub use standings::{ProjectStanding, ProjectStandings, ProjectState};
