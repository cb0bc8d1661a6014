//! Batches of the log into the tables of the history. What happened to a job within the same step is one row, written
//! once.

use std::borrow::Cow;
use std::collections::HashMap;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::entry::{Accepted, Answer, Decided, End, Entry, Followed, Id, Queued};
use crate::api::model;

/// Writes what these entries say as one transaction, together with the number of the batch that is taken in next.
pub(super) fn take_in(
    connection: &mut Connection,
    entries: Vec<Entry<'_>>,
    next: u64,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut step = Step::default();
    for entry in entries {
        step.take(entry, &transaction)?;
    }
    step.write(&transaction)?;
    let next = i64::try_from(next).unwrap_or(i64::MAX);
    transaction.prepare_cached("UPDATE position SET next = ?1")?.execute([next])?;
    herald_core::failpoint!("history-before-commit");
    transaction.commit()?;
    herald_core::failpoint!("history-after-commit");
    Ok(())
}

/// The number of the batch that is taken in next.
pub(super) fn position(connection: &Connection) -> rusqlite::Result<u64> {
    let next: i64 = connection.query_row("SELECT next FROM position", [], |row| row.get(0))?;
    Ok(u64::try_from(next).unwrap_or(0))
}

/// An event of this step.
struct Event<'a> {
    accepted: Accepted<'a>,
    routed: Option<(i64, Vec<Decided<'a>>)>,
}

/// A job that was made in this step, as it stands at its end.
struct Job<'a> {
    queued: Queued<'a>,
    status: Cow<'a, str>,
    attempt: u32,
    started_at: Option<i64>,
    retry_at: Option<i64>,
    ended: Option<(i64, End<'a>)>,
}

/// An attempt that was followed by another one.
struct Attempt<'a> {
    job: Id,
    attempt: u32,
    end: End<'a>,
    started_at: Option<i64>,
    ended_at: i64,
}

/// What is gathered before it is written.
#[derive(Default)]
struct Step<'a> {
    events: Vec<Event<'a>>,
    event_places: HashMap<Id, usize>,
    jobs: Vec<Job<'a>>,
    job_places: HashMap<Id, usize>,
    attempts: Vec<Attempt<'a>>,
    positions: HashMap<Cow<'a, str>, Cow<'a, [u8]>>,
}

impl<'a> Step<'a> {
    /// What concerns rows of earlier steps is written at once; the rest is gathered.
    fn take(&mut self, entry: Entry<'a>, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        match entry {
            Entry::Accepted(accepted) => self.accepted(accepted, transaction),
            Entry::Routed { event, decisions, at } => match self.event(event) {
                Some(found) => {
                    found.routed = Some((at, decisions));
                    Ok(())
                }
                None => routed(transaction, event, &decisions, at),
            },
            Entry::Queued(queued) => {
                self.made(queued);
                Ok(())
            }
            Entry::Started { job, attempt, at } => match self.job(job) {
                Some(job) => {
                    job.started(attempt, at);
                    Ok(())
                }
                None => started(transaction, job, attempt, at),
            },
            Entry::AttemptEnded { job, attempt, end, retry_at, at } => match self.job(job) {
                Some(found) => {
                    let started_at = found.tried(attempt, retry_at);
                    self.attempts.push(Attempt { job, attempt, end, started_at, ended_at: at });
                    Ok(())
                }
                None => tried(transaction, job, attempt, &end, (retry_at, at)),
            },
            Entry::Ended { job, end, at } => self.ended(job, end, at, transaction),
            Entry::Refused { job, end } => {
                let (id, at) = (job.id, job.at);
                if self.job(id).is_none() && !exists(transaction, id)? {
                    self.made(job);
                }
                self.ended(id, end, at, transaction)
            }
            Entry::Reached(reached) => {
                self.followed(reached.into());
                Ok(())
            }
            Entry::Followed(followed) => {
                self.followed(followed);
                Ok(())
            }
        }
    }

    fn event(&mut self, id: Id) -> Option<&mut Event<'a>> {
        self.event_places.get(&id).and_then(|place| self.events.get_mut(*place))
    }

    fn job(&mut self, id: Id) -> Option<&mut Job<'a>> {
        self.job_places.get(&id).and_then(|place| self.jobs.get_mut(*place))
    }

    fn accepted(
        &mut self,
        mut accepted: Accepted<'a>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        if let Some(key) = &accepted.key {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO keys (name, event_id, until) VALUES (?1, ?2, ?3)")?
                .execute(params![key.name, Text::of(accepted.id).as_str(), key.until])?;
        }
        if let Some(due) = accepted.due.take() {
            self.followed(due.into());
        }
        self.event_places.insert(accepted.id, self.events.len());
        self.events.push(Event { accepted, routed: None });
        Ok(())
    }

    fn made(&mut self, queued: Queued<'a>) {
        self.job_places.insert(queued.id, self.jobs.len());
        let attempt = queued.attempt;
        let status = Cow::Borrowed("queued");
        self.jobs.push(Job { queued, status, attempt, started_at: None, retry_at: None, ended: None });
    }

    fn ended(
        &mut self,
        id: Id,
        end: End<'a>,
        at: i64,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        match self.job(id) {
            Some(job) => {
                job.status.clone_from(&end.status);
                job.retry_at = None;
                job.ended = Some((at, end));
                Ok(())
            }
            None => ended(transaction, id, &end, at),
        }
    }

    fn followed(&mut self, followed: Followed<'a>) {
        self.positions.insert(followed.source, followed.position);
    }

    fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut insert = transaction.prepare_cached(
            "INSERT OR IGNORE INTO events (id, trigger_name, param, sealed, depth, accepted_at, routed_at, decisions)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for Event { accepted, routed } in &self.events {
            let id = Text::of(accepted.id);
            insert.execute(params![
                id.as_str(),
                accepted.trigger,
                accepted.param,
                accepted.sealed,
                accepted.depth,
                accepted.at,
                routed.as_ref().map(|(at, _)| *at),
                routed.as_ref().map(|(_, decisions)| decisions_json(decisions)),
            ])?;
        }
        let mut insert = transaction.prepare_cached(
            "INSERT OR IGNORE INTO jobs (id, event_id, router, task, trigger_name, selector, executor, depth,
                 select_param, job_param, status, attempt, queued_at, started_at, ended_at, retry_at, error, result)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        )?;
        for job in &self.jobs {
            job.insert(&mut insert)?;
        }
        for attempt in &self.attempts {
            let Attempt { job, attempt, end, started_at, ended_at } = attempt;
            transaction.prepare_cached(ATTEMPT)?.execute(params![
                Text::of(*job).as_str(),
                attempt,
                end.status,
                started_at,
                ended_at,
                end.error
            ])?;
        }
        for (source, position) in &self.positions {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO cursors (source, position) VALUES (?1, ?2)")?
                .execute(params![source, position.as_ref()])?;
        }
        Ok(())
    }
}

