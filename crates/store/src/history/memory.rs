//! The latest jobs and events in memory: the history of a daemon that keeps nothing else (`state_dir: none`).

mod kept;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::activation::{Activation, Name};
use herald_core::actor::Actor;
use herald_core::job::Job;
use herald_core::journal::{Decision, Journal, JournalError, Record, Records, StoredJob, StoredSecrets};
use herald_core::param::{Params, rough_size};
use herald_core::secret::Mask;
use herald_core::watch::EventProgress;
use jiff::Timestamp;

use kept::Kept;

use super::event_list::{EventPage, EventQuery, EventSummaryView, routers_of};
use super::job_samples::{JobSamples, SampleQuery};
use super::job_search::JobCounts;
use super::job_state::{AttemptView, JobState, JobStep, whole_millis};
use super::job_times::{JobTimes, JobTimesQuery};
use super::lookup::{FoundId, IdKind, IdLookup, WantedId, newest_first};
use super::progress::progress_of;
use super::query::{FoundJob, History, HistoryError, JobQuery, is_id};
use super::results::{ResultCollector, ResultPage, ResultQuery, ValueRoot};
use super::search_page::search;
use super::view::{EventView, JobPage, JobSummaryView, JobView};

mod times;

/// What an entry takes beside its parameters, and what each attempt and decision does.
const ENTRY: usize = 1024;
const PART: usize = 256;

/// The latest jobs and events. The oldest go first, also those that have not ended.
#[derive(Default)]
pub struct MemoryHistory {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    jobs: Kept<KeptJob>,
    events: Kept<KeptEvent>,
}

#[derive(Clone)]
struct KeptEvent {
    /// Holds secrets.
    activation: Activation,
    mask: Arc<Mask>,
    accepted_at: Timestamp,
    routed_at: Option<Timestamp>,
    decisions: Vec<Decision>,
    /// Whether a job of it ended and is not kept.
    has_unkept: bool,
}

#[derive(Clone)]
struct KeptJob {
    /// As it could run again. Holds secrets.
    job: Arc<Job>,
    mask: Arc<Mask>,
    queued_at: Timestamp,
    state: JobState,
    /// Those that were followed by another one.
    attempts: Vec<AttemptView>,
    result: Option<Params>,
    cancelled_by: Option<Arc<Actor>>,
}

impl KeptEvent {
    fn summary(&self) -> EventSummaryView {
        EventSummaryView {
            id: self.activation.event_id.clone(),
            trigger: self.activation.trigger.clone(),
            chain_depth: self.activation.chain_depth,
            accepted_at: self.accepted_at,
            routed_at: self.routed_at,
            routers: routers_of(&self.decisions),
        }
    }

    fn view(self) -> EventView {
        EventView {
            trigger_param: self.mask.params(&self.activation.trigger_param),
            id: self.activation.event_id,
            trigger: self.activation.trigger,
            chain_depth: self.activation.chain_depth,
            accepted_at: self.accepted_at,
            routed_at: self.routed_at,
            decisions: self.decisions,
            by: self.activation.by.map(|by| by.masked(&self.mask)),
        }
    }
}

impl KeptJob {
    /// Whether a question asks for it, wherever its pages begin.
    fn is_wanted(&self, query: &JobQuery) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        query.since.is_none_or(|since| self.queued_at >= since)
            && query.until.is_none_or(|until| self.queued_at < until)
            && fits(&query.router, &self.job.router)
            && fits(&query.task, &self.job.task)
            && fits(&query.trigger, &self.job.trigger)
            && fits(&query.event, &self.job.trigger_id)
            && (query.status.is_empty() || query.status.contains(&self.state.status))
    }

    fn summary(&self) -> JobSummaryView {
        let job = &self.job;
        JobSummaryView {
            id: job.id.clone(),
            event_id: job.trigger_id.clone(),
            router: job.router.clone(),
            task: job.task.clone(),
            trigger: job.trigger.clone(),
            executor: job.executor.clone(),
            chain_depth: job.chain_depth,
            queued_at: self.queued_at,
            first_started_at: self.attempts.iter().filter_map(|attempt| attempt.started_at).min(),
            state: self.state.clone(),
        }
    }

    /// What a record changes of it. Returns by how many bytes it grows.
    fn step(&mut self, record: &Record) -> usize {
        let Some((_, step)) = JobStep::of(record) else { return 0 };
        let Some(over) = self.state.apply(step) else { return 0 };
        let size = PART + over.error.as_ref().map_or(0, String::len);
        self.attempts.push(over);
        size
    }

    fn part(&self, part: ValueRoot) -> Params {
        match part {
            ValueRoot::State => Params::new(),
            ValueRoot::TriggerParam => self.mask.params(&self.job.trigger_param),
            ValueRoot::SelectParam => self.mask.params(&self.job.select_param),
            ValueRoot::JobParam => self.mask.params(&self.job.job_param),
            ValueRoot::Result => self.result.clone().unwrap_or_default(),
        }
    }

    fn view(self) -> JobView {
        JobView {
            summary: self.summary(),
            selector: self.job.selector.clone(),
            trigger_param: self.mask.params(&self.job.trigger_param),
            select_param: self.mask.params(&self.job.select_param),
            job_param: self.mask.params(&self.job.job_param),
            result: self.result,
            attempts: self.attempts.into_iter().chain(self.state.latest_attempt()).collect(),
            by: self.job.by.as_ref().map(|by| by.masked(&self.mask)),
            cancelled_by: self.cancelled_by.map(|by| by.masked(&self.mask)),
        }
    }
}

