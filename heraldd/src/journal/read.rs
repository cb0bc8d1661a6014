//! Answers to questions about the history.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::activation::Activation;
use herald_core::plan::Plan;
use jiff::Timestamp;
use rusqlite::types::{Type, Value as Sql, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use serde_json::{Map, Value};

use super::entry::millis;
use super::packed::Packed;
use super::query::{History, HistoryError, JobQuery, StoredJob};
use super::recover;
use super::store::Store;
use crate::api::model;

/// The most entries of one page.
const MOST: usize = 1000;

const SUMMARY: &str = "id, event_id, router, task, trigger_name, executor, status, attempt, depth, queued_at, started_at, \
                       ended_at, error";

#[async_trait]
impl History for Store {
    async fn jobs(&self, query: JobQuery) -> Result<model::Page<model::JobSummary>, HistoryError> {
        if query.cursor.as_ref().is_some_and(|cursor| !is_id(cursor)) {
            return Err(HistoryError::Cursor);
        }
        self.ask(move |connection| jobs(connection, &query)).await.map_err(HistoryError::Unreadable)
    }

    async fn job(&self, id: &str) -> Result<Option<model::Job>, HistoryError> {
        let id = id.to_owned();
        self.ask(move |connection| job(connection, &id)).await.map_err(HistoryError::Unreadable)
    }

    async fn event(&self, id: &str) -> Result<Option<model::Event>, HistoryError> {
        let id = id.to_owned();
        self.ask(move |connection| event(connection, &id)).await.map_err(HistoryError::Unreadable)
    }

    async fn told(&self, id: &str) -> Result<Option<Activation>, HistoryError> {
        let (id, seal) = (id.to_owned(), self.seal.clone());
        let found = self.ask(move |connection| recover::told(connection, &id, &seal));
        found.await.map_err(HistoryError::Unreadable)
    }

    async fn stored(&self, id: &str, plan: Arc<Plan>) -> Result<Option<StoredJob>, HistoryError> {
        let (id, seal) = (id.to_owned(), self.seal.clone());
        let found = self.ask(move |connection| recover::stored(connection, &id, &plan, &seal));
        found.await.map_err(HistoryError::Unreadable)
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// A page by the index that fits; ids ascend with time, so the newest come first without sorting.
fn jobs(connection: &Connection, query: &JobQuery) -> rusqlite::Result<model::Page<model::JobSummary>> {
    let limit = query.limit.clamp(1, MOST);
    let mut conditions: Vec<&str> = Vec::new();
    let mut values: Vec<Sql> = Vec::new();
    let texts = [
        ("router = ?", &query.router),
        ("task = ?", &query.task),
        ("status = ?", &query.status),
        ("id < ?", &query.cursor),
    ];
    for (condition, text) in texts {
        if let Some(text) = text {
            conditions.push(condition);
            values.push(Sql::Text(text.clone()));
        }
    }
    if let Some(since) = query.since {
        conditions.push("queued_at >= ?");
        values.push(Sql::Integer(millis(since)));
    }
    let filter =
        if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    let sql = format!("SELECT {SUMMARY} FROM jobs {filter} ORDER BY id DESC LIMIT {}", limit + 1);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), summary)?;
    let mut items = rows.collect::<Result<Vec<_>, _>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|last| last.id.clone());
    Ok(model::Page { items, next_cursor })
}

fn summary(row: &Row<'_>) -> rusqlite::Result<model::JobSummary> {
    Ok(model::JobSummary {
        id: row.get(0)?,
        event_id: row.get(1)?,
        router: row.get(2)?,
        task: row.get(3)?,
        trigger: row.get(4)?,
        executor: row.get(5)?,
        status: row.get(6)?,
        attempt: row.get(7)?,
        chain_depth: row.get(8)?,
        queued_at: shown(row.get(9)?),
        started_at: row.get::<_, Option<i64>>(10)?.map(shown),
        ended_at: row.get::<_, Option<i64>>(11)?.map(shown),
        error: row.get(12)?,
    })
}

fn shown(at: i64) -> String {
    Timestamp::from_millisecond(at).unwrap_or_default().to_string()
}

/// An object in this column; an empty one where nothing stands.
fn object(row: &Row<'_>, column: usize) -> rusqlite::Result<Map<String, Value>> {
    let Some(packed) = row.get::<_, Option<Packed<'static>>>(column)? else { return Ok(Map::new()) };
    let text = packed.unpack().map_err(|damaged| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(damaged))
    })?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

fn job(connection: &Connection, id: &str) -> rusqlite::Result<Option<model::Job>> {
    let sql = format!(
        "SELECT {SUMMARY}, selector, select_param, job_param, result, retry_at,
                (SELECT param FROM events WHERE events.id = jobs.event_id)
         FROM jobs WHERE id = ?1"
    );
    let found = connection.prepare_cached(&sql)?.query_row([id], |row| {
        Ok(model::Job {
            summary: summary(row)?,
            selector: row.get(13)?,
            trigger_param: object(row, 18)?,
            select_param: object(row, 14)?,
            job_param: object(row, 15)?,
            result: if row.get_ref(16)? == ValueRef::Null { None } else { Some(object(row, 16)?) },
            retry_at: row.get::<_, Option<i64>>(17)?.map(shown),
            attempts: Vec::new(),
        })
    });
    let Some(mut job) = found.optional()? else { return Ok(None) };
    job.attempts = attempts(connection, &job.summary)?;
    Ok(Some(job))
}

/// Attempts that were followed by another one have rows of their own; the latest is the job's.
fn attempts(connection: &Connection, job: &model::JobSummary) -> rusqlite::Result<Vec<model::Attempt>> {
    let mut statement = connection.prepare_cached(
        "SELECT attempt, status, started_at, ended_at, error FROM attempts WHERE job_id = ?1 ORDER BY attempt",
    )?;
    let rows = statement.query_map([&job.id], |row| {
        Ok(model::Attempt {
            attempt: row.get(0)?,
            status: row.get(1)?,
            started_at: row.get::<_, Option<i64>>(2)?.map(shown).unwrap_or_default(),
            ended_at: row.get::<_, Option<i64>>(3)?.map(shown),
            error: row.get(4)?,
        })
    })?;
    let mut attempts = rows.collect::<Result<Vec<_>, _>>()?;
    if let Some(started_at) = &job.started_at {
        attempts.push(model::Attempt {
            attempt: job.attempt,
            status: job.status.clone(),
            started_at: started_at.clone(),
            ended_at: job.ended_at.clone(),
            error: job.error.clone(),
        });
    }
    Ok(attempts)
}

fn event(connection: &Connection, id: &str) -> rusqlite::Result<Option<model::Event>> {
    connection
        .prepare_cached(
            "SELECT id, trigger_name, param, depth, accepted_at, routed_at, decisions FROM events WHERE id = ?1",
        )?
        .query_row([id], |row| {
            Ok(model::Event {
                id: row.get(0)?,
                trigger: row.get(1)?,
                trigger_param: object(row, 2)?,
                chain_depth: row.get(3)?,
                accepted_at: shown(row.get(4)?),
                routed_at: row.get::<_, Option<i64>>(5)?.map(shown),
                decisions: row
                    .get::<_, Option<String>>(6)?
                    .and_then(|text| serde_json::from_str(&text).ok())
                    .unwrap_or_default(),
            })
        })
        .optional()
}
