//! What an earlier process left undone, read from the file, with its secrets resolved again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use herald_core::activation::{Activation, Name};
use herald_core::job::Job;
use herald_core::journal::{Recovered, RecoveredEvent, RecoveredJob, Standing};
use herald_core::param::Params;
use herald_core::plan::Plan;
use herald_core::secret::{MASKED, Mask};
use herald_core::trigger_param::TriggerParam;
use herald_core::workflow::{About, Route};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Value;

use super::lock::OpenError;
use super::packed::Packed;
use super::query::StoredJob;
use super::seal::Seal;
use super::store::Store;

/// What every job is read with.
const JOB: &str = "
SELECT j.id, j.event_id, j.router, j.task, j.trigger_name, j.selector, j.executor, j.depth, j.select_param, j.job_param,
       j.status, j.attempt, j.queued_at, j.retry_at, j.ended_at, e.param, e.sealed
FROM jobs j LEFT JOIN events e ON e.id = j.event_id";

impl Store {
    /// What is left to do. Call it once, before anything is appended; `plan` is what resolves secrets.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn recover(&self, plan: &Plan) -> Result<Recovered, OpenError> {
        let reader = self.reader.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let resolver = Resolver::new(plan, &self.seal);
        let unreadable = |error: rusqlite::Error| OpenError(format!("the journal cannot be read: {error}"));
        let jobs = jobs(&reader, &resolver).map_err(unreadable)?;
        let events = events(&reader, &self.seal).map_err(unreadable)?;
        Ok(Recovered { events, jobs })
    }
}

/// One job as it could run again.
pub(super) fn stored(
    reader: &Connection,
    id: &str,
    plan: &Plan,
    seal: &Seal,
) -> rusqlite::Result<Option<StoredJob>> {
    let mut statement = reader.prepare_cached(&format!("{JOB} WHERE j.id = ?1"))?;
    let resolver = Resolver::new(plan, seal);
    let found = statement.query_row([id], |row| {
        let Stored { job, broken, .. } = resolver.job(row)?;
        Ok(StoredJob { job, broken, ended: row.get::<_, Option<i64>>(14)?.is_some() })
    });
    found.optional()
}

fn jobs(reader: &Connection, resolver: &Resolver<'_>) -> rusqlite::Result<Vec<RecoveredJob>> {
    let sql = format!("{JOB} WHERE j.status IN ('queued', 'running') ORDER BY j.id");
    let mut statement = reader.prepare(&sql)?;
    let rows = statement.query_map([], |row| resolver.job(row))?;
    rows.map(|row| row.map(|stored| stored.recovered())).collect()
}

fn events(reader: &Connection, seal: &Seal) -> rusqlite::Result<Vec<RecoveredEvent>> {
    let mut statement = reader.prepare(
        "SELECT id, trigger_name, param, sealed, depth FROM events WHERE routed_at IS NULL ORDER BY id",
    )?;
    let mut made = reader.prepare("SELECT router, task FROM jobs WHERE event_id = ?1")?;
    let mut rows = statement.query([])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let event_id: String = row.get(0)?;
        let pair = |row: &Row<'_>| Ok((name(row, 0)?, name(row, 1)?));
        let made = made.query_map([&event_id], pair)?.collect::<Result<HashSet<_>, _>>()?;
        let param = trigger_param(row.get(2)?, row.get(3)?, seal).unwrap_or_else(|| {
            tracing::error!(
                "what its trigger told of event {event_id} cannot be read any more; it goes on without"
            );
            TriggerParam::default()
        });
        let activation = Activation {
            event_id: event_id.into(),
            trigger: name(row, 1)?,
            trigger_param: Arc::new(param),
            chain_depth: row.get(4)?,
        };
        events.push(RecoveredEvent { activation, made });
    }
    Ok(events)
}

/// One event as its trigger told it, if it is known and can be read.
pub(super) fn told(reader: &Connection, id: &str, seal: &Seal) -> rusqlite::Result<Option<Activation>> {
    let row = |row: &Row<'_>| {
        let param = trigger_param(row.get(2)?, row.get(3)?, seal);
        let (event_id, trigger, chain_depth) = (name(row, 0)?, name(row, 1)?, row.get(4)?);
        Ok(param.map(|param| Activation { event_id, trigger, trigger_param: Arc::new(param), chain_depth }))
    };
    let sql = "SELECT id, trigger_name, param, sealed, depth FROM events WHERE id = ?1";
    Ok(reader.prepare_cached(sql)?.query_row([id], row).optional()?.flatten())
}

fn name(row: &Row<'_>, column: usize) -> rusqlite::Result<Name> {
    row.get::<_, String>(column).map(Name::from)
}

/// What its trigger told, with its secrets. `None`: it cannot be read.
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

/// A job as it was stored.
struct Stored {
    job: Job,
    broken: Option<String>,
    running: bool,
    retry_at: Option<i64>,
    queued_at: i64,
}

impl Stored {
    fn recovered(self) -> RecoveredJob {
        let time = |at: i64| Timestamp::from_millisecond(at).ok();
        let standing = if self.running {
            Standing::Running
        } else {
            Standing::Queued { not_before: self.retry_at.and_then(time) }
        };
        let queued_at = time(self.queued_at).unwrap_or_default();
        RecoveredJob { job: self.job, standing, broken: self.broken, queued_at }
    }
}

/// Resolves the secrets of stored jobs from the configuration of today.
struct Resolver<'a> {
    routes: HashMap<(Name, Name), Arc<Route>>,
    mask: &'a Arc<Mask>,
    seal: &'a Seal,
}