impl MemoryHistory {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for MemoryHistory {
    async fn append(&self, records: &Records) -> Result<(), JournalError> {
        let mut inside = self.inside();
        records.iter().for_each(|record| inside.take(record));
        Ok(())
    }

    async fn progress(&self, event_id: &str) -> EventProgress {
        progress_of(self, event_id).await
    }
}

impl Inside {
    fn take(&mut self, record: &Record) {
        match record {
            Record::Accepted { activation, mask, at, .. } => {
                let size = ENTRY + activation.trigger_param.size();
                let (activation, mask) = (activation.clone(), mask.clone());
                let (id, accepted_at) = (activation.event_id.clone(), whole_millis(*at));
                let (routed_at, decisions) = (None, Vec::new());
                let has_unkept = false;
                let event = KeptEvent { activation, mask, accepted_at, routed_at, decisions, has_unkept };
                self.events.put(&id, event, size);
            }
            Record::Routed { event_id, decisions, kept, at } => {
                let mut has_unkept = !kept;
                self.events.change(event_id, |event| {
                    event.routed_at = Some(whole_millis(*at));
                    event.decisions.clone_from(decisions);
                    has_unkept |= event.has_unkept;
                    decisions.iter().map(|decision| PART + decision.why.len()).sum()
                });
                if has_unkept {
                    self.remove_event_without_jobs(event_id);
                }
            }
            Record::Queued { job, mask, at } => self.queued(job, mask, *at),
            Record::Ended { job, kept: false, .. } => {
                self.jobs.remove(&job.id);
                self.events.change(&job.trigger_id, |event| {
                    event.has_unkept = true;
                    0
                });
                self.remove_event_without_jobs(&job.trigger_id);
            }
            Record::Ended { job, mask, verdict, cancelled_by, at, .. } => {
                let ended = |kept: &mut KeptJob| {
                    kept.result = Some(verdict.result.clone());
                    kept.cancelled_by.clone_from(cancelled_by);
                    kept.step(record) + PART + rough_size(&verdict.result)
                };
                if !self.jobs.change(&job.id, ended) {
                    // It was refused before it was queued, or is as old as those that are not kept any more.
                    self.queued(job, mask, *at);
                    self.jobs.change(&job.id, ended);
                }
            }
            Record::Started { job, .. } | Record::AttemptEnded { job, .. } => {
                self.jobs.change(&job.id, |kept| kept.step(record));
            }
            Record::Reached(_) => {}
        }
    }

    /// An event of which no job is kept goes as well.
    fn remove_event_without_jobs(&mut self, id: &Name) {
        let has_job = self.jobs.values().any(|kept| kept.job.trigger_id == *id);
        if !has_job && self.events.get(id).is_some_and(|event| event.routed_at.is_some()) {
            self.events.remove(id);
        }
    }

    fn ids(&self, lookup: &IdLookup) -> Vec<FoundId> {
        let of_job = |kept: &KeptJob| match lookup.kind {
            IdKind::Job => FoundId { id: kept.job.id.clone(), job: None },
            IdKind::Event => FoundId { id: kept.job.trigger_id.clone(), job: Some(kept.job.id.clone()) },
        };
        let mut jobs = self.jobs.values().rev();
        let events = self.events.ids().rev().filter(|_| lookup.kind == IdKind::Event);
        let mut events = events.map(|id| FoundId { id: id.clone(), job: None });
        match &lookup.wanted {
            WantedId::Latest { router: None } if lookup.kind == IdKind::Event => {
                events.next().into_iter().collect()
            }
            WantedId::Latest { router } => {
                let latest =
                    jobs.find(|kept| router.as_deref().is_none_or(|router| *kept.job.router == *router));
                latest.map(of_job).into_iter().collect()
            }
            WantedId::Part(part) => {
                let jobs = jobs.filter(|kept| part.is_in(&kept.job.id)).map(of_job);
                newest_first(jobs.chain(events.filter(|found| part.is_in(&found.id))).collect())
            }
        }
    }

