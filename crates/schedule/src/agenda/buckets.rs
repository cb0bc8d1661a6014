//! Hours or days of a time zone.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketSize {
    /// An hour of the clock on the wall; at a change of the clocks a new one begins.
    Hour,
    /// A day, of 23 or 25 hours where the clocks change.
    Day,
}

/// Hours or days of a time zone, without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    /// Where each begins but the first, ascending.
    starts: Vec<Timestamp>,
    until: Timestamp,
}

impl Buckets {
    /// Those between these times; the first and the last may be shorter. At most 10,000, the last of which then goes on
    /// until the end.
    #[must_use]
    pub fn new(zone: &TimeZone, from: Timestamp, until: Timestamp, size: BucketSize) -> Self {
        const MOST: usize = 10_000;
        let next = |at: &Timestamp| next_start(zone, *at, size).filter(|next| *next < until);
        let starts = std::iter::successors(next(&from), next).take(MOST).collect();
        Self { starts, until }
    }

    /// Where the bucket of this time ends: the first time that is not in it.
    #[must_use]
    pub fn end_of(&self, at: Timestamp) -> Timestamp {
        let after = self.starts.partition_point(|start| *start <= at);
        self.starts.get(after).copied().unwrap_or(self.until)
    }

    /// The place of the bucket of this time, from 0.
    #[must_use]
    pub fn place_of(&self, at: Timestamp) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }
}

/// Where the bucket after this time begins.
fn next_start(zone: &TimeZone, at: Timestamp, size: BucketSize) -> Option<Timestamp> {
    match size {
        BucketSize::Day => {
            let tomorrow = zone.to_datetime(at).date().tomorrow().ok()?;
            Some(tomorrow.to_zoned(zone.clone()).ok()?.timestamp()).filter(|next| *next > at)
        }
        BucketSize::Hour => {
            let offset = zone.to_offset(at);
            let local = offset.to_datetime(at);
            let hour = local.date().at(local.hour(), 0, 0, 0).checked_add(1.hour()).ok()?;
            let next = offset.to_timestamp(hour).ok()?;
            let change = zone.following(at).next().map(|change| change.timestamp());
            Some(change.map_or(next, |change| change.min(next)))
        }
    }
}
