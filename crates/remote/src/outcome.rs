//! How a job on a runner ended.

use serde_json::{Map, Value};

/// How a job ended that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerFailureKind {
    /// It ran and failed, or could not be run.
    Failed,
    /// It exceeded its timeout.
    TimedOut,
    /// It was cancelled.
    Cancelled,
    /// It is not known how it ended.
    Lost,
}

/// A job that did not succeed; it may still have a result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{error}")]
pub struct RunnerFailure {
    /// How it ended.
    pub kind: RunnerFailureKind,
    /// One sentence for people.
    pub error: String,
    /// What the runner returned all the same: `exit_code`, `output`…
    pub result: Map<String, Value>,
}

impl RunnerFailure {
    /// A failure without a result.
    pub(crate) fn new(kind: RunnerFailureKind, error: impl std::fmt::Display) -> Self {
        Self { kind, error: error.to_string(), result: Map::new() }
    }

    pub(crate) fn failed(error: impl std::fmt::Display) -> Self {
        Self::new(RunnerFailureKind::Failed, error)
    }

    pub(crate) fn lost(error: impl std::fmt::Display) -> Self {
        Self::new(RunnerFailureKind::Lost, error)
    }
}

/// The result of a job, or why it did not succeed.
pub type RunnerOutcome = Result<Map<String, Value>, RunnerFailure>;
