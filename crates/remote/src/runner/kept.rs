//! Connections that are kept for another request, and what is sent into one that is just being closed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::CONNECTION;
use reqwest::Response;
use tokio::time::Instant;

/// How long a connection is kept: less than runners keep it, and than others on the way do.
pub(super) const KEEP_IDLE: Duration = Duration::from_secs(10);
/// How soon a request breaks that was sent into a connection that was closed.
const AT_ONCE: Duration = Duration::from_secs(2);

/// When a runner last left a connection open.
#[derive(Debug, Default)]
pub(super) struct KeptConnections(Mutex<Option<Instant>>);

impl KeptConnections {
    /// An answer came.
    pub(super) fn note(&self, response: &Response) {
        let closes = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"close");
        if !response.headers().get(CONNECTION).is_some_and(closes) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// Whether there may be one, when a request is about to be sent.
    pub(super) fn sending(&self) -> SentRequest {
        let kept = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now();
        SentRequest {
            at,
            may_be_kept: kept.is_some_and(|kept| at.duration_since(kept) <= KEEP_IDLE + AT_ONCE),
        }
    }
}

/// A request that was sent.
pub(super) struct SentRequest {
    at: Instant,
    may_be_kept: bool,
}

impl SentRequest {
    /// Whether it may not have been received because its connection was one that was just being closed, now that it
    /// broke.
    pub(super) fn may_be_missed(&self) -> bool {
        self.may_be_kept && self.at.elapsed() < AT_ONCE
    }
}
