//! The triggers of the daemon, a file each.

pub mod cron;
pub mod etcd;
pub mod http;
pub mod queue;
pub mod tick;
