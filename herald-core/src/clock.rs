//! Clocks, one for tests among them, and the ids that are made with them.

use std::sync::Mutex;

pub use herald_base::clock::{Clock, SystemClock};
use jiff::{SignedDuration, Timestamp};
use uuid::{ContextV7, Uuid};

use crate::event::activation::Name;

/// A wall clock for tests: starts at the given time and moves with [`tokio::time`], so that a paused runtime moves it
/// without waiting.
#[derive(Debug, Clone, Copy)]
pub struct TestClock {
    start: Timestamp,
    begun: tokio::time::Instant,
}

impl TestClock {
    /// A clock that shows `start` now. Call it inside the runtime.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self { start, begun: tokio::time::Instant::now() }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.start.saturating_add(self.begun.elapsed()).unwrap_or(Timestamp::MAX)
    }
}

/// Ids count milliseconds.
const STEP: SignedDuration = SignedDuration::from_millis(1);

/// Makes ids: UUIDs of version 7, ascending within one maker even when the clock steps back.
#[derive(Debug)]
pub struct IdMaker {
    context: Mutex<ContextV7>,
}

impl Default for IdMaker {
    fn default() -> Self {
        Self { context: Mutex::new(ContextV7::new()) }
    }
}

impl IdMaker {
    /// Makes ids after this one, also where it was made by a clock that was ahead: the order of ids is that of what
    /// happened.
    pub fn go_on_after(&self, newest: &str) {
        let made = Uuid::try_parse(newest).ok().and_then(|id| id.get_timestamp()).map(|at| at.to_unix());
        let at = made.and_then(|(seconds, nanos)| {
            let seconds = i64::try_from(seconds).ok()?;
            Timestamp::new(seconds, nanos.try_into().ok()?).ok()?.checked_add(STEP).ok()
        });
        if let Some(at) = at {
            self.next(at);
        }
    }

    /// The next id at this time.
    pub fn next(&self, now: Timestamp) -> Name {
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
        let context = self.context.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let id = Uuid::new_v7(uuid::Timestamp::from_unix(&*context, seconds, nanos));
        let mut buffer = Uuid::encode_buffer();
        Name::from(&*id.as_hyphenated().encode_lower(&mut buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_continue_after_the_newest_one_whatever_the_clock_says() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (now, before) = (at("2026-11-20T12:00:00Z"), at("2026-11-20T11:00:00Z"));
        for newest in [before, now, at("2027-11-20T12:00:00Z"), at("2045-01-01T00:00:00Z")] {
            let newest = IdMaker::default().next(newest);
            let ids = IdMaker::default();
            ids.go_on_after(&newest);
            let made = [ids.next(now), ids.next(before), ids.next(now)];
            assert!(*newest < *made[0] && made.is_sorted(), "{newest} {made:?}");
        }
        let ids = IdMaker::default();
        ids.go_on_after("no id");
        assert!(ids.next(now) > IdMaker::default().next(before));
    }
}
