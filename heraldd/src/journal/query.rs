//! Questions to the history.

use async_trait::async_trait;
use herald_core::job::Job;
use jiff::Timestamp;

use crate::model;

/// Which jobs, newest first.
#[derive(Debug, Clone, Default)]
pub struct JobQuery {
    /// Only of this router.
    pub router: Option<String>,
    /// Only of this task.
    pub task: Option<String>,
    /// Only with this status, in the words of [`model::JobSummary::status`].
    pub status: Option<String>,
    /// Only those made at this time or later.
    pub since: Option<Timestamp>,
    /// Where the page before ended: its `next_cursor`.
    pub cursor: Option<String>,
    /// How many at most; at least 1.
    pub limit: usize,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The cursor is none that a page gave.
    #[error("the cursor is not one that an earlier page gave")]
    Cursor,
    /// The store cannot be read; it may be able to later.
    #[error("the history cannot be read: {0}")]
    Unreadable(String),
}

/// A job that ended and is to run once more.
pub struct Again {
    /// The job as it was, with its secrets resolved again; its id and attempt are the old ones.
    pub job: Job,
    /// Whether it has ended.
    pub ended: bool,
    /// Why it cannot run any more, if so.
    pub broken: Option<String>,
}

/// Answers questions about what was recorded. What was recorded before a question is in its answer.
#[async_trait]
pub trait History: Send + Sync + 'static {
    /// A page of jobs. Costs about the same however many there are.
    async fn jobs(&self, query: JobQuery) -> Result<model::Page<model::JobSummary>, HistoryError>;

    /// One job, if it is known.
    async fn job(&self, id: &str) -> Result<Option<model::Job>, HistoryError>;

    /// One event, if it is known.
    async fn event(&self, id: &str) -> Result<Option<model::Event>, HistoryError>;

    /// What a new job like this one is made from, if it is known.
    async fn again(&self, id: &str) -> Result<Option<Again>, HistoryError>;
}
