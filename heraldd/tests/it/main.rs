//! What the daemon's parts do together.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod conformance;
mod generated;
mod plugin;
mod runner_options;
