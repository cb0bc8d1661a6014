//! The latest jobs and events in memory: the history of a daemon that keeps nothing else (`state_dir: none`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use herald_core::activation::{Activation, Name};
use herald_core::job::Job;
use herald_core::journal::{Decision, Journal, JournalError, Record, Records, SelectorResult};
use herald_core::lifecycle::Verdict;
use herald_core::param::{Params, rough_size};
use herald_core::plan::Plan;
use herald_core::secret::Mask;
use jiff::Timestamp;

use crate::journal::{History, HistoryError, JobQuery, StoredJob};
use crate::api::model;

/// The most jobs, and the most events, that are kept; and the most bytes of each, counted roughly.
const MOST: usize = 1000;
const BYTES: usize = 8 << 20;
/// What an entry takes beside its parameters, and what each attempt and decision does.
const ENTRY: usize = 1024;
const PART: usize = 256;

/// The latest jobs and events. The oldest go first, whatever became of them.
#[derive(Default)]
pub struct Recent {
    inside: Mutex<Inside>,
    wanted: AtomicBool,
}

#[derive(Default)]
struct Inside {
    jobs: Kept<KeptJob>,
    events: Kept<KeptEvent>,
}

#[derive(Clone)]
struct KeptEvent {
    /// Without its parameters, which are made when somebody asks for them.
    shown: model::Event,
    /// Holds secrets.
    activation: Activation,
    mask: Arc<Mask>,
}

#[derive(Clone)]
struct KeptJob {
    /// Without its parameters.
    shown: model::Job,
    queued_at: Timestamp,
    /// As it could run again. Holds secrets.
    job: Arc<Job>,
    mask: Arc<Mask>,
}

impl KeptEvent {
    fn show(self) -> model::Event {
        let trigger_param = self.mask.params(&self.activation.trigger_param);
        model::Event { trigger_param, ..self.shown }
    }
}

impl KeptJob {
    fn show(self) -> model::Job {
        model::Job {
            trigger_param: self.mask.params(&self.job.trigger_param),
            select_param: self.mask.params(&self.job.select_param),
            job_param: self.mask.params(&self.job.job_param),
            ..self.shown
        }
    }
}

/// Entries by id; ids ascend with time.
struct Kept<T> {
    entries: BTreeMap<Name, (T, usize)>,
    bytes: usize,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), bytes: 0 }
    }
}

impl<T> Kept<T> {
    fn put(&mut self, id: &Name, entry: T, size: usize) {
        if let Some((_, before)) = self.entries.insert(id.clone(), (entry, size)) {
            self.bytes -= before;
        }
        self.bytes += size;
        self.trim();
    }

    fn get(&self, id: &str) -> Option<&T> {
        self.entries.get(id).map(|(entry, _)| entry)
    }

