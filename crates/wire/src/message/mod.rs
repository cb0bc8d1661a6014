//! Messages: the JSON that daemon and runner exchange.

pub mod ending;
pub mod heartbeat;
pub mod job;
pub mod log;
pub mod manifest;
