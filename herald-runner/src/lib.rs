//! The remote executor: takes signed jobs over HTTP and runs them here.
//!
//! A library only so that tests can reach its parts.

pub mod answer;
pub mod cli;
pub mod config;
pub mod ended;
pub mod files;
pub mod handle;
pub mod jobs;
pub mod log;
pub mod nonce;
pub mod output;
pub mod runner;
