//! Processes: one started program, its process group, its environment and what it prints.

pub(crate) mod capture;
pub(crate) mod child;
pub mod environment;
pub(crate) mod group;
pub mod program;
