//! How a job on a runner ended.

use herald_base::ending::with_last_line;
use serde_json::{Map, Value};

use crate::job::HideSecrets;

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
    /// The last line of its standard error, secrets included.
    pub error_line: Option<String>,
    /// The runner was not reached, so that nothing began there.
    pub is_unreachable: bool,
    /// The runner does not know the job, and will not run it should it still come: it never came, or the runner was
    /// restarted since.
    pub is_unknown: bool,
}

impl RunnerFailure {
    /// A failure without a result.
    pub(crate) fn new(kind: RunnerFailureKind, error: impl std::fmt::Display) -> Self {
        let (error, result) = (error.to_string(), Map::new());
        Self { kind, error, result, error_line: None, is_unreachable: false, is_unknown: false }
    }

    pub(crate) fn failed(error: impl std::fmt::Display) -> Self {
        Self::new(RunnerFailureKind::Failed, error)
    }

    /// The same failure, whose error ends with the last line of standard error, secrets hidden.
    pub(crate) fn with_line(self, hide_secrets: &dyn HideSecrets) -> Self {
        let line = hide_secrets.in_text(self.error_line.as_deref().unwrap_or_default());
        Self { error: with_last_line(&self.error, &line), error_line: None, ..self }
    }

    pub(crate) fn lost(error: impl std::fmt::Display) -> Self {
        Self::new(RunnerFailureKind::Lost, error)
    }
}

/// The result of a job, or why it did not succeed.
pub type RunnerOutcome = Result<Map<String, Value>, RunnerFailure>;
