//! The jobs that live, the queue, and how much of everything there is.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::pool::Pools;
use super::timer::{Tick, Timers};
use crate::component::executor::{Executor, Stop};
use crate::event::activation::Name;
use crate::event::actor::Actor;
use crate::job::Job;
use crate::job::lifecycle::State;
use crate::job::policy::Policy;
use crate::journal::Decision;
use crate::plan::Limits;
use crate::value::secret::Mask;

/// A job that lives.
pub(super) struct Entry {
    /// The job, with the number of its attempt, or of the next one.
    pub(super) job: Arc<Job>,
    pub(super) state: State,
    pub(super) executor: Arc<dyn Executor>,
    /// What hides its secrets.
    pub(super) mask: Arc<Mask>,
    pub(super) policy: Arc<Policy>,
    /// The pool that it shares, when its policy speaks of one.
    pub(super) pool: Option<Name>,
    pub(super) stop: Stop,
    /// Rough bytes of its parameters.
    pub(super) size: usize,
    pub(super) place: Place,
    /// An earlier process started this attempt: it is resumed, not started.
    pub(super) resumed: bool,
    /// Why it cannot be run at all.
    pub(super) broken: Option<String>,
    /// How long it is going to wait for its next attempt.
    pub(super) retry_wait: Option<Duration>,
    /// When it was created.
    pub(super) queued_at: Timestamp,
    /// When its latest attempt started.
    pub(super) started_at: Option<Timestamp>,
    /// How many attempts were started.
    pub(super) attempts: u32,
    /// Who wants it to end, where that is known.
    pub(super) cancelled_by: Option<Arc<Actor>>,
}

/// Where a job is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In none of the queues.
    Nowhere,
    /// In its lane: only `max_jobs` keeps it.
    Lane,
    /// Its pool is full.
    Pool,
    /// Its time has not come.
    Timer(Tick),
    /// Its debounce is not over.
    Debounce(Tick),
    /// It runs.
    Running,
}

/// A job as another module makes it.
pub(super) struct NewEntry {
    pub(super) job: Job,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) mask: Arc<Mask>,
    pub(super) policy: Arc<Policy>,
    pub(super) state: State,
    pub(super) queued_at: Timestamp,
}

impl Entry {
    pub(super) fn new(new: NewEntry) -> Self {
        let NewEntry { job, executor, mask, policy, state, queued_at } = new;
        Self {
            pool: pool_of(&policy, &job),
            size: job.trigger_param.size(),
            job: Arc::new(job),
            state,
            executor,
            mask,
            policy,
            stop: Stop::new(),
            place: Place::Nowhere,
            resumed: false,
            broken: None,
            retry_wait: None,
            queued_at,
            started_at: None,
            attempts: 0,
            cancelled_by: None,
        }
    }
}

/// An event of which selectors have still to answer.
struct Routing {
    to_come: usize,
    decisions: Vec<Decision>,
    size: usize,
    from: Origin,
}

/// Where work comes from. Each origin has its own queue and its own bounds, and they take turns: a chain neither dies
/// because the outside fills the queue, nor shuts the outside out by growing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A trigger.
    Outside,
    /// The end of another job.
    Chain,
}

impl Origin {
    pub(super) fn of(chain_depth: u32) -> Self {
        if chain_depth == 0 { Self::Outside } else { Self::Chain }
    }
}

/// What waits from one origin.
#[derive(Default)]
struct Lane {
    /// Jobs that start as soon as there is a place.
    queue: VecDeque<Name>,
    /// All jobs that wait, wherever.
    waiting: usize,
    /// Events of which selectors have still to answer.
    routing: usize,
    bytes: usize,
}

impl Lane {
    fn has_room(&self, limits: &Limits, more: usize) -> bool {
        self.waiting + self.routing + more < limits.max_queue && self.bytes < limits.max_queue_bytes
    }
}

/// Everything that waits and runs.
#[derive(Default)]
pub(super) struct Board {
    pub(super) jobs: HashMap<Name, Entry>,
    pub(super) running: usize,
    pub(super) pools: Pools,
    pub(super) timers: Timers,
    routing: HashMap<Name, Routing>,
    outside: Lane,
    chain: Lane,
    /// Whose turn it is when both wait.
    chain_is_next: bool,
    /// Jobs that wait, of tasks that bound them.
    waiting_of: HashMap<(Name, Name), usize>,
}