impl<'a> Resolver<'a> {
    fn new(plan: &'a Plan, seal: &'a Seal) -> Self {
        let key = |route: &Arc<Route>| ((route.router.clone(), route.task.clone()), route.clone());
        Self { routes: plan.workflow.all().map(key).collect(), mask: &plan.mask, seal }
    }

    /// A row of [`JOB`].
    fn job(&self, row: &Row<'_>) -> rusqlite::Result<Stored> {
        let (router, task) = (name(row, 2)?, name(row, 3)?);
        let route = self.routes.get(&(router.clone(), task.clone()));
        let mut broken = None;
        let trigger_param = trigger_param(row.get(15)?, row.get(16)?, self.seal).unwrap_or_else(|| {
            broken.get_or_insert_with(|| "what its trigger told cannot be read any more".to_owned());
            TriggerParam::default()
        });
        let (id, event_id, trigger_param) = (name(row, 0)?, name(row, 1)?, Arc::new(trigger_param));
        let about = About { event_id: &event_id, trigger_param: &trigger_param, chain_depth: row.get(7)? };
        let today = route.map(|route| self.today(route, about, &id));
        let mask = today.as_ref().map_or(self.mask, |today| &today.mask);
        let mut params = |column: usize, now: Option<&Arc<Params>>, what: &str| -> rusqlite::Result<_> {
            let Some(stored) = read(&row.get(column)?) else {
                broken.get_or_insert_with(|| format!("its {what} cannot be read any more"));
                return Ok(Arc::default());
            };
            Ok(Filling { mask }.resolve(stored, now).unwrap_or_else(|(params, at)| {
                broken.get_or_insert_with(|| {
                    format!(
                        "the secret at {what}/{at} of router \"{router}\", task \"{task}\" is not in the configuration \
                         any more; run the event again"
                    )
                });
                Arc::new(params)
            }))
        };
        let select_param = params(8, today.as_ref().map(|today| &today.select_param), "select_param")?;
        let job_param = params(9, today.as_ref().map(|today| &today.job_param), "job_param")?;
        let job = Job {
            id,
            trigger_id: event_id.clone(),
            router: router.clone(),
            trigger: name(row, 4)?,
            selector: name(row, 5)?,
            task: task.clone(),
            executor: name(row, 6)?,
            trigger_param: trigger_param.clone(),
            select_param,
            job_param,
            chain_depth: row.get(7)?,
            attempt: row.get(11)?,
        };
        let running = row.get::<_, String>(10)? == "running";
        Ok(Stored { job, broken, running, retry_at: row.get(13)?, queued_at: row.get(12)? })
    }

    /// What the configuration of today says of a job, its templates filled in once more.
    fn today(&self, route: &Route, about: About<'_>, job_id: &Name) -> Today {
        let mut today = Today {
            select_param: route.select_param.clone(),
            job_param: route.job_param.clone(),
            mask: self.mask.clone(),
        };
        let Some(templates) = &route.templates else { return today };
        today.mask = Arc::new(about.trigger_param.with_secrets(self.mask));
        // What cannot be filled in any more is not what was stored.
        let select = templates.select_param.as_ref();
        if let Some(Ok(filled)) = select.map(|template| template.render(&route.select_scope(about))) {
            today.select_param = Arc::new(filled);
        }
        let scope = || route.job_scope(about, job_id, &today.select_param);
        if let Some(Ok(filled)) = templates.job_param.as_ref().map(|template| template.render(&scope())) {
            today.job_param = Arc::new(filled);
        }
        today
    }
}

/// What the configuration of today says of a job.
struct Today {
    select_param: Arc<Params>,
    job_param: Arc<Params>,
    mask: Arc<Mask>,
}

/// Fills secrets in where they are hidden.
struct Filling<'a> {
    mask: &'a Mask,
}

impl Filling<'_> {
    /// Stored parameters with the secrets of today's configuration; or, with the place of the first secret that is
    /// not there any more, as they are.
    fn resolve(&self, stored: Params, now: Option<&Arc<Params>>) -> Result<Arc<Params>, (Params, String)> {
        if let Some(now) = now
            && self.mask.params(now) == stored
        {
            return Ok(now.clone());
        }
        let mut resolved = stored.clone();
        let empty = Params::new();
        let now = now.map_or(&empty, |now| now.as_ref());
        match self.fill_map(&mut resolved, now) {
            Ok(()) => Ok(Arc::new(resolved)),
            Err(at) => Err((stored, at)),
        }
    }

    fn fill_map(&self, stored: &mut Params, now: &Params) -> Result<(), String> {
        for (key, value) in stored.iter_mut() {
            let name = herald_core::secret::is_secret_name(key);
            let today = now.get(key);
            if name && value.as_str() == Some(MASKED) {
                *value = today.cloned().ok_or_else(|| key.clone())?;
            } else {
                self.fill(value, today).map_err(|at| format!("{key}{at}"))?;
            }
        }
        Ok(())
    }

    fn fill(&self, stored: &mut Value, now: Option<&Value>) -> Result<(), String> {
        match stored {
            Value::String(text) if text.contains(MASKED) => match now {
                Some(now) if self.mask.value(now) == Value::String(text.clone()) => *stored = now.clone(),
                _ => return Err(String::new()),
            },
            Value::Array(list) => {
                for (n, item) in list.iter_mut().enumerate() {
                    let now = now.and_then(|now| now.get(n));
                    self.fill(item, now).map_err(|at| format!("/{n}{at}"))?;
                }
            }
            Value::Object(map) => {
                let empty = Params::new();
                let now = now.and_then(Value::as_object).unwrap_or(&empty);
                self.fill_map(map, now).map_err(|at| format!("/{at}"))?;
            }
            _ => {}
        }
        Ok(())
    }
}
