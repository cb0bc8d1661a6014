//! The Herald daemon as a library, so that tests and tools can reach its parts.

pub mod api;
pub mod app;
pub mod assembly;
pub mod cli;
pub mod components;
pub mod config;
pub mod daemon;
pub mod dry_run;
pub mod executor;
pub mod fleet;
pub mod loading;
pub mod page;
pub mod selector;
pub mod start_error;
pub mod state;
pub mod trigger;
