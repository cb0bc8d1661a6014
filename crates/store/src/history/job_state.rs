//! How far a job is: what each record of it changes. The history on disk and the one in memory both go by this.

use std::borrow::Cow;

use herald_core::job::Job;
use herald_core::journal::Record;
use herald_core::status::Status;
use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Row, ToSql};

use crate::journal::entry::time;

/// The status of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStatus {
    /// It waits, perhaps for its next attempt.
    Queued,
    /// It runs.
    Running,
    /// It is over.
    Ended(Status),
}

impl JobStatus {
    /// The word for it, in the history and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Ended(status) => status.as_str(),
        }
    }

    /// The status of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "queued" => Some(Self::Queued),
            "running" => Some(Self::Running),
            ended => Status::parse(ended).map(Self::Ended),
        }
    }
}

/// The history has a word that is not a status.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is not a valid job status")]
struct UnknownStatus(String);

impl FromSql for JobStatus {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        Self::parse(word).ok_or_else(|| FromSqlError::Other(Box::new(UnknownStatus(word.to_owned()))))
    }
}

impl ToSql for JobStatus {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.as_str().as_bytes())))
    }
}

/// How far a job is. Times are whole milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobState {
    /// Its status.
    pub status: JobStatus,
    /// Its attempt, from 1: the present one, the next one while it waits, the last one once it has ended.
    pub attempt: u32,
    /// When this attempt started; `None` before.
    pub started_at: Option<Timestamp>,
    /// When the job ended; `None` before.
    pub ended_at: Option<Timestamp>,
    /// When its next attempt may start, while it waits for one.
    pub retry_at: Option<Timestamp>,
    /// Why it did not succeed.
    pub error: Option<String>,
}

