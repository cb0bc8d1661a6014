//! Tests the built programs against the contract (sections 1 to 6, and the available parts of 7 and 8) and the examples
//! of the seed.
//!
//! There is one module for each section. A table at its top names the sentence of the contract that each test checks.
//! The tests use the programs only as a user does.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod access;
mod api;
mod browser;
mod calendar;
mod commands;
mod components;
mod configuration;
mod container;
mod deploy;
mod etcd;
mod everyday;
mod examples;
mod fleet;
mod http_request;
mod idempotency;
mod import;
mod job;
mod model;
mod notices;
mod page;
mod page_proxied;
mod pauses;
mod plugins;
mod process;
mod queue;
mod remote;
mod seed;
mod state;
mod state_files;
mod terminal;
mod tls;
mod unkept;
mod webhooks;
