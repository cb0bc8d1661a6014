//! What an earlier process left undone, read from the history. StoredSecrets of the configuration stay hidden:
//! [`herald_core::dispatcher::restore`] has them.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use herald_core::activation::Activation;
use herald_core::job::Job;
use herald_core::journal::{
    InterruptedState, Recovered, RecoveredEvent, RecoveredJob, StoredJob, StoredSecrets,
};
use herald_core::param::Params;
use herald_core::trigger_param::TriggerParam;
use rusqlite::{Connection, OptionalExtension, Row};

use super::column::{actor, name};
use super::job_state::{JobState, JobStatus};
use super::query::FoundJob;
use super::repeated::Repeated;
use super::whole_rows::WholeRows;
use crate::damage::is_damage;
use crate::journal::entry::time;
use crate::journal::packed::Packed;
use crate::journal::seal::Seal;
use crate::lock::OpenError;
use crate::store::JournalStore;

/// What is read of every job.
const COLUMNS: &str = "
SELECT j.id, j.event_id, j.router, j.task, j.trigger_name, j.selector, j.executor, j.depth, j.select_param, j.job_param,
       j.queued_at, e.param, e.sealed, j.status, j.attempt, j.started_at, j.ended_at, j.retry_at, j.error,
       j.actor, e.actor, j.result
";
/// One job, by its id.
const ONE: &str = "FROM jobs j LEFT JOIN events e ON e.id = j.event_id WHERE j.id = ?1";
/// Those of a list of ids that comes before it. It is read first: the rows are what SQLite reads then.
const OF_IDS: &str = "o CROSS JOIN jobs j ON j.id = o.id LEFT JOIN events e ON e.id = j.event_id";

/// By an index that has all it needs. Sorting is ours: SQLite's would give nothing where one page is damaged.
const OPEN_JOBS: &str = "SELECT id FROM jobs WHERE status IN ('queued', 'running')";
/// What waits or ran by its own row as well, which counts where an index says something else.
const IS_OPEN: &str = "+j.status IN ('queued', 'running')";
const NEWEST: &str =
    "SELECT max(id) FROM (SELECT max(id) AS id FROM events UNION ALL SELECT max(id) FROM jobs)";
const OPEN_EVENTS: &str = "SELECT id FROM events WHERE routed_at IS NULL";

impl JournalStore {
    /// What is left to do. Call it once, before anything is appended.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn recover(&self) -> Result<Recovered, OpenError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let unreadable = |error: rusqlite::Error| OpenError(format!("the journal cannot be read: {error}"));
        let whole = WholeRows { reader: &reader, damage: &self.damage };
        let jobs = match open_jobs(&reader, &self.seal) {
            Ok(Some(jobs)) => Ok(jobs),
            Err(error) if !is_damage(&error) => Err(error),
            // Slower: what is whole, and what is not is named.
            _ => {
                let mut repeated = Repeated::default();
                whole.each("waiting job", OPEN_JOBS, |id| open_job(&reader, id, &self.seal, &mut repeated))
            }
        };
        let events = whole.each("waiting event", OPEN_EVENTS, |id| open_event(&reader, id, &self.seal));
        // Where it cannot be read, ids go by the clock alone.
        let newest = reader.query_row(NEWEST, [], |row| row.get(0)).ok().flatten();
        Ok(Recovered { events: events.map_err(unreadable)?, jobs: jobs.map_err(unreadable)?, newest })
    }
}

/// One job to run again.
pub(super) fn stored(reader: &Connection, id: &str, seal: &Seal) -> rusqlite::Result<Option<FoundJob>> {
    let mut statement = reader.prepare_cached(&format!("{COLUMNS} {ONE}"))?;
    let found = statement.query_row([id], |row| {
        let state = JobState::read(row, 13)?;
        let stored = job(row, &state, seal, &mut Repeated::default())?;
        Ok(FoundJob { ended: state.ended_at.is_some(), stored })
    });
    found.optional()
}

/// All jobs that wait or ran, by their ids. `None`: an index has jobs that are missing, or have ended.
fn open_jobs(reader: &Connection, seal: &Seal) -> rusqlite::Result<Option<Vec<RecoveredJob>>> {
    let count: i64 =
        reader.query_row(&format!("SELECT count(*) FROM ({OPEN_JOBS})"), [], |row| row.get(0))?;
    let sql = format!("{COLUMNS} FROM ({OPEN_JOBS}) {OF_IDS} WHERE {IS_OPEN}");
    let mut statement = reader.prepare(&sql)?;
    let mut repeated = Repeated::default();
    let rows = statement.query_map([], |row| recovered_job(row, seal, &mut repeated))?;
    let mut jobs = rows.collect::<Result<Vec<_>, _>>()?;
    // The index has those of each status in this order already.
    jobs.sort_by(|a, b| a.stored.job.id.cmp(&b.stored.job.id));
    Ok((usize::try_from(count) == Ok(jobs.len())).then_some(jobs))
}

fn open_job(
    reader: &Connection,
    id: &str,
    seal: &Seal,
    repeated: &mut Repeated,
) -> rusqlite::Result<RecoveredJob> {
    let mut statement = reader.prepare_cached(&format!("{COLUMNS} {ONE} AND {IS_OPEN}"))?;
    statement.query_row([id], |row| recovered_job(row, seal, repeated))
}

