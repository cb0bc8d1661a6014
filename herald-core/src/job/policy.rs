//! What a router or a task demands of its jobs besides that they run.

use std::time::Duration;

use serde_json::Value;

use crate::job::Job;
use crate::job::status::Status;
use crate::value::param;

/// The policy of one task: its own `policy`, then its router's, key by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// How long an attempt may take, on whatever executor.
    pub timeout: Option<Duration>,
    /// When a job is tried again.
    pub retry: Option<Retry>,
    /// How many jobs run at once.
    pub concurrency: Option<Concurrency>,
    /// How long nothing must have come before the newest job runs; older ones that wait for it are cancelled.
    pub debounce: Option<Duration>,
    /// How many jobs of the task wait at most.
    pub queue_limit: Option<usize>,
    /// Which of its jobs the history keeps.
    pub keep: KeptJobs,
}

impl Policy {
    /// Whether the history keeps a job that ended like this.
    #[must_use]
    pub fn keeps(&self, status: Status) -> bool {
        match self.keep {
            KeptJobs::All => true,
            KeptJobs::Failed => status != Status::Succeeded,
            KeptJobs::None => false,
        }
    }

    /// Whether a job that waits for its next attempt keeps its place in its pool.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        self.concurrency.as_ref().is_some_and(|concurrency| concurrency.ordered)
    }
}

/// Which jobs of a task the history keeps once they have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeptJobs {
    /// All of them.
    #[default]
    All,
    /// Those that did not succeed.
    Failed,
    /// None.
    None,
}

/// When a job is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// How many further attempts there are at most.
    pub max: u32,
    /// The wait before the first further attempt.
    pub delay: Duration,
    /// What the wait is multiplied with each time; at least 1.
    pub backoff: f64,
    /// The longest wait.
    pub max_delay: Duration,
    /// The ends that earn another attempt: of failed, timed_out and lost.
    pub on: Vec<Status>,
}

impl Retry {
    /// The wait after this attempt (from 1), without jitter.
    #[must_use]
    pub fn wait(&self, attempt: u32) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.delay.as_secs_f64() * self.backoff.max(1.0).powi(exponent);
        Duration::try_from_secs_f64(seconds).map_or(self.max_delay, |wait| wait.min(self.max_delay))
    }
}

/// How many jobs run at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Concurrency {
    /// How many of one pool.
    pub limit: usize,
    /// A path such as `trigger_param/ref`: jobs with the same value there share a pool. Without it, all jobs of the
    /// task share one.
    pub key: Option<String>,
    /// What happens to a job whose pool is full.
    pub on_full: OnFull,
    /// Whether a job that waits for its next attempt keeps its place, so that those behind it wait.
    pub ordered: bool,
}

impl Concurrency {
    /// The value that says which pool the job belongs to; null when there is none at the path.
    #[must_use]
    pub fn pool(&self, job: &Job) -> Value {
        let Some(key) = &self.key else { return Value::Null };
        param::lookup(&job.params(), key).cloned().unwrap_or(Value::Null)
    }
}

/// What happens to a job whose pool is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// It waits.
    Queue,
    /// It ends as rejected.
    Skip,
    /// It waits, and those of its pool that waited are cancelled.
    Replace,
}
