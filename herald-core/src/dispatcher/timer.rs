//! Jobs whose time has not come.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::event::activation::Name;

/// Names one timer: when it is due, and a number that makes it unique.
pub(super) type Tick = (Instant, u64);

/// All timers.
#[derive(Default)]
pub(super) struct Timers {
    due: BTreeMap<Tick, Name>,
    count: u64,
}

impl Timers {
    /// Sets a timer.
    pub(super) fn set(&mut self, at: Instant, id: &Name) -> Tick {
        self.count += 1;
        let tick = (at, self.count);
        self.due.insert(tick, id.clone());
        tick
    }

    /// Forgets one.
    pub(super) fn forget(&mut self, tick: Tick) {
        self.due.remove(&tick);
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next one that is due by now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Name> {
        let first = self.due.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
