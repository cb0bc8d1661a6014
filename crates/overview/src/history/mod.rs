//! The history as the control API shows it: jobs, events and what jobs wrote. Commands show the same while the daemon
//! is down.

pub mod event_list;
pub mod job_list;
pub mod log_format;
pub mod log_lines;
pub mod offline;
pub mod resources;
pub mod typed_id;
