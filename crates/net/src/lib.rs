//! What listeners and clients of Herald share: daemon, runner and plugins.

pub mod tls;
