//! Keeps the history within its bounds, a little at a time, so that no batch waits for it for long.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

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
/// How far ahead of now a time is not believed.
const NOT_BELIEVED: SignedDuration = SignedDuration::from_hours(3);

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
    let despite = old_despite_their_time(&transaction, oldest, now)?;
    let old = transaction
        .prepare_cached(
            "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs ORDER BY id LIMIT ?1)
             AND ended_at IS NOT NULL AND queued_at < ?2 RETURNING id, attempt",
        )?
        .query_map(params![STEP, oldest], gone)?
        .collect::<Result<Vec<_>, _>>()?;
    jobs.extend(old);
    if let Some(last) = despite {
        let deleted = transaction
            .prepare_cached(
                "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs ORDER BY id LIMIT ?1)
                 AND ended_at IS NOT NULL AND id <= ?2 AND queued_at > ?3 RETURNING id, attempt",
            )?
            .query_map(params![STEP, last, believed(now)], gone)?
            .collect::<Result<Vec<_>, _>>()?;
        jobs.extend(deleted);
    }
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

/// The latest time of a row that is believed: one further ahead is from a clock that was wrong.
fn believed(now: Timestamp) -> i64 {
    now.checked_add(NOT_BELIEVED).map_or(i64::MAX, millis)
}

/// Among the first jobs, the last one whose time is not believed, where what came after it is too old. Ids are in the
/// order in which jobs were made, so it is too old as well.
fn old_despite_their_time(
    connection: &Connection,
    oldest: i64,
    now: Timestamp,
) -> rusqlite::Result<Option<String>> {
    let last: Option<String> = connection
        .prepare_cached(
            "SELECT max(id) FROM (SELECT id, queued_at FROM jobs ORDER BY id LIMIT ?1) WHERE queued_at > ?2",
        )?
        .query_row(params![STEP, believed(now)], |row| row.get(0))?;
    let Some(last) = last else { return Ok(None) };
    let next: Option<i64> = connection
        .prepare_cached("SELECT queued_at FROM jobs WHERE id > ?1 AND queued_at <= ?2 ORDER BY id LIMIT 1")?
        .query_row(params![last, believed(now)], |row| row.get(0))
        .optional()?;
    Ok(next.filter(|next| *next < oldest).map(|_| last))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wrong_clock_recorded_goes_with_what_came_after_it() {
        const HOUR: i64 = 3_600_000;
        // Hours from now, in the order in which they were made, and how many are left with a day to keep.
        for (made, left) in [
            (&[-30, -20, -1][..], 2),
            (&[8000, 8001, -30, -1], 1),
            (&[-30, 8000, 8001, -20], 3),
            (&[8000, 8001], 2),
            (&[2, -30], 1),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let mut connection = crate::history::schema::open(&folder.path().join("journal.db")).unwrap();
            let now = "2026-11-20T12:00:00Z".parse().unwrap();
            for (n, hours) in made.iter().enumerate() {
                let at = millis(now) + hours * HOUR;
                connection
                    .execute(
                        "INSERT INTO jobs (id, event_id, router, task, trigger_name, selector, executor, depth,
                             select_param, job_param, status, attempt, queued_at, ended_at)
                         VALUES (?1, 'e', 'r', 't', 'x', 's', 'l', 0, '{}', '{}', 'succeeded', 1, ?2, ?2)",
                        params![format!("{n:04}"), at],
                    )
                    .unwrap();
            }
            let keep = Keep { time: Duration::from_secs(24 * 60 * 60), jobs: 100 };
            while some(&mut connection, keep, now).unwrap().more {}
            assert_eq!(count(&connection).unwrap(), left, "{made:?}");
        }
    }
}
