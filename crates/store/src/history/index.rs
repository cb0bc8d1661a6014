//! Batches of the log into the tables of the history. What happened to a job within the same step is one row, written
//! once.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;
use herald_core::activation::key_names;
use rusqlite::{Connection, OptionalExtension, Statement, Transaction, TransactionBehavior, params};

use super::decision_rows::decisions_json;
use super::id_text::IdText;
use super::job_state::{AttemptView, JobState, JobStep, StepEnd};
use super::unkept::Unkept;
use crate::journal::entry::{
    Accepted, AttemptEnd, Decided, Followed, Id, JournalEntry, Queued, millis, time,
};
use crate::journal::packed::Packed;
use crate::journal::stored_actor::StoredActor;

/// Writes what these entries say as one transaction, together with the number of the batch that is taken in next. Gives
/// the jobs that are not kept, with the number of attempts of each.
pub(crate) fn take_in(
    connection: &mut Connection,
    entries: Vec<JournalEntry<'_>>,
    next: u64,
) -> rusqlite::Result<Vec<(String, u32)>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut step = IndexStep::default();
    for entry in entries {
        step.take(entry, &transaction)?;
    }
    step.write(&transaction)?;
    let unkept = step.unkept.delete(&transaction)?;
    let next = i64::try_from(next).unwrap_or(i64::MAX);
    transaction.prepare_cached("UPDATE position SET next = ?1")?.execute([next])?;
    herald_core::failpoint!("history-before-commit");
    transaction.commit()?;
    herald_core::failpoint!("history-after-commit");
    Ok(unkept)
}

/// The number of the batch that is taken in next. A row that is missing is damage, as one that holds no such number is.
pub(crate) fn position(connection: &Connection) -> rusqlite::Result<u64> {
    let next = connection.query_row("SELECT (SELECT next FROM position)", [], |row| row.get::<_, i64>(0))?;
    u64::try_from(next).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, next))
}

/// An event of this step.
struct EventRows<'a> {
    accepted: Accepted<'a>,
    routed: Option<(i64, Vec<Decided<'a>>)>,
    /// Who or what caused it, as JSON.
    by: Option<String>,
}

/// A job that something happened to in this step, as it is at its end.
struct JobRow<'a> {
    id: Id,
    /// `None`: its row is there already.
    queued: Option<Queued<'a>>,
    state: JobState,
    /// Its result, or that of an attempt before the next one, where either ended in this step.
    result: Option<Packed<'a>>,
    /// Who ran it again, as JSON.
    by: Option<String>,
    /// Who cancelled it in this step, as JSON.
    cancelled_by: Option<String>,
}

/// An attempt that was followed by another one.
struct AttemptRow {
    job: Id,
    view: AttemptView,
}

/// Places by the ids that Herald gave, which nobody chooses to collide.
type IdMap = HashMap<Id, usize, RandomState>;

/// What is gathered before it is written.
#[derive(Default)]
struct IndexStep<'a> {
    events: Vec<EventRows<'a>>,
    event_places: IdMap,
    jobs: Vec<JobRow<'a>>,
    job_places: IdMap,
    attempts: Vec<AttemptRow>,
    positions: HashMap<Cow<'a, str>, Cow<'a, [u8]>>,
    unkept: Unkept,
}

