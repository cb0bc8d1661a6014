//! What lists show of a job, as the history on disk has it.

use rusqlite::Row;

use super::column::name;
use super::job_state::JobState;
use super::view::JobSummaryView;
use crate::journal::entry::time;

/// The columns, in the order in which [`summary`] reads them.
pub(super) const SUMMARY: &str = "id, event_id, router, task, trigger_name, executor, depth, queued_at, status, attempt, started_at, \
                                  ended_at, retry_at, error, CASE WHEN attempt > 1 THEN (SELECT min(attempts.started_at) \
                                  FROM attempts WHERE attempts.job_id = jobs.id) END";
/// How many they are.
pub(super) const COLUMNS: usize = 15;

/// The job of a row that begins with these columns.
pub(super) fn summary(row: &Row<'_>) -> rusqlite::Result<JobSummaryView> {
    Ok(JobSummaryView {
        id: name(row, 0)?,
        event_id: name(row, 1)?,
        router: name(row, 2)?,
        task: name(row, 3)?,
        trigger: name(row, 4)?,
        executor: name(row, 5)?,
        chain_depth: row.get(6)?,
        queued_at: time(row.get(7)?),
        first_started_at: row.get::<_, Option<i64>>(14)?.map(time),
        state: JobState::read(row, 8)?,
    })
}
