//! The answer to connections for which there is no slot.

use std::time::Duration;

use http::header::{CONNECTION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use crate::serve::options::ServeOptions;
use crate::serve::reply::{JsonReply, error_reply};
use crate::serve::slot_table::SlotLimits;

/// How long one of them may take for anything.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many there are at once. Of more the oldest is closed, which most probably has its answer.
pub(super) const REFUSALS: SlotLimits = SlotLimits { connections: 256, waiting: 0, min_hold: Duration::ZERO };

/// The answer. A connection that is closed without one, with a request that was not read, is reset, and its client
/// cannot know why.
pub(super) fn reply() -> JsonReply {
    let why = "too many connections from this address; try again later";
    let mut reply = error_reply(StatusCode::SERVICE_UNAVAILABLE, why);
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    reply
}

/// The options of a server, for connections that are refused.
pub(super) fn options(served: &ServeOptions) -> ServeOptions {
    ServeOptions {
        first_line: served.first_line.min(PATIENCE),
        head: served.head.min(PATIENCE),
        idle: served.idle.min(PATIENCE),
        write: served.write.min(PATIENCE),
        keep_alive: false,
        ..served.clone()
    }
}
