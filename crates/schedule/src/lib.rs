//! When a cron line is due: pure functions of a line, a time zone and an instant, without a clock; and what is due in
//! a range of time, for a calendar.

pub mod agenda;
pub mod catch_up;
mod cron_error;
mod fields;
pub mod gap;
pub mod icalendar;
pub mod jitter;
pub mod local_time;
pub mod mark;
pub mod schedule;
