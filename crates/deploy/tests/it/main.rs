//! Deployments in temporary folders, from real Git and Subversion repositories.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "this is a test")]

mod changes;
mod crash;
mod edges;
mod fixture;
mod hooks;
mod life;
mod origin;
mod reader;
mod steps;