impl Board {
    fn lane(&mut self, from: Origin) -> &mut Lane {
        match from {
            Origin::Outside => &mut self.outside,
            Origin::Chain => &mut self.chain,
        }
    }

    /// A job begins to wait.
    pub(super) fn begin_wait(&mut self, id: &Name) {
        self.count(id, |lane, size| {
            lane.waiting += 1;
            lane.bytes += size;
        });
        if let Some(count) = self.bounded_task(id) {
            *self.waiting_of.entry(count).or_default() += 1;
        }
    }

    /// A job does not wait any more.
    fn end_wait(&mut self, id: &Name) {
        self.count(id, |lane, size| {
            lane.waiting = lane.waiting.saturating_sub(1);
            lane.bytes = lane.bytes.saturating_sub(size);
        });
        if let Some(count) = self.bounded_task(id)
            && let Some(waiting) = self.waiting_of.get_mut(&count)
        {
            *waiting -= 1;
            if *waiting == 0 {
                self.waiting_of.remove(&count);
            }
        }
    }

    fn count(&mut self, id: &Name, change: impl FnOnce(&mut Lane, usize)) {
        let Some(entry) = self.jobs.get(id) else { return };
        let (from, size) = (Origin::of(entry.job.chain_depth), entry.size);
        change(self.lane(from), size);
    }

    fn bounded_task(&self, id: &Name) -> Option<(Name, Name)> {
        let entry = self.jobs.get(id)?;
        entry.policy.queue_limit?;
        Some((entry.job.router.clone(), entry.job.task.clone()))
    }

    /// How many jobs of a task wait, when its policy bounds them.
    pub(super) fn waiting_of(&self, router: &Name, task: &Name) -> usize {
        self.waiting_of.get(&(router.clone(), task.clone())).copied().unwrap_or(0)
    }

