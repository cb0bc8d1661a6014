//! The contract, sections 1 to 6 and what is there of 7 and 8, and the examples of the seed, held against the built programs.
//!
//! One module for each section; a table at its top names the sentence that each test holds. The tests know the
//! programs only by what a user sees.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod api;
mod commands;
mod components;
mod configuration;
mod examples;
mod fleet;
mod import;
mod job;
mod model;
mod plugins;
mod process;
mod remote;
mod seed;
mod state;
mod tls;
mod webhooks;
