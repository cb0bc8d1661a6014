//! What outlives a job: its output, kept in bounded files.

pub mod job_log;
