//! Publications in temporary folders, as the daemon makes them.

#![expect(clippy::unwrap_used, reason = "this is a test")]
mod crash;
mod directory;
mod fixture;
mod hostile;
mod mounts;
mod publishing;
mod restoring;
