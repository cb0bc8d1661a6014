//! Answers to questions about the history on disk.

use std::time::Duration;

use async_trait::async_trait;
use herald_core::activation::{Activation, Name};
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::column::{actor, name, object};
use super::event_list::{self, EventPage, EventQuery};
use super::job_samples::{self, JobSamples, SampleQuery};
use super::job_search::JobCounts;
use super::job_state::{AttemptView, JobStatus};
use super::job_times::{self, JobTimes, JobTimesQuery, least_id};
use super::lookup::{FoundId, IdLookup};
use super::lookup_file;
use super::query::{FoundJob, History, HistoryError, JobQuery, is_id};
use super::recover;
use super::results::{self, ResultPage, ResultQuery};
use super::search_page::search;
use super::summary_row::{SUMMARY, summary};
use super::view::{EventView, JobPage, JobSummaryView, JobView};
use super::whole_rows::WholeRows;
use crate::damage::{Damage, is_damage};
use crate::journal::entry::{millis, time};
use crate::store::JournalStore;

/// The most entries of one page.
const MOST: usize = 1000;

#[async_trait]
impl History for JournalStore {
    async fn jobs(&self, query: JobQuery) -> Result<JobPage, HistoryError> {
        if !query.has_valid_cursor() {
            return Err(HistoryError::Cursor);
        }
        let damage = self.damage.clone();
        Ok(self.ask(move |connection| whole_jobs(connection, &query, &damage)).await?)
    }

    async fn job_counts(&self, query: JobQuery) -> Result<JobCounts, HistoryError> {
        Ok(self.ask(move |connection| job_counts(connection, &query)).await?)
    }

    async fn job(&self, id: &str) -> Result<Option<JobView>, HistoryError> {
        let id = id.to_owned();
        Ok(self.ask(move |connection| job(connection, &id)).await?)
    }

    async fn events(&self, query: EventQuery) -> Result<EventPage, HistoryError> {
        if !query.cursor.as_deref().is_none_or(is_id) {
            return Err(HistoryError::Cursor);
        }
        Ok(self.ask(move |connection| event_list::events(connection, &query)).await?)
    }

    async fn event(&self, id: &str) -> Result<Option<EventView>, HistoryError> {
        let id = id.to_owned();
        Ok(self.ask(move |connection| event(connection, &id)).await?)
    }

    async fn activation(&self, id: &str) -> Result<Option<Activation>, HistoryError> {
        let (id, seal) = (id.to_owned(), self.seal.clone());
        Ok(self.ask(move |connection| recover::activation(connection, &id, &seal)).await?)
    }

    async fn results(&self, query: ResultQuery) -> Result<ResultPage, HistoryError> {
        if !query.cursor.as_deref().is_none_or(is_id) {
            return Err(HistoryError::Cursor);
        }
        Ok(self.ask(move |connection| results::results(connection, &query)).await?)
    }

    async fn ids(&self, lookup: IdLookup) -> Result<Vec<FoundId>, HistoryError> {
        Ok(self.ask(move |connection| lookup_file::ids(connection, &lookup)).await?)
    }

    async fn job_times(&self, query: JobTimesQuery) -> Result<JobTimes, HistoryError> {
        Ok(self.ask(move |connection| job_times::job_times(connection, &query)).await?)
    }

    async fn job_samples(&self, query: SampleQuery) -> Result<JobSamples, HistoryError> {
        Ok(self.ask(move |connection| job_samples::job_samples(connection, &query)).await?)
    }

    async fn usual_lengths(&self, routers: Vec<Name>) -> Result<Vec<Option<Duration>>, HistoryError> {
        let ask = move |connection: &Connection| {
            routers.iter().map(|router| job_times::usual_length(connection, router)).collect()
        };
        Ok(self.ask(ask).await?)
    }

    async fn stored(&self, id: &str) -> Result<Option<FoundJob>, HistoryError> {
        let (id, seal) = (id.to_owned(), self.seal.clone());
        Ok(self.ask(move |connection| recover::stored(connection, &id, &seal)).await?)
    }
}

/// A page, without the jobs in it that are damaged.
fn whole_jobs(connection: &Connection, query: &JobQuery, damage: &Damage) -> rusqlite::Result<JobPage> {
    if !query.search.is_empty() {
        let whole = WholeRows { reader: connection, damage };
        let one = |id: &str| Ok(whole.one("job", id, || job(connection, id))?.flatten());
        return search(query, |query| whole_jobs(connection, query, damage), one);
    }
    match jobs(connection, query) {
        Err(error) if is_damage(&error) => jobs_one_by_one(connection, query, damage),
        other => other,
    }
}

