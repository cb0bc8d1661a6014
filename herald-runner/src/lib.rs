//! The remote executor: takes signed jobs over HTTP and runs them here.
//!
//! A library only so that tests can reach its parts.

pub mod cli;
pub mod config;
pub mod job;
pub mod probe;
pub mod pull;
pub mod request;
pub mod runner;
pub mod signs_of_life;
mod work_folder;
