//! Looks up ids in the history on disk.

use herald_core::activation::Name;
use rusqlite::{Connection, OptionalExtension, params};

use super::column::name;
use super::lookup::{FoundId, IdKind, IdLookup, IdPart, MOST_CANDIDATES, NEWEST, WantedId, newest_first};

pub(super) fn ids(connection: &Connection, lookup: &IdLookup) -> rusqlite::Result<Vec<FoundId>> {
    match (&lookup.wanted, lookup.kind) {
        (WantedId::Latest { router: None }, IdKind::Event) => {
            let latest = "SELECT id FROM events ORDER BY id DESC LIMIT 1";
            let found = connection.prepare_cached(latest)?.query_row([], |row| name(row, 0)).optional()?;
            Ok(found.map(|id| FoundId { id, job: None }).into_iter().collect())
        }
        (WantedId::Latest { router }, kind) => {
            let sql = match router {
                Some(_) => "SELECT id, event_id FROM jobs WHERE router = ?1 ORDER BY id DESC LIMIT 1",
                None => "SELECT id, event_id FROM jobs WHERE ?1 IS NULL ORDER BY id DESC LIMIT 1",
            };
            let job = |row: &rusqlite::Row<'_>| Ok(JobIds { id: name(row, 0)?, event_id: name(row, 1)? });
            let found = connection.prepare_cached(sql)?.query_row([router], job).optional()?;
            Ok(found.map(|job| job.found_as(kind)).into_iter().collect())
        }
        (WantedId::Part(part), IdKind::Job) => Ok(newest_first(
            jobs(connection, part)?.into_iter().map(|job| job.found_as(IdKind::Job)).collect(),
        )),
        (WantedId::Part(part), IdKind::Event) => {
            let mut found = events(connection, part)?;
            found.extend(jobs(connection, part)?.into_iter().map(|job| job.found_as(IdKind::Event)));
            Ok(newest_first(found))
        }
    }
}

struct JobIds {
    id: Name,
    event_id: Name,
}

impl JobIds {
    fn found_as(self, kind: IdKind) -> FoundId {
        match kind {
            IdKind::Job => FoundId { id: self.id, job: None },
            IdKind::Event => FoundId { id: self.event_id, job: Some(self.id) },
        }
    }
}

/// By the primary key for a beginning, by an index that holds nothing else for an end.
fn jobs(connection: &Connection, part: &IdPart) -> rusqlite::Result<Vec<JobIds>> {
    let begin = "SELECT id, event_id FROM jobs WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
    let end = "SELECT id, event_id FROM
                   (SELECT id, event_id FROM jobs INDEXED BY jobs_by_event ORDER BY event_id DESC LIMIT ?4)
               WHERE substr(id, ?2) = ?1 LIMIT ?3";
    let job = |row: &rusqlite::Row<'_>| Ok(JobIds { id: name(row, 0)?, event_id: name(row, 1)? });
    let mut statement = connection.prepare_cached(begin)?;
    let found = statement.query_map(params![part.as_str(), part.upper_bound(), MOST_CANDIDATES], job)?;
    let mut jobs = found.collect::<Result<Vec<_>, _>>()?;
    if !part.is_whole() {
        let mut statement = connection.prepare_cached(end)?;
        let found =
            statement.query_map(params![part.as_str(), from_end(part), MOST_CANDIDATES, NEWEST], job)?;
        jobs.extend(found.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(jobs)
}

fn events(connection: &Connection, part: &IdPart) -> rusqlite::Result<Vec<FoundId>> {
    let begin = "SELECT id FROM events WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
    let end =
        "SELECT id FROM (SELECT id FROM events ORDER BY id DESC LIMIT ?4) WHERE substr(id, ?2) = ?1 LIMIT ?3";
    let event = |row: &rusqlite::Row<'_>| Ok(FoundId { id: name(row, 0)?, job: None });
    let mut statement = connection.prepare_cached(begin)?;
    let found = statement.query_map(params![part.as_str(), part.upper_bound(), MOST_CANDIDATES], event)?;
    let mut events = found.collect::<Result<Vec<_>, _>>()?;
    if !part.is_whole() {
        let mut statement = connection.prepare_cached(end)?;
        let found =
            statement.query_map(params![part.as_str(), from_end(part), MOST_CANDIDATES, NEWEST], event)?;
        events.extend(found.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(events)
}

/// Where `substr` begins, counted from the end.
fn from_end(part: &IdPart) -> i64 {
    -i64::try_from(part.as_str().len()).unwrap_or(i64::MAX)
}
