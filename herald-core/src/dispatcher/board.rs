//! The jobs that live, what waits, and how much of everything there is.

use super::answers::PendingAnswers;
use super::ask::WaitingQuestion;
use super::entry::{Entry, Place};
use super::origin::Origin;
use super::paused::PausedRouters;
use super::pool::Pools;
use super::shares::{Load, QueueShares};
use super::timer::Timers;
use super::turns::{RouterLine, Turns};
use crate::event::activation::{Name, NameMap, NameSet, TaskMap};
use crate::job::Job;
use crate::plan::Limits;

/// Everything that waits and runs.
#[derive(Default)]
pub(super) struct Board {
    pub(super) jobs: NameMap<Entry>,
    pub(super) running: usize,
    pub(super) pools: Pools,
    pub(super) timers: Timers,
    /// Routers that start nothing.
    pub(super) paused: PausedRouters,
    /// Executors that take no jobs for now.
    pub(super) closed: NameSet,
    /// Jobs that start as soon as there is a place at their executor.
    pub(super) turns: Turns<Name>,
    /// Questions that are asked as soon as there is a place at their selector.
    pub(super) questions: Turns<WaitingQuestion>,
    pub(super) answers: PendingAnswers,
    /// Events from outside that are not routed, and their jobs that wait, by trigger.
    outside: QueueShares,
    /// Jobs of chains that wait, by router.
    chain: QueueShares,
    /// Events of chains that wait for the answer of a selector, by the router whose job ended.
    chain_events: QueueShares,
    waiting: usize,
    /// Jobs that wait, of tasks that bound them.
    waiting_of: TaskMap<usize>,
}

/// What may wait from outside.
fn most_outside(limits: &Limits) -> Load {
    Load { count: limits.max_queue, bytes: limits.max_queue_bytes }
}

/// What may wait of chains: one router alone may have as much as the queue holds. What it has too much is not taken
/// later, it is rejected.
fn most_of_chains(limits: &Limits) -> Load {
    Load { count: limits.max_queue.saturating_mul(2), bytes: limits.max_queue_bytes.saturating_mul(2) }
}

impl Board {
    fn share(&mut self, from: Origin) -> &mut QueueShares {
        match from {
            Origin::Outside => &mut self.outside,
            Origin::Chain => &mut self.chain,
        }
    }

    /// A job begins to wait.
    pub(super) fn begin_wait(&mut self, id: &Name) {
        let Some(entry) = self.jobs.get(id) else { return };
        let (whose, from, size) = (whose(&entry.job), entry.origin(), entry.size);
        self.share(from).add(&whose, size);
        self.waiting += 1;
        if let Some(count) = self.bounded_task(id) {
            *self.waiting_of.entry(count).or_default() += 1;
        }
    }

    /// A job does not wait any more.
    fn end_wait(&mut self, id: &Name) {
        let Some(entry) = self.jobs.get(id) else { return };
        let (whose, from, size) = (whose(&entry.job), entry.origin(), entry.size);
        self.share(from).remove(&whose, size);
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(count) = self.bounded_task(id)
            && let Some(waiting) = self.waiting_of.get_mut(&count)
        {
            *waiting -= 1;
            if *waiting == 0 {
                self.waiting_of.remove(&count);
            }
        }
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

    /// Puts a job that waits at the end of its line.
    pub(super) fn line_up(&mut self, id: &Name) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        entry.place = Place::Lane;
        let (executor, line) = (entry.job.executor.clone(), entry.line());
        self.turns.push(&executor, line, id.clone());
    }

    /// Whether no chain goes on by itself: what waits of them waits for its time or for its pool.
    pub(super) fn chains_rest(&self) -> bool {
        let counts = |executor: &Name, line: &RouterLine| {
            line.from == Origin::Chain && !self.paused.has(&line.router) && !self.closed.contains(executor)
        };
        !self.turns.has_waiting(counts) && self.answers.of_chains() == 0
    }

