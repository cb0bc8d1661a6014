//! The rules of Herald: **trigger → selector → executor** through routers, and back as `exe_done`.
//!
//! This crate knows no network, no process and no database. A program registers components (its own, or types
//! from a [`registry`]), adds routers, and starts the [`dispatcher`].

pub mod activation;
pub mod clock;
pub mod conformance;
pub mod dispatcher;
pub mod exe_done;
pub mod executor;
pub mod failpoint;
pub mod herald;
pub mod job;
pub mod journal;
pub mod lifecycle;
pub mod param;
pub mod plan;
pub mod plugin;
pub mod policy;
pub mod position;
pub mod registry;
pub mod secret;
pub mod secret_stream;
pub mod selector;
pub mod spec;
pub mod status;
pub mod supervisor;
pub mod template;
pub mod trigger;
pub mod trigger_param;
pub mod watch;
pub mod workflow;

pub use herald_base::unit;
pub use herald_config::{problem, yaml};
