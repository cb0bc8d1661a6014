//! When the clocks of a zone go forward or back.

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// A change of the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneChange {
    /// When.
    pub at: Timestamp,
    /// The offset before it.
    pub before: Offset,
    /// The offset from then on.
    pub after: Offset,
}

/// The changes of a zone between these times; at most ten.
#[must_use]
pub fn zone_changes(zone: &TimeZone, from: Timestamp, until: Timestamp) -> Vec<ZoneChange> {
    const MOST: usize = 10;
    let nanosecond = SignedDuration::from_nanos(1);
    let before = |at: Timestamp| at.checked_sub(nanosecond).unwrap_or(at);
    let changes = zone.following(before(from)).map(|change| change.timestamp());
    let changes = changes.take_while(|at| *at < until);
    let change = |at| ZoneChange { at, before: zone.to_offset(before(at)), after: zone.to_offset(at) };
    changes.map(change).filter(|change| change.before != change.after).take(MOST).collect()
}
