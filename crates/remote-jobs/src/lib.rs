//! Jobs on runners: which options say where they go, and what comes back. [`RemoteJobs`] does the work of the executor
//! `http_remote`; it is not a component itself.

mod options;
mod remote_jobs;
mod runner_address;

pub use options::{default_data_dir, specs};
pub use remote_jobs::RemoteJobs;
pub use runner_address::runner_address;
