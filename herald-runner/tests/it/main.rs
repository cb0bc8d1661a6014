//! Drives the built runner over raw sockets.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod auth;
mod client;
mod deploy;
mod files;
mod jobs;
mod limits;
mod process;
