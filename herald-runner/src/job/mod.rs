//! The jobs of this runner: those that run, how they ended, and what they write.

mod deploy_job;
pub mod ended;
mod http_health;
pub mod jobs;
pub mod output;
