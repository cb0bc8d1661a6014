//! One runner: connection, request, answer, result files, output, and whether it is online.

mod answer;
mod answer_files;
mod connection;
mod fault;
mod file_sink;
mod follow;
mod job_answer;
mod kept;
mod last_answer;
mod outcome_of;
mod probe;
mod recipient;
mod request;
mod retry;
mod run;
mod silence;
mod staging;
mod staging_error;

pub use fault::Fault;
pub use herald_net::client::ConnectError;
pub use probe::{NodeProbe, NodeStatus, ProbeError};
pub(crate) use request::RunnerRequest;
pub use run::RunnerClient;
pub(crate) use staging::{Staging, sweep};
