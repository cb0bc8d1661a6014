//! The control API: on `<state_dir>/heraldd.sock`, which only the daemon's own user can open, and on a TCP port where
//! the configuration says so, for those who prove who they are. [`herald_control::rights`]
//! says which role each call needs.
//!
//! JSON in and out; errors are `application/problem+json` (RFC 9457). The OpenAPI document is made from the handlers.

mod about;
mod act;
mod answer;
mod apps;
mod audit;
mod authenticate;
mod caller;
mod check_role;
mod context;
mod document;
mod event_list;
mod events;
mod given;
mod id;
mod jobs;
mod log;
mod log_format;
mod log_lines;
mod published;
mod queue_resources;
mod queues;
mod reload;
mod resources;
mod routes;
mod serve;
mod stream;
mod time_range;
mod view;

#[cfg(test)]
mod tests;

pub use context::Api;
pub use reload::{ReloadError, ReloadRequest};
pub use routes::openapi;
pub use serve::{Serving, SocketError};
pub use view::View;