    /// The next job whose turn it is, of this origin alone where one is named; it does not wait any more.
    ///
    /// While the selectors that hear of its ends do not keep up, a router starts nothing: what follows on a job has no
    /// other bound.
    pub(super) fn next(&mut self, limits: &Limits, only: Option<Origin>) -> Option<Name> {
        let (ends, most) = (&self.chain_events, most_outside(limits));
        let (paused, closed) = (&self.paused, &self.closed);
        let may_start = |executor: &Name, line: &RouterLine| {
            only.is_none_or(|only| line.from == only)
                && !paused.has(&line.router)
                && (closed.is_empty() || !closed.contains(executor))
                && (ends.is_empty() || ends.has_room(&line.router, 0, most))
        };
        let id = self.turns.start_next(may_start)?;
        self.end_wait(&id);
        self.running += 1;
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.place = Place::Running;
        }
        Some(id)
    }

    /// The jobs that have not started, of paused routers and of executors that take none; with the reason.
    pub(super) fn waiting_of_paused(&self) -> Vec<(Name, &'static str)> {
        if self.paused.is_empty() && self.closed.is_empty() {
            return Vec::new();
        }
        let why = |entry: &Entry| match entry.place {
            Place::Running => None,
            _ if self.paused.has(&entry.job.router) => Some("the router was paused"),
            _ if self.closed.contains(&entry.job.executor) => Some("its executor took no jobs"),
            _ => None,
        };
        self.jobs.iter().filter_map(|(id, entry)| Some((id.clone(), why(entry)?))).collect()
    }

    /// The next question whose turn it is.
    pub(super) fn next_question(&mut self, only: Option<Origin>) -> Option<WaitingQuestion> {
        self.questions.start_next(|_, line| only.is_none_or(|only| line.from == only))
    }

    /// A job of an earlier process runs already.
    pub(super) fn goes_on(&mut self, id: &Name) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        entry.place = Place::Running;
        self.running += 1;
        let (executor, router) = (entry.job.executor.clone(), entry.job.router.clone());
        self.turns.start_anyway(&executor, &router);
    }

    /// Takes a job that waits out of wherever it does.
    pub(super) fn dequeue(&mut self, id: &Name) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        let (place, pool) = (std::mem::replace(&mut entry.place, Place::Nowhere), entry.pool.clone());
        let (executor, line) = (entry.job.executor.clone(), entry.line());
        self.end_wait(id);
        match (place, &pool) {
            (Place::Lane, _) => {
                self.turns.remove(&executor, &line, |queued| queued == id);
                self.leave_pool(id);
            }
            (Place::Pool, Some(pool)) => self.pools.forget(pool, id),
            (Place::Timer(tick), _) => {
                self.timers.forget(tick);
                self.leave_pool(id);
            }
            (Place::Debounce(tick), pool) => {
                self.timers.forget(tick);
                if let Some(pool) = pool {
                    self.pools.settle(pool, id);
                }
            }
            (Place::Pool | Place::Nowhere | Place::Running, _) => {}
        }
    }

    /// A job that ran does not run any more. With `keep_place` its place in its pool stays its own.
    pub(super) fn free_slot(&mut self, id: &Name, keep_place: bool) {
        self.running = self.running.saturating_sub(1);
        if let Some(entry) = self.jobs.get_mut(id) {
            entry.place = Place::Nowhere;
            self.turns.end(&entry.job.executor, &entry.job.router);
        }
        if !keep_place {
            self.leave_pool(id);
        }
    }

    /// Takes a place in the pool of this job, if it needs one and has none. Returns whether it has one.
    pub(super) fn enter_pool(&mut self, id: &Name) -> bool {
        let Some(entry) = self.jobs.get_mut(id) else { return false };
        let (Some(concurrency), Some(pool)) = (&entry.policy.concurrency, &entry.pool) else { return true };
        entry.holds_place = entry.holds_place || self.pools.enter(pool, concurrency.limit);
        entry.holds_place
    }

    /// Takes a place in the pool of this job whether one is free or not: it had it in an earlier process.
    pub(super) fn enter_pool_anyway(&mut self, id: &Name) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        if let (Some(_), Some(pool)) = (&entry.policy.concurrency, &entry.pool) {
            self.pools.enter_anyway(pool);
            entry.holds_place = true;
        }
    }

    /// Lets a job wait for a place in its pool: behind all others, or in an ordered pool behind those of earlier
    /// events.
    pub(super) fn wait_for_pool(&mut self, id: &Name) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        entry.place = Place::Pool;
        let Some(pool) = entry.pool.clone() else { return };
        let (in_order, event) = (entry.policy.is_ordered() && !entry.job.rerun, entry.job.trigger_id.clone());
        let jobs = &self.jobs;
        let is_earlier = |other: &Name| {
            jobs.get(other).is_none_or(|other| other.job.rerun || other.job.trigger_id <= event)
        };
        self.pools.wait(&pool, id, |other| !in_order || is_earlier(other));
    }

    /// Gives the place of a job in its pool to the next one that waits for it.
    fn leave_pool(&mut self, id: &Name) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        if !std::mem::take(&mut entry.holds_place) {
            return;
        }
        if let Some(pool) = entry.pool.clone()
            && let Some(next) = self.pools.leave(&pool)
        {
            if let Some(next) = self.jobs.get_mut(&next) {
                next.holds_place = true;
            }
            self.line_up(&next);
        }
    }

    /// An event from outside was taken.
    pub(super) fn take_event(&mut self, trigger: &Name, size: usize) {
        self.outside.add(trigger, size);
    }

    /// An event from outside is routed, or was not taken after all: from now on its jobs count.
    pub(super) fn end_event(&mut self, trigger: &Name, size: usize) {
        self.outside.remove(trigger, size);
    }

    /// An event of a chain begins to wait for selectors, or has all their answers.
    pub(super) fn chain_events(&mut self) -> &mut QueueShares {
        &mut self.chain_events
    }

    /// Asks a job to end within its grace period.
    pub(super) fn ask_to_stop(&self, id: &Name) {
        if let Some(entry) = self.jobs.get(id) {
            entry.stop().asked.cancel();
        }
    }

    /// Whether an event of this trigger is taken.
    pub(super) fn has_room_for_event(&self, limits: &Limits, trigger: &Name, size: usize) -> bool {
        self.outside.has_room(trigger, size, most_outside(limits))
    }

    /// Whether this job may wait.
    pub(super) fn has_room_for_job(&self, limits: &Limits, job: &Job) -> bool {
        let size = job.trigger_param.size();
        match Origin::of(job.chain_depth) {
            Origin::Outside => self.outside.has_room(&job.trigger, size, most_outside(limits)),
            Origin::Chain => self.chain.has_room(&job.router, size, most_of_chains(limits)),
        }
    }

    /// Whether no event is taken, whichever trigger it comes from.
    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        self.outside.is_full(most_outside(limits))
    }

    /// Whether nothing waits and nothing runs.
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.answers.is_empty()
    }

    /// Jobs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}

/// Whose share of its queue a job uses.
fn whose(job: &Job) -> Name {
    match Origin::of(job.chain_depth) {
        Origin::Outside => job.trigger.clone(),
        Origin::Chain => job.router.clone(),
    }
}
