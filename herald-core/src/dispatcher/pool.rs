//! Pools: jobs that may run side by side only so many at a time.

use std::collections::{HashMap, VecDeque};

use crate::event::activation::Name;

/// One pool.
#[derive(Default)]
struct Pool {
    /// Jobs that run, or would if `max_jobs` did not keep them.
    active: usize,
    /// Jobs that wait for one of those to end.
    waiting: VecDeque<Name>,
    /// The newest job, while its debounce is not over.
    newest: Option<Name>,
}

/// All pools in which something is.
#[derive(Default)]
pub(super) struct Pools(HashMap<Name, Pool>);

impl Pools {
    /// Takes a place in the pool, if one is free.
    pub(super) fn enter(&mut self, pool: &Name, limit: usize) -> bool {
        let pool = self.0.entry(pool.clone()).or_default();
        let free = pool.active < limit;
        pool.active += usize::from(free);
        free
    }

    /// Takes a place whether one is free or not: for a job that runs already.
    pub(super) fn enter_anyway(&mut self, pool: &Name) {
        self.0.entry(pool.clone()).or_default().active += 1;
    }

    /// Waits for a place, behind the last one that is `earlier`.
    pub(super) fn wait(&mut self, pool: &Name, id: &Name, earlier: impl Fn(&Name) -> bool) {
        let waiting = &mut self.0.entry(pool.clone()).or_default().waiting;
        let at = waiting.iter().rposition(earlier).map_or(0, |at| at + 1);
        waiting.insert(at, id.clone());
    }

    /// Those that wait for a place.
    pub(super) fn waiting(&self, pool: &Name) -> Vec<Name> {
        self.0.get(pool).map(|pool| pool.waiting.iter().cloned().collect()).unwrap_or_default()
    }

    /// Leaves a place; the job that takes it instead, if one waits, is returned.
    pub(super) fn leave(&mut self, name: &Name) -> Option<Name> {
        let pool = self.0.get_mut(name)?;
        let next = pool.waiting.pop_front();
        if next.is_none() {
            pool.active = pool.active.saturating_sub(1);
        }
        self.tidy(name);
        next
    }

    /// Does not wait any more.
    pub(super) fn forget(&mut self, name: &Name, id: &Name) {
        if let Some(pool) = self.0.get_mut(name) {
            pool.waiting.retain(|waiting| waiting != id);
        }
        self.tidy(name);
    }

    /// Is the newest of its pool from now on; the one that was so before is returned.
    pub(super) fn newest(&mut self, pool: &Name, id: &Name) -> Option<Name> {
        self.0.entry(pool.clone()).or_default().newest.replace(id.clone())
    }

    /// The debounce of this job is over.
    pub(super) fn settle(&mut self, name: &Name, id: &Name) {
        if let Some(pool) = self.0.get_mut(name)
            && pool.newest.as_ref() == Some(id)
        {
            pool.newest = None;
        }
        self.tidy(name);
    }

    fn tidy(&mut self, name: &Name) {
        if self
            .0
            .get(name)
            .is_some_and(|pool| pool.active == 0 && pool.waiting.is_empty() && pool.newest.is_none())
        {
            self.0.remove(name);
        }
    }
}
