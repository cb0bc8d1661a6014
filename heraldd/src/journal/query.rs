//! Questions to the history.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::activation::Activation;
use herald_core::job::Job;
use herald_core::plan::Plan;
use jiff::Timestamp;

use crate::api::model;

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

/// Answers questions about what was recorded. What was recorded before a question is in its answer.
#[async_trait]
pub trait History: Send + Sync + 'static {
    /// A page of jobs. Costs about the same however many there are.
    async fn jobs(&self, query: JobQuery) -> Result<model::Page<model::JobSummary>, HistoryError>;

    /// One job, if it is known.
    async fn job(&self, id: &str) -> Result<Option<model::Job>, HistoryError>;

    /// One event, if it is known.
    async fn event(&self, id: &str) -> Result<Option<model::Event>, HistoryError>;

    /// One event as its trigger told it, secrets included, if it is known.
    async fn told(&self, id: &str) -> Result<Option<Activation>, HistoryError>;

    /// One job as it could run again, if it is known; `plan` is what resolves secrets.
    async fn stored(&self, id: &str, plan: Arc<Plan>) -> Result<Option<StoredJob>, HistoryError>;
}

/// A job as it could run again.
#[derive(Debug)]
pub struct StoredJob {
    /// The job, secrets resolved.
    pub job: Job,
    /// Why it cannot run, if so: a secret that its configuration no longer names, say.
    pub broken: Option<String>,
    /// Whether it has ended.
    pub ended: bool,
}
