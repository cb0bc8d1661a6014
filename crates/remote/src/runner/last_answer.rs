//! When a runner last proved that it is there.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// The time of the last answer whose signature was verified, whatever it was an answer to.
#[derive(Debug, Default)]
pub(super) struct LastAnswer(Mutex<Option<Instant>>);

impl LastAnswer {
    /// One came.
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// When the last one came, or this if none came since.
    pub(super) fn since(&self, from: Instant) -> Instant {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map_or(from, |at| at.max(from))
    }
}
