//! Keeps the history within its bounds, a little at a time, so that no batch waits for it for long.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::journal::entry::millis;

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// How long a job is kept after it was created.
    pub time: Duration,
    /// How many jobs are kept; those that have not ended always are.
    pub jobs: u64,
}

/// Receives the jobs that are no longer kept: the id of each, and how many attempts it had.
pub type Trimmed = std::sync::Arc<dyn Fn(&[(String, u32)]) + Send + Sync>;

/// Rows that one step deletes at most: a few milliseconds.
const STEP: i64 = 200;

/// What one step did.
pub(crate) struct TrimStep {
    /// Whether there may be more to do.
    pub(crate) more: bool,
    /// The jobs that went.
    pub(crate) jobs: Vec<(String, u32)>,
}

/// Deletes some of what is too old or too much. Jobs that have not ended stay, and so do events that are not routed.
pub(crate) fn some(connection: &mut Connection, keep: Keep, now: Timestamp) -> rusqlite::Result<TrimStep> {
    let oldest = now.checked_sub(keep.time).map_or(i64::MIN, millis);
    let transaction = connection.transaction()?;
    let total: i64 = count(&transaction)?;
    let surplus = total.saturating_sub(i64::try_from(keep.jobs).unwrap_or(i64::MAX)).clamp(0, STEP);
    let gone = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let mut jobs: Vec<(String, u32)> = transaction
        .prepare_cached(
            "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs ORDER BY id LIMIT ?1) AND ended_at IS NOT NULL
             RETURNING id, attempt",
        )?
        .query_map([surplus], gone)?
        .collect::<Result<_, _>>()?;
    let old = transaction
        .prepare_cached(
            "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs ORDER BY id LIMIT ?1)
             AND ended_at IS NOT NULL AND queued_at < ?2 RETURNING id, attempt",
        )?
        .query_map(params![STEP, oldest], gone)?
        .collect::<Result<Vec<_>, _>>()?;
    jobs.extend(old);
    transaction
        .prepare_cached("DELETE FROM attempts WHERE job_id < (SELECT min(id) FROM jobs)")?
        .execute([])?;
    let events = trim_events(&transaction, keep, oldest)?;
    let keys = transaction
        .prepare_cached(
            "DELETE FROM keys WHERE name IN (SELECT name FROM keys WHERE until <= ?2 ORDER BY until LIMIT ?1)",
        )?
        .execute(params![STEP, millis(now)])?;
    transaction.commit()?;
    Ok(TrimStep { more: jobs.len() + events + keys > 0, jobs })
}

/// An event goes with the last of its jobs. One without any goes when it is older than the oldest job, or too old, or
/// when there are more than two for each job that may be kept.
fn trim_events(connection: &Connection, keep: Keep, oldest: i64) -> rusqlite::Result<usize> {
    let total: i64 =
        connection.prepare_cached("SELECT count(*) FROM events")?.query_row([], |row| row.get(0))?;
    let most = i64::try_from(keep.jobs.saturating_mul(2)).unwrap_or(i64::MAX);
    let surplus = total.saturating_sub(most).clamp(0, STEP);
    connection
        .prepare_cached(
            "DELETE FROM events WHERE id IN (
                 SELECT id FROM events
                 WHERE id < max(
                         ?1,
                         ifnull((SELECT event_id FROM jobs ORDER BY id LIMIT 1), ''),
                         ifnull((SELECT id FROM events ORDER BY id LIMIT 1 OFFSET ?2), ''))
                     AND routed_at IS NOT NULL
                     AND NOT EXISTS (SELECT 1 FROM jobs WHERE event_id = events.id)
                 ORDER BY id LIMIT ?3)",
        )?
        .execute(params![first_id(oldest), surplus, STEP])
}

/// The least id that something of this time can have: a UUID of version 7 begins with its milliseconds.
fn first_id(millis: i64) -> String {
    let hex = format!("{:012x}", millis.max(0));
    format!("{}-{}", &hex[..8], &hex[8..12])
}

fn count(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT count(*) FROM jobs")?.query_row([], |row| row.get(0))
}
