//! Runs a job on this machine: Git checkout, process group, captured output, result.
//!
//! The only code of Herald that starts processes and touches checkouts. It depends on no other part of Herald, so that
//! the daemon and the runner run jobs in exactly the same way: an [`Engine`] takes the execution parameters as JSON and
//! gives a [`Report`].

mod capture;
mod child;
mod engine;
pub mod environment;
mod git;
mod group;
mod leftover;
mod outcome;
mod param;
pub mod program;
mod result;
mod scratch;
mod table;
mod unit;
mod visible;

pub use capture::{Captured, NoOutput, Output, Stream};
pub use engine::{Engine, Settings};
pub use outcome::{Ending, ExecError, ParamProblem, Report, ResultFile, Stop};
pub use param::check;
pub use table::{PARAMS, ParamDoc, ParamKind};