/// A row of [`COLUMNS`] that waits or ran.
fn recovered_job(row: &Row<'_>, seal: &Seal, repeated: &mut Repeated) -> rusqlite::Result<RecoveredJob> {
    let state = JobState::read(row, 13)?;
    let interrupted = match state.status {
        JobStatus::Running => InterruptedState::Running,
        _ => InterruptedState::Queued { not_before: state.retry_at },
    };
    let (queued_at, started_at) = (time(row.get(10)?), state.started_at);
    let earlier = earlier(row)?;
    let stored = job(row, &state, seal, repeated)?;
    Ok(RecoveredJob { stored, interrupted, queued_at, started_at, earlier })
}

fn open_event(reader: &Connection, id: &str, seal: &Seal) -> rusqlite::Result<RecoveredEvent> {
    let mut made = reader.prepare_cached("SELECT router, task FROM jobs WHERE event_id = ?1")?;
    let pair = |row: &Row<'_>| Ok((name(row, 0)?, name(row, 1)?));
    // Jobs that cannot be read are named with the others, and are created again.
    let made: HashSet<_> = made.query_map([id], pair)?.filter_map(Result::ok).collect();
    let mut statement = reader
        .prepare_cached("SELECT id, trigger_name, param, sealed, depth, actor FROM events WHERE id = ?1")?;
    statement.query_row([id], |row| {
        let event_id = name(row, 0)?;
        let param = trigger_param(row.get(2)?, row.get(3)?, seal).unwrap_or_else(|| {
            tracing::error!("the parameters of event {event_id} cannot be read; it continues without them");
            TriggerParam::default()
        });
        let activation = Activation {
            event_id,
            trigger: name(row, 1)?,
            trigger_param: Arc::new(param),
            chain_depth: row.get(4)?,
            by: actor(row, 5)?.map(Arc::new),
        };
        Ok(RecoveredEvent { activation, made })
    })
}

/// One event as its trigger fired it, if it is known and can be read.
pub(super) fn activation(reader: &Connection, id: &str, seal: &Seal) -> rusqlite::Result<Option<Activation>> {
    let row = |row: &Row<'_>| {
        let param = trigger_param(row.get(2)?, row.get(3)?, seal);
        let (event_id, trigger, chain_depth) = (name(row, 0)?, name(row, 1)?, row.get(4)?);
        let by = actor(row, 5)?.map(Arc::new);
        Ok(param.map(Arc::new).map(|trigger_param| Activation {
            event_id,
            trigger,
            trigger_param,
            chain_depth,
            by,
        }))
    };
    let sql = "SELECT id, trigger_name, param, sealed, depth, actor FROM events WHERE id = ?1";
    Ok(reader.prepare_cached(sql)?.query_row([id], row).optional()?.flatten())
}

/// The parameters of an event, with its secrets. `None`: they cannot be read.
fn trigger_param(param: Option<Packed<'_>>, sealed: Option<Vec<u8>>, seal: &Seal) -> Option<TriggerParam> {
    let read = |json: &str| TriggerParam::from_json(json, Params::new()).ok();
    match sealed {
        Some(sealed) => read(&seal.unseal(&sealed)?),
        None => read(&param?.unpack().ok()?),
    }
}

fn read(packed: &Packed<'_>) -> Option<Params> {
    serde_json::from_str(&packed.unpack().ok()?).ok()
}

/// What earlier attempts of a job gave, of a row of [`COLUMNS`].
fn earlier(row: &Row<'_>) -> rusqlite::Result<Option<Params>> {
    let Some(result) = row.get::<_, Option<Packed<'_>>>(21)? else { return Ok(None) };
    let params = read(&result);
    if params.is_none() {
        let id: String = row.get(0)?;
        tracing::error!(
            job_id = id,
            "what earlier attempts of the job gave cannot be read; it continues without it"
        );
    }
    Ok(params)
}

/// A row of [`COLUMNS`].
fn job(row: &Row<'_>, state: &JobState, seal: &Seal, repeated: &mut Repeated) -> rusqlite::Result<StoredJob> {
    let mut broken = None;
    let mut unreadable = |what: &str| {
        broken.get_or_insert_with(|| format!("its {what} cannot be read any more"));
    };
    let trigger_param = trigger_param(row.get(11)?, row.get(12)?, seal).unwrap_or_else(|| {
        unreadable("trigger_param");
        TriggerParam::default()
    });
    let mut params = |column: usize, what: &str| -> rusqlite::Result<Arc<Params>> {
        Ok(repeated.params(row, column)?.unwrap_or_else(|| {
            unreadable(what);
            Arc::default()
        }))
    };
    let (select_param, job_param) = (params(8, "select_param")?, params(9, "job_param")?);
    let (rerun_by, caused_by) = (repeated.actor(row, 19)?, repeated.actor(row, 20)?);
    let job = Job {
        id: name(row, 0)?,
        trigger_id: name(row, 1)?,
        router: repeated.name(row, 2)?,
        trigger: repeated.name(row, 4)?,
        selector: repeated.name(row, 5)?,
        task: repeated.name(row, 3)?,
        executor: repeated.name(row, 6)?,
        trigger_param: Arc::new(trigger_param),
        select_param,
        job_param,
        chain_depth: row.get(7)?,
        attempt: state.attempt,
        rerun: rerun_by.is_some(),
        by: rerun_by.or(caused_by),
    };
    Ok(StoredJob { job, secrets: StoredSecrets::Hidden, broken })
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::history::schema;

    #[test]
    fn what_is_read_one_by_one_is_prepared_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        drop(schema::open(&path).unwrap());
        let reader = schema::connect(&path, false).unwrap();
        let sql = format!("{COLUMNS} {ONE}");
        for id in ["a", "b", "c"] {
            assert!(!reader.prepare_cached(&sql).unwrap().exists([id]).unwrap());
        }
        let statement = reader.prepare_cached(&sql).unwrap();
        assert_eq!(statement.get_status(StatementStatus::Run), 3);
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }
}
