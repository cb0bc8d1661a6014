//! What listeners and clients of Herald share: daemon, runner and plugins.

#[cfg(feature = "client")]
pub mod client;
pub mod listen;
pub mod loopback;
pub mod network;
pub mod repeated_log;
pub mod serve;
pub mod socket_client;
pub mod tls;
