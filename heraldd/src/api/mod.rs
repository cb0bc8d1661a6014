//! The control API: on `<state_dir>/heraldd.sock`, which only the daemon's own user can open, and on a TCP port where
//! the configuration says so, for those who prove who they are. [`herald_control::rights`]
//! says which role each call needs.
//!
//! JSON in and out; errors are `application/problem+json` (RFC 9457). The OpenAPI document is made from the handlers.

pub(crate) mod about;
pub(crate) mod act;
pub(crate) mod answer;
pub(crate) mod apps;
pub(crate) mod audit;
pub(crate) mod authenticate;
pub(crate) mod boards;
pub(crate) mod calendar;
pub(crate) mod caller;
pub(crate) mod check_role;
pub(crate) mod config;
pub(crate) mod context;
mod document;
pub(crate) mod drains;
pub(crate) mod event_list;
pub(crate) mod events;
pub(crate) mod given;
pub(crate) mod graph;
pub(crate) mod id;
pub(crate) mod idempotency;
pub(crate) mod jobs;
pub(crate) mod json;
mod known_board;
mod log;
pub(crate) mod log_lines;
pub(crate) mod long_answer;
mod page_link;
pub(crate) mod pauses;
pub(crate) mod published;
pub(crate) mod queues;
mod reload;
mod resources;
pub(crate) mod results;
pub(crate) mod routes;
pub(crate) mod serve;
pub(crate) mod sessions;
pub(crate) mod stats;
mod stream;
pub(crate) mod trial;
mod view;

#[cfg(test)]
pub(crate) mod tests;

pub use context::Api;
pub use reload::{ReloadError, ReloadRequest};
pub use routes::openapi;
pub use view::View;
