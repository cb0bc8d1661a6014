//! The rules of Herald: **trigger → selector → executor** through routers, and back as `exe_done`.
//!
//! This crate knows no network, no process and no database. A program registers components (its own, or types
//! from a [`registry`]), adds routers, and starts the [`dispatcher`].

pub mod clock;
mod component;
pub mod dispatcher;
mod event;
pub mod herald;
pub mod job;
pub mod journal;
pub mod plan;
pub mod plugin;
pub mod template;
mod value;
pub mod workflow;

pub use component::{
    conformance, context, executor, registry, secret_place, selector, spec, supervisor, trigger,
};
pub use event::{activation, actor, arrivals, exe_done, position, trigger_param, watch};
pub use herald_base::{depth, failpoint, unit};
pub use herald_config::{problem, yaml};
pub use job::{lifecycle, param_path, policy, status};
pub use value::{param, secret, secret_stream};
