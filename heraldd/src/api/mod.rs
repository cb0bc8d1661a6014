//! The control API over `<state_dir>/heraldd.sock`, which only the daemon's own user can open.
//!
//! JSON in and out; errors are `application/problem+json` (RFC 9457).

mod answer;
mod query;
mod serve;

pub use serve::{Api, Serving};