impl Job<'_> {
    fn started(&mut self, attempt: u32, at: i64) {
        self.status = Cow::Borrowed("running");
        (self.attempt, self.started_at, self.retry_at) = (attempt, Some(at), None);
    }

    /// Gives when the attempt began that is over.
    fn tried(&mut self, attempt: u32, retry_at: i64) -> Option<i64> {
        self.status = Cow::Borrowed("queued");
        (self.attempt, self.retry_at) = (attempt + 1, Some(retry_at));
        self.started_at.take()
    }

    fn insert(&self, statement: &mut rusqlite::CachedStatement<'_>) -> rusqlite::Result<()> {
        let Queued { id, event, router, task, trigger, selector, executor, .. } = &self.queued;
        let (id, event) = (Text::of(*id), Text::of(*event));
        let end = self.ended.as_ref().map(|(_, end)| end);
        statement.execute(params![
            id.as_str(),
            event.as_str(),
            router,
            task,
            trigger,
            selector,
            executor,
            self.queued.depth,
            self.queued.select_param,
            self.queued.job_param,
            self.status,
            self.attempt,
            self.queued.at,
            self.started_at,
            self.ended.as_ref().map(|(at, _)| *at),
            self.retry_at,
            end.and_then(|end| end.error.as_deref()),
            end.map(|end| &end.result),
        ])?;
        Ok(())
    }
}

const ATTEMPT: &str = "INSERT OR IGNORE INTO attempts (job_id, attempt, status, started_at, ended_at, error)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

fn routed(connection: &Connection, event: Id, decisions: &[Decided<'_>], at: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE events SET routed_at = ?2, decisions = ?3 WHERE id = ?1")?
        .execute(params![Text::of(event).as_str(), at, decisions_json(decisions)])
        .map(drop)
}

fn started(connection: &Connection, job: Id, attempt: u32, at: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE jobs SET status = 'running', attempt = ?2, started_at = ?3, retry_at = NULL
             WHERE id = ?1 AND ended_at IS NULL",
        )?
        .execute(params![Text::of(job).as_str(), attempt, at])
        .map(drop)
}

fn tried(
    connection: &Connection,
    job: Id,
    attempt: u32,
    end: &End<'_>,
    (retry_at, at): (i64, i64),
) -> rusqlite::Result<()> {
    let id = Text::of(job);
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO attempts (job_id, attempt, status, started_at, ended_at, error)
             SELECT ?1, ?2, ?3, started_at, ?4, ?5 FROM jobs WHERE id = ?1",
        )?
        .execute(params![id.as_str(), attempt, end.status, at, end.error])?;
    connection
        .prepare_cached(
            "UPDATE jobs SET status = 'queued', attempt = ?2 + 1, retry_at = ?3, started_at = NULL
             WHERE id = ?1 AND attempt = ?2 AND ended_at IS NULL",
        )?
        .execute(params![id.as_str(), attempt, retry_at])
        .map(drop)
}

fn ended(connection: &Connection, job: Id, end: &End<'_>, at: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE jobs SET status = ?2, ended_at = ?3, error = ?4, result = ?5, retry_at = NULL WHERE id = ?1",
        )?
        .execute(params![Text::of(job).as_str(), end.status, at, end.error, end.result])
        .map(drop)
}

fn exists(connection: &Connection, job: Id) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM jobs WHERE id = ?1")?.exists([Text::of(job).as_str()])
}

/// Decisions as the API gives them.
fn decisions_json(decisions: &[Decided<'_>]) -> String {
    let list: Vec<model::Decision> = decisions
        .iter()
        .map(|decided| model::Decision {
            router: decided.router.to_string(),
            task: decided.task.to_string(),
            selector: decided.selector.to_string(),
            answer: match decided.said {
                Answer::Yes => "yes",
                Answer::No => "no",
                Answer::Error => "error",
            }
            .to_owned(),
            why: decided.why.to_string(),
            job_id: decided.job.map(|job| Text::of(job).as_str().to_owned()),
        })
        .collect();
    // Texts and lists: never fails.
    serde_json::to_string(&list).unwrap_or_default()
}

/// An id as it is written everywhere else.
struct Text([u8; uuid::fmt::Hyphenated::LENGTH]);

impl Text {
    fn of(id: Id) -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        Uuid::from_bytes(id).as_hyphenated().encode_lower(&mut text);
        Self(text)
    }

    fn as_str(&self) -> &str {
        // Hexadecimal digits and hyphens.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
