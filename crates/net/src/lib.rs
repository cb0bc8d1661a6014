//! What listeners and clients of Herald share: daemon, runner and plugins.

pub mod listen;
pub mod loopback;
pub mod network;
mod os_error;
pub mod serve;
pub mod tls;
