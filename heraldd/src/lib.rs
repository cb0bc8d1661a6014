//! The Herald daemon as a library, so that tests and tools can reach its parts.

pub mod config;
pub mod executor;
pub mod plugin;
pub mod selector;
pub mod trigger;
pub mod zone;
