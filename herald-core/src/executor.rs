//! Executors: what runs a job.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::job::Job;
use crate::param::Params;
use crate::secret::Mask;

/// How a job that did not succeed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It ran and failed, or could not be run.
    Failed,
    /// It took longer than it may.
    TimedOut,
    /// It was stopped on demand.
    Cancelled,
    /// Nobody knows how it ended.
    Lost,
}

/// A job that did not succeed; it may still carry a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// How it ended.
    pub kind: FailureKind,
    /// One sentence for people, without secrets.
    pub error: String,
    /// What it gave all the same: `exit_code`, `output`…
    pub result: Params,
}

impl Failure {
    /// A plain failure without a result.
    pub fn new(error: impl std::fmt::Display) -> Self {
        Self { kind: FailureKind::Failed, error: error.to_string(), result: Params::new() }
    }
}

/// How a job ended: its result, or why not.
pub type Outcome = Result<Params, Failure>;

/// Asks a running job to end, in two stages.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// End in good order: TERM, a grace, then KILL.
    pub asked: CancellationToken,
    /// End at once: KILL.
    pub forced: CancellationToken,
}

impl Stop {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// What an executor gets.
#[derive(Debug, Clone)]
pub struct Execution {
    /// The job, with its secrets.
    pub job: Arc<Job>,
    /// What hides the secrets of this configuration.
    pub mask: Arc<Mask>,
    /// When to give up.
    pub stop: Stop,
}

impl Execution {
    /// The execution parameters as scripts see them, secrets included.
    #[must_use]
    pub fn params(&self) -> Params {
        self.job.params()
    }

    /// The execution parameters as everybody else sees them.
    #[must_use]
    pub fn masked_params(&self) -> Params {
        self.mask.params(&self.job.params())
    }
}

/// Runs jobs.
#[async_trait]
pub trait Executor: Send + Sync + 'static {
    /// MUST NOT block its thread; MUST end what it started once `execution.stop` asks, and return; SHOULD return
    /// a [`FailureKind::Cancelled`] then. MAY be called many times at once.
    ///
    /// # Errors
    /// [`Failure`] says how the job ended when it did not succeed.
    async fn execute(&self, execution: Execution) -> Outcome;

    /// Whether [`Executor::execute`] is over within microseconds and waits for nothing. The dispatcher then runs
    /// it on its own loop, which saves the job a task of its own.
    fn is_instant(&self) -> bool {
        false
    }

    /// Called once, when Herald stops and no job runs any more: ends what outlives its job, such as processes in
    /// the background. MUST return within a bounded time.
    async fn close(&self) {}
}