impl<'a> IndexStep<'a> {
    /// What concerns events of earlier steps is written at once; the rest is gathered.
    fn take(&mut self, entry: JournalEntry<'a>, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        match entry {
            JournalEntry::Accepted(accepted) => self.accepted(accepted, transaction),
            JournalEntry::Routed { event, decisions, at } => self.routed(event, decisions, at, transaction),
            JournalEntry::Queued(queued) => {
                self.created(queued);
                Ok(())
            }
            JournalEntry::Started { job, attempt, at } => {
                self.apply(job, JobStep::Started { attempt, at: time(at) }, transaction)
            }
            JournalEntry::AttemptEnded { job, attempt, end, retry_at, at } => {
                let AttemptEnd { status, error, result } = end;
                let end = StepEnd { status, error: error.map(Cow::Owned), at: time(at) };
                let step = JobStep::AttemptEnded { attempt, end, retry_at: time(retry_at) };
                self.apply(job, step, transaction)?;
                self.gave(job, result, transaction)
            }
            JournalEntry::Ended { job, end, at } => self.ended(job, end, at, transaction),
            JournalEntry::Refused { job, end } => {
                let (id, at) = (job.id, job.at);
                if self.job(id, transaction)?.is_none() {
                    self.created(job);
                }
                self.ended(id, end, at, transaction)
            }
            JournalEntry::Reached(reached) => {
                self.followed(reached.into());
                Ok(())
            }
            JournalEntry::Followed(followed) => {
                self.followed(followed);
                Ok(())
            }
            rest => self.take_rest(rest, transaction),
        }
    }

    /// What belongs to the entry before.
    fn take_rest(&mut self, entry: JournalEntry<'a>, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        match entry {
            JournalEntry::JobNotKept { job } => self.unkept.job(job),
            JournalEntry::EventNotKept { event } => self.unkept.event(event),
            JournalEntry::EventBy { event, by } => {
                if let Some(found) = self.event(event) {
                    found.by = Some(actor_json(&by));
                }
            }
            JournalEntry::JobBy { job, by } => {
                if let Some(found) = self.job(job, transaction)? {
                    found.by = Some(actor_json(&by));
                }
            }
            JournalEntry::CancelledBy { job, by } => {
                if let Some(found) = self.job(job, transaction)? {
                    found.cancelled_by = Some(actor_json(&by));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn routed(
        &mut self,
        event: Id,
        decisions: Vec<Decided<'a>>,
        at: i64,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        let mut jobs = decisions.iter().filter_map(|decided| decided.job).peekable();
        // Created in an earlier step: it may be gone already.
        if jobs.peek().is_some() && jobs.all(|job| !self.job_places.contains_key(&job)) {
            self.unkept.event(event);
        }
        match self.event(event) {
            Some(found) => {
                found.routed = Some((at, decisions));
                Ok(())
            }
            None => update_routed(transaction, event, &decisions, at),
        }
    }

    fn event(&mut self, id: Id) -> Option<&mut EventRows<'a>> {
        self.event_places.get(&id).and_then(|place| self.events.get_mut(*place))
    }

    /// A job of this step, or of the history; `None` when it is not kept any more.
    fn job(&mut self, id: Id, transaction: &Transaction<'_>) -> rusqlite::Result<Option<&mut JobRow<'a>>> {
        if !self.job_places.contains_key(&id) {
            let Some(state) = state_of(transaction, id)? else { return Ok(None) };
            self.put(JobRow { id, queued: None, state, result: None, by: None, cancelled_by: None });
        }
        Ok(self.job_places.get(&id).and_then(|place| self.jobs.get_mut(*place)))
    }

    fn put(&mut self, job: JobRow<'a>) {
        self.job_places.insert(job.id, self.jobs.len());
        self.jobs.push(job);
    }

    fn accepted(
        &mut self,
        mut accepted: Accepted<'a>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        if let Some(key) = &accepted.key {
            let mut insert = transaction
                .prepare_cached("INSERT OR REPLACE INTO keys (name, event_id, until) VALUES (?1, ?2, ?3)")?;
            for name in key_names(&key.name) {
                insert.execute(params![&*name, IdText::of(accepted.id).as_str(), key.until])?;
            }
        }
        if let Some(due) = accepted.due.take() {
            self.followed(due.into());
        }
        self.event_places.insert(accepted.id, self.events.len());
        self.events.push(EventRows { accepted, routed: None, by: None });
        Ok(())
    }

    fn created(&mut self, queued: Queued<'a>) {
        let (id, state) = (queued.id, JobState::queued(queued.attempt));
        self.put(JobRow { id, queued: Some(queued), state, result: None, by: None, cancelled_by: None });
    }

    fn apply(&mut self, id: Id, step: JobStep<'_>, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        if let Some(job) = self.job(id, transaction)?
            && let Some(view) = job.state.apply(step)
        {
            self.attempts.push(AttemptRow { job: id, view });
        }
        Ok(())
    }

    /// What an attempt gave stays until the job ends: the next one may go on from it. One that gave nothing does not
    /// take away what those before it gave.
    fn gave(&mut self, id: Id, result: Packed<'a>, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let job = self.job(id, transaction)?.filter(|job| job.state.ended_at.is_none());
        if let Some(job) = job.filter(|_| result != Packed::short("{}")) {
            job.result = Some(result);
        }
        Ok(())
    }

    fn ended(
        &mut self,
        id: Id,
        end: AttemptEnd<'a>,
        at: i64,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        let Some(job) = self.job(id, transaction)? else { return Ok(()) };
        let AttemptEnd { status, error, result } = end;
        job.state
            .apply(JobStep::Ended { end: StepEnd { status, error: error.map(Cow::Owned), at: time(at) } });
        job.result = Some(result);
        Ok(())
    }

    fn followed(&mut self, followed: Followed<'a>) {
        self.positions.insert(followed.source, followed.position);
    }

    fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut insert = transaction.prepare_cached(
            "INSERT OR IGNORE INTO events (id, trigger_name, param, sealed, depth, accepted_at, routed_at, decisions,
                 actor)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        for EventRows { accepted, routed, by } in &self.events {
            let id = IdText::of(accepted.id);
            insert.execute(params![
                id.as_str(),
                accepted.trigger,
                accepted.param,
                accepted.sealed,
                accepted.depth,
                accepted.at,
                routed.as_ref().map(|(at, _)| *at),
                routed.as_ref().map(|(_, decisions)| decisions_json(decisions)),
                by,
            ])?;
        }
        let (mut insert, mut update) =
            (transaction.prepare_cached(INSERT)?, transaction.prepare_cached(UPDATE)?);
        self.jobs.iter().try_for_each(|job| job.write(&mut insert, &mut update))?;
        for AttemptRow { job, view } in &self.attempts {
            transaction.prepare_cached(ATTEMPT)?.execute(params![
                IdText::of(*job).as_str(),
                view.attempt,
                view.status,
                view.started_at.map(millis),
                view.ended_at.map(millis),
                view.error
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

impl JobRow<'_> {
    /// By the statement that creates rows, or the one that changes them.
    fn write(&self, insert: &mut Statement<'_>, update: &mut Statement<'_>) -> rusqlite::Result<()> {
        let Self { id, queued, state, result, by, cancelled_by } = self;
        let id = IdText::of(*id);
        let [started_at, ended_at, retry_at] =
            [state.started_at, state.ended_at, state.retry_at].map(|at| at.map(millis));
        let Some(queued) = queued else {
            let (status, attempt, error) = (state.status, state.attempt, &state.error);
            let values = params![
                id.as_str(),
                status,
                attempt,
                started_at,
                ended_at,
                retry_at,
                error,
                result,
                by,
                cancelled_by
            ];
            return update.execute(values).map(drop);
        };
        let Queued { event, router, task, trigger, selector, executor, depth, .. } = queued;
        let event = IdText::of(*event);
        let values = params![
            id.as_str(),
            event.as_str(),
            router,
            task,
            trigger,
            selector,
            executor,
            depth,
            queued.select_param,
            queued.job_param,
            state.status,
            state.attempt,
            queued.at,
            started_at,
            ended_at,
            retry_at,
            state.error,
            result,
            by,
            cancelled_by,
        ];
        insert.execute(values).map(drop)
    }
}

const INSERT: &str =
    "INSERT OR IGNORE INTO jobs (id, event_id, router, task, trigger_name, selector, executor, depth,
         select_param, job_param, status, attempt, queued_at, started_at, ended_at, retry_at, error, result,
         actor, cancelled_by)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";

const UPDATE: &str =
    "UPDATE jobs SET status = ?2, attempt = ?3, started_at = ?4, ended_at = ?5, retry_at = ?6, error = ?7,
                                      result = ifnull(?8, result), actor = ifnull(?9, actor),
                                      cancelled_by = ifnull(?10, cancelled_by) WHERE id = ?1";

const ATTEMPT: &str = "INSERT OR IGNORE INTO attempts (job_id, attempt, status, started_at, ended_at, error)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

fn update_routed(
    connection: &Connection,
    event: Id,
    decisions: &[Decided<'_>],
    at: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE events SET routed_at = ?2, decisions = ?3 WHERE id = ?1")?
        .execute(params![IdText::of(event).as_str(), at, decisions_json(decisions)])
        .map(drop)
}

/// How far a job of an earlier step is.
fn state_of(connection: &Connection, job: Id) -> rusqlite::Result<Option<JobState>> {
    let sql = "SELECT status, attempt, started_at, ended_at, retry_at, error FROM jobs WHERE id = ?1";
    let state = |row: &rusqlite::Row<'_>| JobState::read(row, 0);
    connection.prepare_cached(sql)?.query_row([IdText::of(job).as_str()], state).optional()
}

fn actor_json(actor: &StoredActor) -> String {
    // Texts: never fails.
    serde_json::to_string(actor).unwrap_or_default()
}
