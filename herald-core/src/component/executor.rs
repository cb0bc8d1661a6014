//! Executors: what runs a job.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub use herald_base::ending::{Ending, TimeLimit, with_last_line};
pub use herald_base::output::{NoOutput, Output, Stream};
pub use herald_base::stop::Stop;

use crate::job::Job;
use crate::value::param::Params;
use crate::value::secret::Mask;

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

impl Failure {
    /// Lets the error end with the last line that the job wrote to its standard error, secrets hidden.
    #[must_use]
    pub fn ending_with(mut self, line: Option<&str>, mask: &Mask) -> Self {
        // Hidden before it is cut: a part of a secret would not be known.
        self.error = with_last_line(&self.error, &mask.text(line.unwrap_or_default()));
        self
    }
}

/// How a job ended: its result, or why not.
pub type Outcome = Result<Params, Failure>;

impl From<Ending> for FailureKind {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::TimedOut => Self::TimedOut,
            Ending::Cancelled => Self::Cancelled,
            Ending::Exited(_) | Ending::Signaled(_) | Ending::Background => Self::Failed,
        }
    }
}

/// The outcome of a job whose process ended in this way, with this `job_param.timeout` and result.
///
/// # Errors
/// [`Failure`] when that is not a success.
pub fn outcome_of(ending: Ending, timeout: Option<Duration>, result: Params) -> Outcome {
    if ending.is_success() {
        return Ok(result);
    }
    Err(Failure { kind: ending.into(), error: ending.sentence(timeout.map(TimeLimit::of_job)), result })
}

/// Makes what takes the output of an attempt.
pub trait Outputs: Send + Sync + 'static {
    /// For this attempt of this job; what is kept must be hidden by the mask.
    fn open(&self, job: &Arc<Job>, mask: &Arc<Mask>) -> Arc<dyn Output>;
}

impl Outputs for NoOutput {
    fn open(&self, _: &Arc<Job>, _: &Arc<Mask>) -> Arc<dyn Output> {
        Arc::new(Self)
    }
}

/// What an executor gets.
#[derive(Clone)]
pub struct Execution {
    /// The job, with its secrets.
    pub job: Arc<Job>,
    /// What hides the secrets of this configuration.
    pub mask: Arc<Mask>,
    /// When to give up.
    pub stop: Stop,
    /// Takes what the job writes while it runs.
    pub output: Arc<dyn Output>,
    /// For an executor that [continues attempts](Executor::continues_attempts): the latest result of the attempts
    /// before this one that was not empty, secrets hidden.
    pub earlier: Option<Arc<Params>>,
}

impl std::fmt::Debug for Execution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Execution").field("job", &self.job).field("stop", &self.stop).finish_non_exhaustive()
    }
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

/// How many jobs of an executor run at once, where the configuration does not say (`max_jobs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultPlaces {
    /// As many as [`Limits::max_jobs`](crate::plan::Limits::max_jobs) says: its jobs run on this machine.
    Here,
    /// So many: its jobs wait for something elsewhere, and cost little here.
    Elsewhere(usize),
    /// They need no place: each of its jobs is over at once.
    Unneeded,
}

/// Runs jobs.
#[async_trait]
pub trait Executor: Any + Send + Sync {
    /// MUST NOT block its thread; MUST end what it started once `execution.stop` asks, and return; SHOULD return
    /// a [`FailureKind::Cancelled`] then. MAY be called many times at once.
    ///
    /// # Errors
    /// [`Failure`] says how the job ended when it did not succeed.
    async fn execute(&self, execution: Execution) -> Outcome;

    /// Takes up an attempt that ran when an earlier process of Herald ended without a word, and sees it to its end:
    /// joins it where it still runs, or ends what is left of it. MUST NOT run it a second time. What holds for
    /// [`Executor::execute`] holds here too.
    ///
    /// # Errors
    /// [`FailureKind::Lost`] when nobody can know how it ended.
    async fn recover(&self, execution: Execution) -> Outcome {
        drop(execution);
        Err(Failure { kind: FailureKind::Lost, ..Failure::new("Herald stopped while the job was running") })
    }