    /// Changes an entry, which gives by how many bytes it grows.
    fn change(&mut self, id: &str, change: impl FnOnce(&mut T) -> usize) {
        if let Some((entry, size)) = self.entries.get_mut(id) {
            let more = change(entry);
            *size += more;
            self.bytes += more;
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.entries.len() > MOST || self.bytes > BYTES {
            let Some((_, (_, size))) = self.entries.pop_first() else { return };
            self.bytes -= size;
        }
    }
}

impl Recent {
    /// Keeps what is recorded from now on. Until then nothing is: without an API there is nobody to ask for it, and
    /// it costs about a fifth of the events that can be taken.
    pub fn begin(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for Recent {
    async fn append(&self, records: &Records) -> Result<(), JournalError> {
        if !self.wanted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut inside = self.inside();
        records.iter().for_each(|record| inside.take(record));
        Ok(())
    }
}

impl Inside {
    fn take(&mut self, record: &Record) {
        match record {
            Record::Accepted { activation, mask, at, .. } => {
                let size = ENTRY + activation.trigger_param.size();
                let event = model::Event {
                    id: activation.event_id.to_string(),
                    trigger: activation.trigger.to_string(),
                    trigger_param: Params::new(),
                    chain_depth: activation.chain_depth,
                    accepted_at: shown(*at),
                    routed_at: None,
                    decisions: Vec::new(),
                };
                let kept = KeptEvent { shown: event, activation: activation.clone(), mask: mask.clone() };
                self.events.put(&activation.event_id, kept, size);
            }
            Record::Routed { event_id, decisions, at } => self.events.change(event_id, |kept| {
                let event = &mut kept.shown;
                event.routed_at = Some(shown(*at));
                event.decisions = decisions.iter().map(decision).collect();
                decisions.iter().map(|decision| PART + decision.why.len()).sum()
            }),
            Record::Queued { job, mask, at } => self.queued(job, mask, *at),
            Record::Started { job, at } => self.jobs.change(&job.id, |kept| started(kept, job, *at)),
            Record::AttemptEnded { job, verdict, retry_at, at } => self.jobs.change(&job.id, |kept| {
                attempt_ended(kept, job, verdict, *at);
                let summary = &mut kept.shown.summary;
                summary.status = "queued".to_owned();
                summary.attempt = job.attempt.saturating_add(1);
                summary.started_at = None;
                kept.shown.retry_at = Some(shown(*retry_at));
                PART
            }),
            Record::Ended { job, mask, verdict, at } => {
                if self.jobs.get(&job.id).is_none() {
                    // It was refused before it was queued, or is as old as those that are not kept any more.
                    self.queued(job, mask, *at);
                }
                self.jobs.change(&job.id, |kept| ended(kept, job, verdict, *at));
            }
            Record::Reached(_) => {}
        }
    }

    fn queued(&mut self, job: &Arc<Job>, mask: &Arc<Mask>, at: Timestamp) {
        let shown = model::Job {
            summary: model::JobSummary {
                id: job.id.to_string(),
                event_id: job.trigger_id.to_string(),
                router: job.router.to_string(),
                task: job.task.to_string(),
                trigger: job.trigger.to_string(),
                executor: job.executor.to_string(),
                status: "queued".to_owned(),
                attempt: job.attempt,
                chain_depth: job.chain_depth,
                queued_at: shown(at),
                started_at: None,
                ended_at: None,
                error: None,
            },
            selector: job.selector.to_string(),
            trigger_param: Params::new(),
            select_param: Params::new(),
            job_param: Params::new(),
            result: None,
            retry_at: None,
            attempts: Vec::new(),
        };
        let size =
            ENTRY + job.trigger_param.size() + rough_size(&job.select_param) + rough_size(&job.job_param);
        let kept = KeptJob { shown, queued_at: at, job: job.clone(), mask: mask.clone() };
        self.jobs.put(&job.id, kept, size);
    }
}

fn started(kept: &mut KeptJob, job: &Job, at: Timestamp) -> usize {
    let summary = &mut kept.shown.summary;
    summary.status = "running".to_owned();
    summary.attempt = job.attempt;
    summary.started_at = Some(shown(at));
    kept.shown.retry_at = None;
    kept.shown.attempts.push(model::Attempt {
        attempt: job.attempt,
        status: "running".to_owned(),
        started_at: shown(at),
        ended_at: None,
        error: None,
    });
    PART
}

fn attempt_ended(kept: &mut KeptJob, job: &Job, verdict: &Verdict, at: Timestamp) {
    if let Some(attempt) = kept.shown.attempts.last_mut().filter(|last| last.attempt == job.attempt) {
        attempt.status = verdict.status.as_str().to_owned();
        attempt.ended_at = Some(shown(at));
        attempt.error.clone_from(&verdict.error);
    }
}

fn ended(kept: &mut KeptJob, job: &Job, verdict: &Verdict, at: Timestamp) -> usize {
    attempt_ended(kept, job, verdict, at);
    let summary = &mut kept.shown.summary;
    summary.status = verdict.status.as_str().to_owned();
    summary.ended_at = Some(shown(at));
    summary.error.clone_from(&verdict.error);
    kept.shown.retry_at = None;
    kept.shown.result = Some(verdict.result.clone());
    PART + rough_size(&verdict.result)
}

fn decision(decision: &Decision) -> model::Decision {
    let answer = match decision.said {
        SelectorResult::Match => "yes",
        SelectorResult::NoMatch => "no",
        SelectorResult::Error => "error",
    };
    model::Decision {
        router: decision.router.to_string(),
        task: decision.task.to_string(),
        selector: decision.selector.to_string(),
        answer: answer.to_owned(),
        why: decision.why.clone().into_owned(),
        job_id: decision.job_id.as_ref().map(ToString::to_string),
    }
}

/// To the millisecond, as the journal on disk keeps times.
fn shown(at: Timestamp) -> String {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at).to_string()
}

#[async_trait]
impl History for Recent {
    async fn jobs(&self, query: JobQuery) -> Result<model::Page<model::JobSummary>, HistoryError> {
        let cursor = query.cursor.as_deref();
        let is_id = |text: &str| text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if cursor.is_some_and(|cursor| !is_id(cursor)) {
            return Err(HistoryError::Cursor);
        }
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let inside = self.inside();
        let newest_first = inside.jobs.entries.values().rev().map(|(kept, _)| kept);
        let mut items: Vec<model::JobSummary> = newest_first
            .filter(|kept| query.since.is_none_or(|since| kept.queued_at >= since))
            .map(|kept| &kept.shown.summary)
            .filter(|job| cursor.is_none_or(|cursor| job.id.as_str() < cursor))
            .filter(|job| fits(&query.router, &job.router) && fits(&query.task, &job.task))
            .filter(|job| fits(&query.status, &job.status))
            .take(query.limit.saturating_add(1))
            .cloned()
            .collect();
        let more = items.len() > query.limit;
        items.truncate(query.limit);
        let next_cursor = items.last().filter(|_| more).map(|last| last.id.clone());
        Ok(model::Page { items, next_cursor })
    }

    async fn job(&self, id: &str) -> Result<Option<model::Job>, HistoryError> {
        let kept = self.inside().jobs.get(id).cloned();
        Ok(kept.map(KeptJob::show))
    }

    async fn event(&self, id: &str) -> Result<Option<model::Event>, HistoryError> {
        let kept = self.inside().events.get(id).cloned();
        Ok(kept.map(KeptEvent::show))
    }

    async fn told(&self, id: &str) -> Result<Option<Activation>, HistoryError> {
        Ok(self.inside().events.get(id).map(|kept| kept.activation.clone()))
    }

    async fn stored(&self, id: &str, _: Arc<Plan>) -> Result<Option<StoredJob>, HistoryError> {
        Ok(self.inside().jobs.get(id).map(|kept| StoredJob {
            job: Job::clone(&kept.job),
            broken: None,
            ended: kept.shown.summary.ended_at.is_some(),
        }))
    }
}

#[cfg(test)]
mod tests;