    fn queued(&mut self, job: &Arc<Job>, mask: &Arc<Mask>, at: Timestamp) {
        let size =
            ENTRY + job.trigger_param.size() + rough_size(&job.select_param) + rough_size(&job.job_param);
        let kept = KeptJob {
            job: job.clone(),
            mask: mask.clone(),
            queued_at: whole_millis(at),
            state: JobState::queued(job.attempt),
            attempts: Vec::new(),
            result: None,
            cancelled_by: None,
        };
        self.jobs.put(&job.id, kept, size);
    }
}

impl MemoryHistory {
    fn page(&self, query: &JobQuery) -> JobPage {
        let cursor = query.cursor.as_deref();
        let inside = self.inside();
        let newest_first = inside.jobs.values().rev();
        let mut jobs: Vec<JobSummaryView> = newest_first
            .filter(|kept| cursor.is_none_or(|cursor| &*kept.job.id < cursor))
            .filter(|kept| kept.is_wanted(query))
            .take(query.limit.saturating_add(1))
            .map(KeptJob::summary)
            .collect();
        let more = jobs.len() > query.limit;
        jobs.truncate(query.limit);
        let next_cursor = jobs.last().filter(|_| more).map(|last| last.id.clone());
        JobPage { jobs, next_cursor }
    }
}

#[async_trait]
impl History for MemoryHistory {
    async fn jobs(&self, query: JobQuery) -> Result<JobPage, HistoryError> {
        if !query.has_valid_cursor() {
            return Err(HistoryError::Cursor);
        }
        if !query.search.is_empty() {
            let one = |id: &str| Ok(self.inside().jobs.get(id).cloned().map(KeptJob::view));
            return search(&query, |query| Ok(self.page(query)), one);
        }
        Ok(self.page(&query))
    }

    async fn job_counts(&self, query: JobQuery) -> Result<JobCounts, HistoryError> {
        let mut counts = JobCounts::new();
        for kept in self.inside().jobs.values().filter(|kept| kept.is_wanted(&query)) {
            *counts.entry(kept.state.status.as_str()).or_default() += 1;
        }
        Ok(counts)
    }

    async fn job(&self, id: &str) -> Result<Option<JobView>, HistoryError> {
        let kept = self.inside().jobs.get(id).cloned();
        Ok(kept.map(KeptJob::view))
    }

    async fn events(&self, query: EventQuery) -> Result<EventPage, HistoryError> {
        if !query.cursor.as_deref().is_none_or(is_id) {
            return Err(HistoryError::Cursor);
        }
        let inside = self.inside();
        let newest_first = inside.events.values().rev().map(KeptEvent::summary);
        let before =
            |event: &EventSummaryView| query.cursor.as_deref().is_none_or(|cursor| &*event.id < cursor);
        let wanted = newest_first.filter(|event| before(event) && event.is_wanted(&query));
        Ok(EventPage::of(wanted.take(query.limit.saturating_add(1)).collect(), query.limit))
    }

    async fn event(&self, id: &str) -> Result<Option<EventView>, HistoryError> {
        let kept = self.inside().events.get(id).cloned();
        Ok(kept.map(KeptEvent::view))
    }

    async fn activation(&self, id: &str) -> Result<Option<Activation>, HistoryError> {
        Ok(self.inside().events.get(id).map(|kept| kept.activation.clone()))
    }

    async fn results(&self, query: ResultQuery) -> Result<ResultPage, HistoryError> {
        if !query.cursor.as_deref().is_none_or(is_id) {
            return Err(HistoryError::Cursor);
        }
        let cursor = query.cursor.as_deref();
        let inside = self.inside();
        let newest_first = inside.jobs.values().rev();
        let mut collector = ResultCollector::new(&query);
        newest_first
            .filter(|kept| *kept.job.router == *query.router)
            .filter(|kept| cursor.is_none_or(|cursor| &*kept.job.id < cursor))
            .all(|kept| collector.take(&kept.summary(), kept.part(query.part())));
        Ok(collector.into_page())
    }

    async fn ids(&self, lookup: IdLookup) -> Result<Vec<FoundId>, HistoryError> {
        Ok(self.inside().ids(&lookup))
    }

    async fn job_times(&self, query: JobTimesQuery) -> Result<JobTimes, HistoryError> {
        Ok(self.inside().job_times(&query))
    }

    async fn job_samples(&self, query: SampleQuery) -> Result<JobSamples, HistoryError> {
        Ok(self.inside().job_samples(&query))
    }

    async fn usual_lengths(&self, routers: Vec<Name>) -> Result<Vec<Option<Duration>>, HistoryError> {
        let inside = self.inside();
        Ok(routers.iter().map(|router| inside.usual_length(router)).collect())
    }

    async fn stored(&self, id: &str) -> Result<Option<FoundJob>, HistoryError> {
        Ok(self.inside().jobs.get(id).map(|kept| {
            let job = Job::clone(&kept.job);
            let stored = StoredJob { job, secrets: StoredSecrets::Present, broken: None };
            FoundJob { stored, ended: kept.state.ended_at.is_some() }
        }))
    }
}

#[cfg(test)]
mod tests;