    /// Puts a job that waits at the end of its lane.
    pub(super) fn line_up(&mut self, id: &Name) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        entry.place = Place::Lane;
        let from = Origin::of(entry.job.chain_depth);
        self.lane(from).queue.push_back(id.clone());
    }

    /// The next job of a chain; it does not wait any more.
    pub(super) fn next_of_chain(&mut self) -> Option<Name> {
        let id = self.chain.queue.pop_front()?;
        self.end_wait(&id);
        self.take_place(&id);
        Some(id)
    }

    /// Whether no chain goes on by itself: what waits of them waits for its time or for its pool.
    pub(super) fn chains_rest(&self) -> bool {
        self.chain.queue.is_empty() && self.chain.routing == 0
    }

    /// The next job whose turn it is; it does not wait any more.
    pub(super) fn next(&mut self) -> Option<Name> {
        let (first, second) = if self.chain_is_next {
            (Origin::Chain, Origin::Outside)
        } else {
            (Origin::Outside, Origin::Chain)
        };
        let (from, id) = [first, second]
            .into_iter()
            .find_map(|from| self.lane(from).queue.pop_front().map(|id| (from, id)))?;
        self.chain_is_next = from == Origin::Outside;
        self.end_wait(&id);
        self.take_place(&id);
        Some(id)
    }

    /// A job takes one of the places of running ones.
    pub(super) fn take_place(&mut self, id: &Name) {
        self.running += 1;
        if let Some(entry) = self.jobs.get_mut(id) {
            entry.place = Place::Running;
        }
    }

    /// Takes a job that waits out of wherever it does.
    pub(super) fn dequeue(&mut self, id: &Name) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        let (place, pool) = (std::mem::replace(&mut entry.place, Place::Nowhere), entry.pool.clone());
        let from = Origin::of(entry.job.chain_depth);
        self.end_wait(id);
        match (place, &pool) {
            (Place::Lane, _) => {
                self.lane(from).queue.retain(|queued| queued != id);
                self.leave_pool(id);
            }
            (Place::Pool, Some(pool)) => self.pools.forget(pool, id),
            (Place::Timer(tick), _) => self.timers.forget(tick),
            (Place::Debounce(tick), pool) => {
                self.timers.forget(tick);
                if let Some(pool) = pool {
                    self.pools.settle(pool, id);
                }
            }
            (Place::Pool | Place::Nowhere | Place::Running, _) => {}
        }
    }

    /// A job that ran does not run any more.
    pub(super) fn free_slot(&mut self, id: &Name) {
        self.running = self.running.saturating_sub(1);
        if let Some(entry) = self.jobs.get_mut(id) {
            entry.place = Place::Nowhere;
        }
        self.leave_pool(id);
    }

    /// Gives the place of a job in its pool to the next one that waits for it.
    fn leave_pool(&mut self, id: &Name) {
        let Some(entry) = self.jobs.get(id) else { return };
        if entry.policy.concurrency.is_none() {
            return;
        }
        if let Some(pool) = entry.pool.clone()
            && let Some(next) = self.pools.leave(&pool)
        {
            self.line_up(&next);
        }
    }

    /// Remembers that this many selectors have still to answer about this event, besides those that answer at once.
    pub(super) fn await_answers(&mut self, event_id: Name, to_come: usize, size: usize, from: Origin) {
        let lane = self.lane(from);
        lane.bytes += size;
        lane.routing += 1;
        self.routing.insert(event_id, Routing { to_come: to_come + 1, decisions: Vec::new(), size, from });
    }

    /// The answers that came at once. Returns all answers when no other is to come.
    pub(super) fn decided(&mut self, event_id: &Name, mut decisions: Vec<Decision>) -> Option<Vec<Decision>> {
        let Some(routing) = self.routing.get_mut(event_id) else { return Some(decisions) };
        decisions.append(&mut routing.decisions);
        routing.decisions = decisions;
        self.one_less(event_id)
    }

    /// One answer about this event has come. Returns all of them once it was the last.
    pub(super) fn answered(&mut self, event_id: &Name, decision: Decision) -> Option<Vec<Decision>> {
        self.routing.get_mut(event_id)?.decisions.push(decision);
        self.one_less(event_id)
    }

    fn one_less(&mut self, event_id: &Name) -> Option<Vec<Decision>> {
        let routing = self.routing.get_mut(event_id)?;
        routing.to_come -= 1;
        if routing.to_come > 0 {
            return None;
        }
        let Routing { size, from, decisions, .. } = self.routing.remove(event_id)?;
        let lane = self.lane(from);
        lane.bytes = lane.bytes.saturating_sub(size);
        lane.routing -= 1;
        Some(decisions)
    }

    /// Waits for no more answers. Returns how many events had still some to come.
    pub(super) fn forget_answers(&mut self) -> usize {
        let events = self.routing.len();
        self.routing.clear();
        self.outside.routing = 0;
        self.chain.routing = 0;
        events
    }

    /// Asks a job to end within its grace period.
    pub(super) fn ask_to_stop(&self, id: &Name) {
        if let Some(entry) = self.jobs.get(id) {
            entry.stop.asked.cancel();
        }
    }

    /// Whether a waiting job could start.
    pub(super) fn can_start(&self, limits: &Limits) -> bool {
        self.running < limits.max_jobs && !(self.outside.queue.is_empty() && self.chain.queue.is_empty())
    }

    /// Whether more may wait from this origin, when `more` were taken that are not counted yet.
    pub(super) fn has_room(&self, limits: &Limits, from: Origin, more: usize) -> bool {
        match from {
            Origin::Outside => self.outside.has_room(limits, more),
            Origin::Chain => self.chain.has_room(limits, more),
        }
    }

    /// Whether nothing waits and nothing runs.
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.routing.is_empty()
    }

    /// Jobs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.outside.waiting + self.chain.waiting
    }
}

/// The pool that a job of this policy belongs to, if it speaks of one.
fn pool_of(policy: &Policy, job: &Job) -> Option<Name> {
    let value = match (&policy.concurrency, policy.debounce) {
        (None, None) => return None,
        (None, Some(_)) => Value::Null,
        (Some(concurrency), _) => concurrency.pool(job),
    };
    Some(Name::from(format!("{}\0{}\0{value}", job.router, job.task)))
}
