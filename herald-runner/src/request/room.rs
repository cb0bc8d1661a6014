//! Room for the bodies of requests that are arriving: unauthenticated clients can send, but not fill the memory.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use tokio::sync::Semaphore;

/// The least room that bodies which are arriving share, in bytes.
const ROOM: usize = 256 << 20;
/// What room is counted in, in bytes.
pub(super) const ROOM_UNIT: usize = 1024;

/// Room is taken in steps of this, in bytes. The first step is everybody's own, so that short requests never wait for
/// those who send much.
pub(super) const ROOM_STEP: usize = 64 * ROOM_UNIT;

/// The room for bodies, where the longest may have `max_body` bytes.
#[must_use]
pub fn room(max_body: usize) -> Semaphore {
    Semaphore::new((ROOM.max(max_body) + ROOM_STEP) / ROOM_UNIT)
}

/// The length of a body in bytes, where the head says it.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
