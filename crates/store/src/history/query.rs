//! Questions to the history.

use std::time::Duration;

use async_trait::async_trait;
use herald_core::activation::{Activation, Name};
use herald_core::journal::StoredJob;
use jiff::Timestamp;

use super::event_list::{EventPage, EventQuery};
use super::job_samples::{JobSamples, SampleQuery};
use super::job_search::{JobCounts, JobSearch};
use super::job_state::JobStatus;
use super::job_times::{JobTimes, JobTimesQuery};
use super::lookup::{FoundId, IdLookup};
use super::results::{ResultPage, ResultQuery};
use super::view::{EventView, JobPage, JobSummaryView, JobView};

/// Which jobs, newest first.
#[derive(Debug, Clone, Default)]
pub struct JobQuery {
    /// Only of this router.
    pub router: Option<String>,
    /// Only of this task.
    pub task: Option<String>,
    /// Only those of events of this trigger.
    pub trigger: Option<String>,
    /// Only those of the event with this id.
    pub event: Option<String>,
    /// Only those in which this is found.
    pub search: JobSearch,
    /// Only with one of these; empty: with any.
    pub status: Vec<JobStatus>,
    /// Only those created at this time or later.
    pub since: Option<Timestamp>,
    /// Only those created before this time.
    pub until: Option<Timestamp>,
    /// Where the page before ended: its `next_cursor`.
    pub cursor: Option<String>,
    /// How many at most; at least 1.
    pub limit: usize,
}

impl JobQuery {
    /// Whether it asks for this job, wherever its pages begin.
    pub(super) fn wants(&self, job: &JobSummaryView) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
        is(&self.router, &job.router)
            && is(&self.task, &job.task)
            && is(&self.trigger, &job.trigger)
            && is(&self.event, &job.event_id)
            && (self.status.is_empty() || self.status.contains(&job.state.status))
            && self.until.is_none_or(|until| job.queued_at < until)
            && self.since.is_none_or(|since| job.queued_at >= since)
    }

    /// Whether the cursor can be one of a page: the id of a job.
    pub(crate) fn has_valid_cursor(&self) -> bool {
        self.cursor.as_deref().is_none_or(is_id)
    }
}

/// Whether a text can be an id of a job or an event.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The cursor is not one that a page gave.
    #[error("the cursor is not one that an earlier page gave")]
    Cursor,
    /// The store cannot be read; it may be able to later.
    #[error("the history cannot be read: {0}")]
    Unreadable(#[from] Unreadable),
}

/// Why the history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It has not taken in yet what was recorded before the question.
    #[error("{0}")]
    Behind(String),
    /// Here it is damaged.
    #[error("it is damaged here ({0}); `heraldd state check` names what is, and /readyz too")]
    Damaged(String),
    /// Its file.
    #[error(transparent)]
    File(#[from] rusqlite::Error),
    /// The thread that read it.
    #[error(transparent)]
    Thread(#[from] tokio::task::JoinError),
}

/// Answers questions about what was recorded. What was recorded before a question is in its answer.
#[async_trait]
pub trait History: Send + Sync + 'static {
    /// A page of jobs. Costs about the same however many there are.
    async fn jobs(&self, query: JobQuery) -> Result<JobPage, HistoryError>;

    /// How many jobs a question means, by state. Its cursor, its limit and what is searched for do not count.
    async fn job_counts(&self, query: JobQuery) -> Result<JobCounts, HistoryError>;

    /// One job, if it is known.
    async fn job(&self, id: &str) -> Result<Option<JobView>, HistoryError>;

    /// A page of events. A filter by router looks at the jobs of each.
    async fn events(&self, query: EventQuery) -> Result<EventPage, HistoryError>;

    /// One event, if it is known.
    async fn event(&self, id: &str) -> Result<Option<EventView>, HistoryError>;

    /// One event as its trigger fired it, secrets included, if it is known.
    async fn activation(&self, id: &str) -> Result<Option<Activation>, HistoryError>;

    /// Values of ended jobs, of as many jobs as one question looks at: 500. [`super::result_series`] asks several.
    async fn results(&self, query: ResultQuery) -> Result<ResultPage, HistoryError>;

    /// The ids that a lookup means, the newest first; [`MOST_CANDIDATES`](super::MOST_CANDIDATES) at most.
    async fn ids(&self, lookup: IdLookup) -> Result<Vec<FoundId>, HistoryError>;

    /// When the jobs of a range of time ran. Costs as much as there are in it, up to the limit.
    async fn job_times(&self, query: JobTimesQuery) -> Result<JobTimes, HistoryError>;

    /// How jobs of a range of time ended and how long they took, of as many as one question looks at.
    async fn job_samples(&self, query: SampleQuery) -> Result<JobSamples, HistoryError>;

    /// How long the jobs of each of these routers usually take: the median of the newest that succeeded. `None`: none
    /// of the newest did.
    async fn usual_lengths(&self, routers: Vec<Name>) -> Result<Vec<Option<Duration>>, HistoryError>;

    /// One job to run again, if it is known.
    async fn stored(&self, id: &str) -> Result<Option<FoundJob>, HistoryError>;
}

/// A job of the history, to run again.
#[derive(Debug)]
pub struct FoundJob {
    /// The job as it was kept.
    pub stored: StoredJob,
    /// Whether it has ended.
    pub ended: bool,
}
