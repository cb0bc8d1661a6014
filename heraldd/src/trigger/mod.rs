//! The triggers of the daemon, a file each.

pub mod cron;
pub mod http;
pub mod tick;
