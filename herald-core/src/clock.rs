//! Clocks, one for tests among them, and the ids that are made with them.

use std::sync::Mutex;

pub use herald_base::clock::{Clock, SystemClock};
use jiff::Timestamp;
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