/// The same, slowly: the ids by an index that has nothing else, and each row by itself.
fn jobs_one_by_one(connection: &Connection, query: &JobQuery, damage: &Damage) -> rusqlite::Result<JobPage> {
    let whole = WholeRows { reader: connection, damage };
    let mut ids = whole.ids("job", "SELECT id FROM jobs INDEXED BY jobs_by_event")?;
    let least = query.since.map(least_id);
    ids.retain(|id| query.cursor.as_ref().is_none_or(|cursor| id < cursor));
    ids.retain(|id| least.as_ref().is_none_or(|least| id >= least));
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let sql = format!("SELECT {SUMMARY} FROM jobs WHERE id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let (limit, mut jobs) = (query.limit.clamp(1, MOST), Vec::new());
    for id in ids {
        let found = whole.one("job", &id, || statement.query_row([&id], summary))?;
        jobs.extend(found.filter(|job| query.wants(job)));
        if jobs.len() > limit {
            break;
        }
    }
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    let next_cursor = jobs.last().filter(|_| more).map(|last| last.id.clone());
    Ok(JobPage { jobs, next_cursor })
}

/// A page by the index that fits; ids ascend with time, so the newest come first without sorting.
pub(super) fn jobs(connection: &Connection, query: &JobQuery) -> rusqlite::Result<JobPage> {
    if !query.search.is_empty() {
        return search(query, |query| jobs(connection, query), |id| job(connection, id));
    }
    let limit = query.limit.clamp(1, MOST);
    let JobsStatement { sql, values } = jobs_statement(query, limit);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), summary)?;
    let mut jobs = rows.collect::<Result<Vec<_>, _>>()?;
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    let next_cursor = jobs.last().filter(|_| more).map(|last| last.id.clone());
    Ok(JobPage { jobs, next_cursor })
}

pub(super) fn job_counts(connection: &Connection, query: &JobQuery) -> rusqlite::Result<JobCounts> {
    let JobsStatement { sql: filter, values } = filter(&JobQuery { cursor: None, ..query.clone() });
    let sql = format!("SELECT status, count(*) FROM jobs {filter} GROUP BY status");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut counts = JobCounts::new();
    while let Some(row) = rows.next()? {
        let status = row.get_ref(0)?.as_str().ok().and_then(JobStatus::parse);
        if let Some(status) = status {
            counts.insert(status.as_str(), u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0));
        }
    }
    Ok(counts)
}

/// A question for jobs, or a part of it, and what it is asked with.
struct JobsStatement {
    sql: String,
    values: Vec<Sql>,
}

/// For one job more than a page has.
fn jobs_statement(query: &JobQuery, limit: usize) -> JobsStatement {
    let JobsStatement { sql: filter, values } = filter(query);
    let sql = format!("SELECT {SUMMARY} FROM jobs {filter} ORDER BY id DESC LIMIT {}", limit + 1);
    JobsStatement { sql, values }
}

/// Which jobs.
fn filter(query: &JobQuery) -> JobsStatement {
    // Where few jobs are wanted, nothing older than the range is read in search of more.
    let least = query.since.map(least_id);
    let mut conditions: Vec<String> = Vec::new();
    let mut values: Vec<Sql> = Vec::new();
    let texts = [
        ("router = ?", query.router.as_deref()),
        ("task = ?", query.task.as_deref()),
        ("trigger_name = ?", query.trigger.as_deref()),
        ("event_id = ?", query.event.as_deref()),
        ("id < ?", query.cursor.as_deref()),
        ("id >= ?", least.as_deref()),
    ];
    for (condition, text) in texts {
        if let Some(text) = text {
            conditions.push(condition.to_owned());
            values.push(Sql::Text(text.to_owned()));
        }
    }
    if !query.status.is_empty() {
        conditions.push(format!("status IN ({})", vec!["?"; query.status.len()].join(", ")));
        values.extend(query.status.iter().map(|status| Sql::Text(status.as_str().to_owned())));
    }
    for (condition, time) in [("queued_at >= ?", query.since), ("queued_at < ?", query.until)] {
        if let Some(time) = time {
            conditions.push(condition.to_owned());
            values.push(Sql::Integer(millis(time)));
        }
    }
    let sql =
        if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    JobsStatement { sql, values }
}

