//! The executors of the daemon, a file each.

pub mod http_remote;
pub mod local;
pub mod none;
pub mod print;
