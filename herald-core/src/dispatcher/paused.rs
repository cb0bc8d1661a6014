//! Routers whose jobs wait until they are resumed.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::event::activation::{Name, NameMap};

/// After so long it is looked again when the next pause ends: the wall clock may have been set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Routers that start no jobs, and until when; without a time, until they are resumed. Their events are accepted, and
/// their jobs wait.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PausedRouters(NameMap<Option<Timestamp>>);

impl FromIterator<(Name, Option<Timestamp>)> for PausedRouters {
    fn from_iter<I: IntoIterator<Item = (Name, Option<Timestamp>)>>(routers: I) -> Self {
        Self(routers.into_iter().collect())
    }
}

impl PausedRouters {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this router starts nothing.
    pub(super) fn has(&self, router: &Name) -> bool {
        !self.0.is_empty() && self.0.contains_key(router)
    }

    /// Forgets the pauses that have ended by now.
    pub(super) fn end_by(&mut self, now: Timestamp) {
        if !self.0.is_empty() {
            self.0.retain(|_, until| until.is_none_or(|until| until > now));
        }
    }

    /// When it is to be looked whether one has ended.
    pub(super) fn next_end(&self, now: Timestamp) -> Option<Instant> {
        let until = self.0.values().flatten().min()?;
        let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        Some(Instant::now() + left.min(LOOK_AGAIN))
    }
}
