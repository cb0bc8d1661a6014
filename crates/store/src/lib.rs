//! What outlives a job: the journal, the history that follows it, and the output of jobs.
//!
//! [`store`] is journal and history in the `state_dir`, [`history`] what can be asked of it, [`job_log`] the output of
//! jobs, [`changes`] what is recorded right now.

pub mod audit;
pub mod changes;
pub mod damage;
pub mod history;
pub mod idempotency;
pub mod job_log;
mod journal;
mod lock;
pub mod observed;
mod open_error;
pub mod pauses;
mod permissions;
pub mod sessions;
pub mod store;
pub mod whole_state;

pub use journal::count_entries;
