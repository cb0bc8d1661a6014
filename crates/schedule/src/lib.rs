//! When a cron line is due: pure functions of a line, a time zone and an instant, without a clock.

pub mod catch_up;
mod cron_error;
mod fields;
pub mod jitter;
pub mod local_time;
pub mod mark;
pub mod schedule;
