//! Processes: one started program, its cgroup and process group, its user and limits, its environment and what it
//! prints.

pub mod account;
pub(crate) mod capture;
pub(crate) mod cgroup;
pub(crate) mod child;
pub(crate) mod children;
pub mod environment;
pub(crate) mod group;
pub(crate) mod heaps;
mod ignored_signals;
pub(crate) mod launch;
pub mod limits;
pub mod ownership;
pub mod program;