/// One attempt of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptView {
    /// From 1.
    pub attempt: u32,
    /// Running, or how it ended.
    pub status: JobStatus,
    /// When it started; `None` where that is not known.
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` before.
    pub ended_at: Option<Timestamp>,
    /// Why it did not succeed.
    pub error: Option<String>,
}

/// What happens to a job.
#[derive(Debug)]
pub(crate) enum JobStep<'a> {
    /// It exists and waits.
    Queued { attempt: u32 },
    /// This attempt starts.
    Started { attempt: u32, at: Timestamp },
    /// This attempt is over, and another one follows.
    AttemptEnded { attempt: u32, end: StepEnd<'a>, retry_at: Timestamp },
    /// It is over.
    Ended { end: StepEnd<'a> },
}

/// How an attempt or a job ended.
#[derive(Debug)]
pub(crate) struct StepEnd<'a> {
    pub(crate) status: Status,
    pub(crate) error: Option<Cow<'a, str>>,
    pub(crate) at: Timestamp,
}

impl<'a> JobStep<'a> {
    /// What a record says of a job, and which one.
    pub(crate) fn of(record: &'a Record) -> Option<(&'a Job, Self)> {
        let end = |verdict: &'a herald_core::lifecycle::Verdict, at: Timestamp| StepEnd {
            status: verdict.status,
            error: verdict.error.as_deref().map(Cow::Borrowed),
            at,
        };
        Some(match record {
            Record::Queued { job, .. } => (job, Self::Queued { attempt: job.attempt }),
            Record::Started { job, at } => (job, Self::Started { attempt: job.attempt, at: *at }),
            Record::AttemptEnded { job, verdict, retry_at, at } => {
                let (attempt, end) = (job.attempt, end(verdict, *at));
                (job, Self::AttemptEnded { attempt, end, retry_at: *retry_at })
            }
            Record::Ended { job, verdict, at, .. } => (job, Self::Ended { end: end(verdict, *at) }),
            Record::Accepted { .. } | Record::Routed { .. } | Record::Reached(_) => return None,
        })
    }

    /// The status of the job afterwards.
    pub(crate) fn status(&self) -> JobStatus {
        match self {
            Self::Queued { .. } | Self::AttemptEnded { .. } => JobStatus::Queued,
            Self::Started { .. } => JobStatus::Running,
            Self::Ended { end } => JobStatus::Ended(end.status),
        }
    }

    /// The attempt of the job afterwards, where this step says so.
    pub(crate) fn attempt(&self) -> Option<u32> {
        match self {
            Self::Queued { attempt } | Self::Started { attempt, .. } => Some(*attempt),
            Self::AttemptEnded { attempt, .. } => Some(attempt.saturating_add(1)),
            Self::Ended { .. } => None,
        }
    }
}

impl JobState {
    /// From the columns `status, attempt, started_at, ended_at, retry_at, error`, the first of which is this one.
    pub(crate) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let at = |column: usize| -> rusqlite::Result<_> {
            Ok(row.get::<_, Option<i64>>(first + column)?.map(time))
        };
        Ok(Self {
            status: row.get(first)?,
            attempt: row.get(first + 1)?,
            started_at: at(2)?,
            ended_at: at(3)?,
            retry_at: at(4)?,
            error: row.get(first + 5)?,
        })
    }

    /// The attempt whose output there is: the one before, while the job waits for its next one.
    #[must_use]
    pub fn attempt_with_output(&self) -> u32 {
        let waits = self.status == JobStatus::Queued && self.attempt > 1;
        if waits { self.attempt - 1 } else { self.attempt }
    }

    /// A job that was just created.
    pub(crate) fn queued(attempt: u32) -> Self {
        let (started_at, ended_at, retry_at, error) = (None, None, None, None);
        Self { status: JobStatus::Queued, attempt, started_at, ended_at, retry_at, error }
    }

    /// Takes a step. Gives the attempt that is over, where another one follows. One that does not fit, such as a
    /// start after the end, changes nothing.
    pub(crate) fn apply(&mut self, step: JobStep<'_>) -> Option<AttemptView> {
        let (status, next_attempt) = (step.status(), step.attempt().unwrap_or(self.attempt));
        let has_ended = self.ended_at.is_some();
        match step {
            JobStep::Queued { .. } => {}
            JobStep::Started { at, .. } if !has_ended => {
                (self.status, self.attempt) = (status, next_attempt);
                (self.started_at, self.retry_at) = (Some(whole_millis(at)), None);
            }
            JobStep::Started { .. } => {}
            JobStep::AttemptEnded { attempt, end, retry_at } => {
                let over = AttemptView {
                    attempt,
                    status: JobStatus::Ended(end.status),
                    started_at: self.started_at,
                    ended_at: Some(whole_millis(end.at)),
                    error: end.error.map(Cow::into_owned),
                };
                if attempt == self.attempt && !has_ended {
                    (self.status, self.attempt) = (status, next_attempt);
                    (self.started_at, self.retry_at) = (None, Some(whole_millis(retry_at)));
                }
                return Some(over);
            }
            JobStep::Ended { end } => {
                (self.status, self.retry_at) = (status, None);
                self.ended_at = Some(whole_millis(end.at));
                self.error = end.error.map(Cow::into_owned);
            }
        }
        None
    }

    /// The attempt that runs, or the last one of a job that has ended, if it ever started.
    pub(crate) fn latest_attempt(&self) -> Option<AttemptView> {
        let started_at = Some(self.started_at?);
        let (attempt, status, ended_at) = (self.attempt, self.status, self.ended_at);
        Some(AttemptView { attempt, status, started_at, ended_at, error: self.error.clone() })
    }
}

/// To the millisecond, as the history on disk keeps times.
pub(crate) fn whole_millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn end(status: Status, second: i64) -> StepEnd<'static> {
        StepEnd { status, error: Some("why".into()), at: at(second) }
    }

    fn started(attempt: u32, second: i64) -> JobStep<'static> {
        JobStep::Started { attempt, at: at(second) }
    }

    fn failed(attempt: u32, second: i64) -> JobStep<'static> {
        JobStep::AttemptEnded { attempt, end: end(Status::Failed, second), retry_at: at(second + 10) }
    }

    fn ended(second: i64) -> JobStep<'static> {
        JobStep::Ended { end: end(Status::Lost, second) }
    }

    #[test]
    fn each_step_leads_on() {
        let lost = JobStatus::Ended(Status::Lost);
        for (what, steps, expected, attempts) in [
            ("created", vec![], (JobStatus::Queued, 1, None, None, None), 0),
            ("started", vec![started(1, 1)], (JobStatus::Running, 1, Some(1), None, None), 0),
            ("failed", vec![started(1, 1), failed(1, 2)], (JobStatus::Queued, 2, None, None, Some(12)), 1),
            (
                "its second attempt",
                vec![started(1, 1), failed(1, 2), started(2, 12)],
                (JobStatus::Running, 2, Some(12), None, None),
                1,
            ),
            ("over", vec![started(1, 1), ended(3)], (lost, 1, Some(1), Some(3), None), 0),
            ("over before it started", vec![ended(3)], (lost, 1, None, Some(3), None), 0),
            (
                "over while it waits",
                vec![started(1, 1), failed(1, 2), ended(3)],
                (lost, 2, None, Some(3), None),
                1,
            ),
            ("a late start", vec![ended(3), started(1, 4)], (lost, 1, None, Some(3), None), 0),
            (
                "a late end of an earlier attempt",
                vec![started(1, 1), failed(1, 2), started(2, 3), failed(1, 4)],
                (JobStatus::Running, 2, Some(3), None, None),
                2,
            ),
        ] {
            let mut state = JobState::queued(1);
            let over = steps.into_iter().filter_map(|step| state.apply(step)).count();
            let seconds = |at: Option<Timestamp>| at.map(Timestamp::as_second);
            let times = [state.started_at, state.ended_at, state.retry_at].map(seconds);
            assert_eq!((state.status, state.attempt, times[0], times[1], times[2]), expected, "{what}");
            assert_eq!(over, attempts, "{what}");
        }
    }

    #[test]
    fn words_and_statuses() {
        for word in ["queued", "running", "succeeded", "failed", "timed_out", "cancelled", "lost", "rejected"]
        {
            assert_eq!(JobStatus::parse(word).map(JobStatus::as_str), Some(word));
        }
        assert_eq!(JobStatus::parse("done"), None);
    }
}