    /// Whether [`Executor::execute`] is over within microseconds, waits for nothing, and has no effect but its result.
    /// The dispatcher then runs it on its own loop, which saves the job a task of its own, and without waiting for the
    /// record of its start: should that be lost, nothing has happened yet. All its executions share one
    /// [`Execution::stop`], which nobody asks and which it MUST NOT cancel.
    fn is_instant(&self) -> bool {
        false
    }

    /// Whether the first step of [`Executor::execute`] and [`Executor::recover`], up to where it waits for the first
    /// time, is taken on the dispatcher's loop: in the order in which the jobs start. It MUST NOT block.
    fn begins_in_order(&self) -> bool {
        self.is_instant()
    }

    /// Whether its jobs run elsewhere and [`Executor::recover`] joins them: when Herald stops and its journal is
    /// durable, they are neither waited for nor ended. [`Executor::execute`] then returns once `stop.shutdown` is
    /// cancelled, and what it returns counts for nothing.
    fn outlives(&self) -> bool {
        false
    }

    /// Whether another attempt of a job goes on from the result of the one before ([`Execution::earlier`]), which is
    /// kept for it, over a restart too where the journal is durable.
    fn continues_attempts(&self) -> bool {
        false
    }

    /// Whether it takes jobs for now. While it does not, they wait in the queue. Where that changes, the dispatcher is
    /// asked to look again (`Handle::look_at_executors`). MUST NOT block.
    fn takes_jobs(&self) -> bool {
        true
    }

    /// The nodes of the fleet that each of its jobs goes to, by name, where they are known beforehand.
    fn nodes(&self) -> Vec<String> {
        Vec::new()
    }

    /// How many jobs run on it at once, unless the configuration says it. Those of one executor never take a place of
    /// another's.
    fn default_places(&self) -> DefaultPlaces {
        if self.is_instant() { DefaultPlaces::Unneeded } else { DefaultPlaces::Here }
    }

    /// Why a job with these `job_param`, templates filled in, would fail at once: for those who want to know before
    /// there is a job. `None`, where only the job itself would find out.
    fn refusal(&self, _: &Params) -> Option<String> {
        None
    }

    /// Called once, when Herald stops and no job runs any more: ends what outlives its job, such as processes in
    /// the background. MUST return within a bounded time.
    async fn close(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_outcomes() {
        let second = Some(Duration::from_secs(1));
        let result: Params = [("a".to_owned(), 1.into())].into_iter().collect();
        for (ending, failure) in [
            (Ending::Exited(0), None),
            (Ending::Background, None),
            (Ending::Exited(3), Some((FailureKind::Failed, "exit code 3"))),
            (Ending::Signaled(9), Some((FailureKind::Failed, "killed by signal 9 (SIGKILL)"))),
            (
                Ending::TimedOut,
                Some((FailureKind::TimedOut, "timed out after 1s (job_param.timeout); terminated")),
            ),
            (Ending::Cancelled, Some((FailureKind::Cancelled, "cancelled"))),
        ] {
            let expected = match failure {
                None => Ok(result.clone()),
                Some((kind, error)) => Err(Failure { kind, result: result.clone(), ..Failure::new(error) }),
            };
            assert_eq!(outcome_of(ending, second, result.clone()), expected);
        }
    }

    #[test]
    fn an_error_ends_with_the_last_line() {
        let mut mask = Mask::new();
        mask.add("hunter2222");
        let long = "x".repeat(300);
        let cut = format!("exit code 3: {}…", &long[..200]);
        for (line, error) in [
            (None, "exit code 3"),
            (Some("  "), "exit code 3"),
            (Some(" disk full\n"), "exit code 3: disk full"),
            (Some("no hunter2222"), "exit code 3: no ***"),
            (Some(long.as_str()), cut.as_str()),
        ] {
            assert_eq!(Failure::new("exit code 3").ending_with(line, &mask).error, error);
        }
        let at_the_cut = format!("{}hunter2222", &long[..195]);
        let error = Failure::new("e").ending_with(Some(&at_the_cut), &mask).error;
        assert!(!error.contains("hunt"), "{error}");
    }
}
