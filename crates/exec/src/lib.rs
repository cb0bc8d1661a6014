//! Runs a job on this machine: Git checkout, process group, captured output, result.
//!
//! The only code of Herald that starts processes and touches checkouts. Of Herald it depends on `herald-base` alone, so
//! that the daemon and the runner run jobs in exactly the same way: an [`ExecEngine`] takes the execution parameters as
//! JSON and gives a [`Report`].

mod engine;
mod git;
mod json_note;
mod outcome;
mod param;
mod process;
mod result;
mod scratch;

pub use engine::{ExecEngine, ExecSettings, GitLimits, RunDir};
pub use herald_base::ending::Ending;
pub use herald_base::output::{NoOutput, Output, Stream};
pub use herald_base::stop::Stop;
pub use outcome::{ExecError, ParamProblem, Report, ResultFile};
pub use param::table::{PARAMS, ParamDoc, ParamKind};
pub use param::{LARGEST_OUTPUT, ParamValueError, check, check_inside};
pub use process::account::{Account, JobUser, JobUserError};
pub use process::capture::Captured;
pub use process::heaps::{limit_heaps, return_unused_memory};
pub use process::limits::{JobLimits, LimitError};
pub use process::{environment, ownership, program};
pub use result::FileAccessError;
