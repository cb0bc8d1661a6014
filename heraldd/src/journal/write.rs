//! Records into tables. Every statement may be repeated with the same record without another effect: the dispatcher
//! tries a batch again when it cannot know whether it stands.

use herald_core::job::Job;
use herald_core::journal::Record;
use herald_core::lifecycle::Verdict;
use herald_core::secret::Mask;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::ops::{self, Op, fold, millis};
use super::seal::Seal;

/// Writes a batch as one transaction; when this returns it is on the disk.
pub(super) fn batch(connection: &mut Connection, records: &[Record], seal: &Seal) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for op in fold(records) {
        match op {
            Op::One(record) => one(&transaction, record, seal)?,
            Op::QueuedAndStarted(Record::Queued { job, mask, at }, started) => {
                queued(&transaction, (job, mask), *at, Some(started))?;
            }
            Op::QueuedAndStarted(record, _) => one(&transaction, record, seal)?,
        }
    }
    herald_core::failpoint!("journal-before-commit");
    transaction.commit()?;
    herald_core::failpoint!("journal-after-commit");
    Ok(())
}

fn one(connection: &Connection, record: &Record, seal: &Seal) -> rusqlite::Result<()> {
    match record {
        Record::Accepted { .. } => accepted(connection, record, seal),
        Record::Routed { event_id, decisions, at } => connection
            .prepare_cached("UPDATE events SET routed_at = ?2, decisions = ?3 WHERE id = ?1")?
            .execute(params![&**event_id, millis(*at), ops::decisions(decisions)])
            .map(drop),
        Record::Queued { job, mask, at } => queued(connection, (job, mask), *at, None),
        Record::Started { job, at } => connection
            .prepare_cached(
                "UPDATE jobs SET status = 'running', attempt = ?2, started_at = ?3, retry_at = NULL
                 WHERE id = ?1 AND ended_at IS NULL",
            )?
            .execute(params![&*job.id, job.attempt, millis(*at)])
            .map(drop),
        Record::AttemptEnded { job, verdict, retry_at, at } => {
            attempt(connection, job, verdict, *at)?;
            connection
                .prepare_cached(
                    "UPDATE jobs SET status = 'queued', attempt = ?2 + 1, retry_at = ?3, started_at = NULL
                     WHERE id = ?1 AND attempt = ?2 AND ended_at IS NULL",
                )?
                .execute(params![&*job.id, job.attempt, millis(*retry_at)])
                .map(drop)
        }
        Record::Ended { job, mask, verdict, at } => ended(connection, (job, mask), verdict, *at),
        Record::Reached(due) => mark(connection, &due.mark, due.at),
    }
}

fn accepted(connection: &Connection, record: &Record, seal: &Seal) -> rusqlite::Result<()> {
    let Record::Accepted { activation, mask, key, due, at } = record else { return Ok(()) };
    let (param, sealed) = ops::hidden(&activation.trigger_param, mask, seal);
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO events (id, trigger_name, param, sealed, depth, accepted_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            &*activation.event_id,
            &*activation.trigger,
            param,
            sealed,
            activation.chain_depth,
            millis(*at)
        ])?;
    if let Some(key) = key {
        let window = i64::try_from(key.window.as_millis()).unwrap_or(i64::MAX);
        connection
            .prepare_cached("INSERT OR REPLACE INTO keys (name, event_id, until) VALUES (?1, ?2, ?3)")?
            .execute(params![&*key.name, &*activation.event_id, millis(*at).saturating_add(window)])?;
    }
    match due {
        Some(due) => mark(connection, &due.mark, due.at),
        None => Ok(()),
    }
}

fn mark(connection: &Connection, mark: &str, at: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO marks (mark, at) VALUES (?1, ?2)")?
        .execute(params![mark, millis(at)])
        .map(drop)
}

fn queued(
    connection: &Connection,
    (job, mask): (&Job, &Mask),
    at: Timestamp,
    started: Option<Timestamp>,
) -> rusqlite::Result<()> {
    let status = if started.is_some() { "running" } else { "queued" };
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO jobs (id, event_id, router, task, trigger_name, selector, executor, depth,
                 select_param, job_param, status, attempt, queued_at, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            &*job.id,
            &*job.trigger_id,
            &*job.router,
            &*job.task,
            &*job.trigger,
            &*job.selector,
            &*job.executor,
            job.chain_depth,
            ops::masked(&job.select_param, mask),
            ops::masked(&job.job_param, mask),
            status,
            job.attempt,
            millis(at),
            started.map(millis),
        ])
        .map(drop)
}

fn attempt(connection: &Connection, job: &Job, verdict: &Verdict, at: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO attempts (job_id, attempt, status, started_at, ended_at, error)
             SELECT ?1, ?2, ?3, started_at, ?4, ?5 FROM jobs WHERE id = ?1",
        )?
        .execute(params![&*job.id, job.attempt, verdict.status.as_str(), millis(at), verdict.error])
        .map(drop)
}

fn ended(
    connection: &Connection,
    (job, mask): (&Job, &Mask),
    verdict: &Verdict,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let end = || -> rusqlite::Result<usize> {
        connection
            .prepare_cached(
                "UPDATE jobs SET status = ?2, ended_at = ?3, error = ?4, result = ?5, retry_at = NULL WHERE id = ?1",
            )?
            .execute(params![
                &*job.id,
                verdict.status.as_str(),
                millis(at),
                verdict.error,
                ops::result(verdict)
            ])
    };
    if end()? == 0 {
        // It was refused before it was queued.
        queued(connection, (job, mask), at, None)?;
        end()?;
    }
    Ok(())
}
