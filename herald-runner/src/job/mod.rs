//! The jobs of this runner: those that run, how they ended, and what they write.

pub mod ended;
pub mod jobs;
pub mod output;
