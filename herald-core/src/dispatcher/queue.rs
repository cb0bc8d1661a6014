//! Waiting: for a debounce, for a place in a pool, for another attempt, for one of `max_jobs`.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use tokio::time::Instant;

use super::engine::Engine;
use super::entry::Place;
use super::report::SKIPPED;
use crate::event::activation::Name;
use crate::job::lifecycle;
use crate::job::policy::OnFull;

/// A retry waits up to this much longer than its policy says, so that jobs that failed together do not come back
/// together.
pub(super) const JITTER: f64 = 0.25;

impl Engine {
    /// A job begins to wait for its first attempt.
    pub(super) fn enqueue(&mut self, id: &Name) {
        self.board.begin_wait(id);
        let Some(entry) = self.board.jobs.get_mut(id) else { return };
        let (Some(quiet), Some(pool)) = (entry.policy.debounce, entry.pool.clone()) else {
            return self.enter_pool(id, true);
        };
        entry.place = Place::Debounce(self.board.timers.set(Instant::now() + quiet, id));
        if let Some(older) = self.board.pools.newest(&pool, id) {
            self.cancel_for_newer(&older, "a newer event came before its debounce was over");
        }
    }

    /// A job begins to wait for another attempt.
    pub(super) fn enqueue_later(&mut self, id: &Name, wait: Duration) {
        self.board.begin_wait(id);
        let Some(entry) = self.board.jobs.get_mut(id) else { return };
        entry.place = Place::Timer(self.board.timers.set(Instant::now() + wait, id));
    }

    /// How long a job waits, with jitter: never less than asked for, nor longer than the longest wait.
    pub(super) fn with_jitter(&self, id: &Name, wait: Duration) -> Duration {
        let Some(entry) = self.board.jobs.get(id) else { return wait };
        let seed = BuildHasherDefault::<DefaultHasher>::default().hash_one((id, entry.job.attempt));
        let share = f64::from(u32::try_from(seed >> 32).unwrap_or(0)) / f64::from(u32::MAX);
        let most = entry.policy.retry.as_ref().map_or(wait, |retry| retry.max_delay);
        wait.mul_f64(1.0 + JITTER * share).min(most.max(wait))
    }

    /// What waited for its time and is due lines up.
    pub(super) fn fire_due_timers(&mut self) {
        let now = Instant::now();
        while let Some(id) = self.board.timers.pop(now) {
            let Some(entry) = self.board.jobs.get_mut(&id) else { continue };
            let debounced = matches!(entry.place, Place::Debounce(_));
            entry.place = Place::Nowhere;
            if debounced && let Some(pool) = entry.pool.clone() {
                self.board.pools.settle(&pool, &id);
            }
            self.enter_pool(&id, debounced);
        }
    }

    /// A job wants a place in its pool. What `on_full` says holds for first attempts only.
    fn enter_pool(&mut self, id: &Name, first: bool) {
        if self.board.enter_pool(id) {
            return self.board.line_up(id);
        }
        let Some(entry) = self.board.jobs.get(id) else { return };
        let (Some(concurrency), Some(pool)) = (&entry.policy.concurrency, entry.pool.clone()) else { return };
        let (limit, on_full) = (concurrency.limit, concurrency.on_full);
        if first && on_full == OnFull::Skip {
            let why = format!("{SKIPPED}{limit} jobs that share its limit run or wait already (concurrency)");
            return self.apply(id, lifecycle::JobEvent::Reject(why));
        }
        let older = self.board.pools.waiting(&pool);
        self.board.wait_for_pool(id);
        if first && on_full == OnFull::Replace {
            for older in older {
                self.cancel_for_newer(&older, "replaced by a newer job (on_full: replace)");
            }
        }
    }

    fn cancel_for_newer(&mut self, id: &Name, why: &str) {
        self.apply(id, lifecycle::JobEvent::Cancel(why.to_owned()));
    }
}
