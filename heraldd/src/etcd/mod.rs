//! The etcds of the configuration, as components share them.

mod connections;
mod monitor;
mod secret_reader;
mod standings;

pub use connections::{EtcdConnection, EtcdConnections, etcd_option};
pub use monitor::EtcdMonitor;
pub use secret_reader::EtcdTextReader;
pub use standings::{ProjectStanding, ProjectStandings, ProjectState};