pub(super) fn job(connection: &Connection, id: &str) -> rusqlite::Result<Option<JobView>> {
    let sql = format!(
        "SELECT {SUMMARY}, selector, select_param, job_param, result,
                (SELECT param FROM events WHERE events.id = jobs.event_id),
                coalesce(actor, (SELECT actor FROM events WHERE events.id = jobs.event_id)), cancelled_by
         FROM jobs WHERE id = ?1"
    );
    let found = connection.prepare_cached(&sql)?.query_row([id], |row| {
        let summary = summary(row)?;
        // Before the end it is that of an attempt.
        let has_result = summary.state.ended_at.is_some() && row.get_ref(18)? != ValueRef::Null;
        Ok(JobView {
            summary,
            selector: name(row, 15)?,
            trigger_param: object(row, 19)?,
            select_param: object(row, 16)?,
            job_param: object(row, 17)?,
            result: if has_result { Some(object(row, 18)?) } else { None },
            attempts: Vec::new(),
            by: actor(row, 20)?,
            cancelled_by: actor(row, 21)?,
        })
    });
    let Some(mut job) = found.optional()? else { return Ok(None) };
    job.attempts = attempts(connection, &job.summary)?;
    Ok(Some(job))
}

/// Attempts that were followed by another one have rows of their own; the latest is the job's.
fn attempts(connection: &Connection, job: &JobSummaryView) -> rusqlite::Result<Vec<AttemptView>> {
    let mut statement = connection.prepare_cached(
        "SELECT attempt, status, started_at, ended_at, error FROM attempts WHERE job_id = ?1 ORDER BY attempt",
    )?;
    let rows = statement.query_map([&*job.id], |row| {
        Ok(AttemptView {
            attempt: row.get(0)?,
            status: row.get(1)?,
            started_at: row.get::<_, Option<i64>>(2)?.map(time),
            ended_at: row.get::<_, Option<i64>>(3)?.map(time),
            error: row.get(4)?,
        })
    })?;
    let mut attempts = rows.collect::<Result<Vec<_>, _>>()?;
    attempts.extend(job.state.latest_attempt());
    Ok(attempts)
}

pub(super) fn event(connection: &Connection, id: &str) -> rusqlite::Result<Option<EventView>> {
    connection
        .prepare_cached(
            "SELECT id, trigger_name, param, depth, accepted_at, routed_at, decisions, actor FROM events WHERE id = ?1",
        )?
        .query_row([id], |row| {
            Ok(EventView {
                id: name(row, 0)?,
                trigger: name(row, 1)?,
                trigger_param: object(row, 2)?,
                chain_depth: row.get(3)?,
                accepted_at: time(row.get(4)?),
                routed_at: row.get::<_, Option<i64>>(5)?.map(time),
                decisions: row
                    .get::<_, Option<String>>(6)?
                    .and_then(|text| serde_json::from_str(&text).ok())
                    .unwrap_or_default(),
                by: actor(row, 7)?,
            })
        })
        .optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::job_state::JobStatus;
    use crate::history::schema;

    #[test]
    fn nothing_older_than_the_range_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let connection = schema::open(&folder.path().join("journal.db")).unwrap();
        let since = Some("2026-11-24T12:00:00Z".parse().unwrap());
        let all = JobQuery { since, ..JobQuery::default() };
        for (query, plan) in [
            (all.clone(), "SEARCH jobs USING PRIMARY KEY (id>?)"),
            (
                JobQuery { until: since, task: Some("t".to_owned()), ..all.clone() },
                "USING PRIMARY KEY (id>?)",
            ),
            (JobQuery { router: Some("r".to_owned()), ..all.clone() }, "jobs_by_router (router=? AND id>?)"),
            (JobQuery { status: vec![JobStatus::Running], ..all }, "jobs_by_status (status=? AND id>?)"),
        ] {
            let JobsStatement { sql, values } = jobs_statement(&query, 50);
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let mut rows = statement.query(params_from_iter(values)).unwrap();
            let found: String = rows.next().unwrap().unwrap().get(3).unwrap();
            assert!(found.contains(plan), "{query:?}: {found}");
        }
    }
}
