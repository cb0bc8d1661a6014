//! What is due in a range of time, of many schedules at once: in order, with many times of one schedule as one entry
//! with their number, and never more entries than asked for.

mod buckets;
mod zone_changes;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use buckets::{BucketSize, Buckets};
pub use zone_changes::{ZoneChange, zone_changes};

const NANOSECOND: SignedDuration = SignedDuration::from_nanos(1);

/// Times at which something is due.
pub trait Occurrences {
    /// The first one after this.
    fn next_after(&self, after: Timestamp) -> Option<Timestamp>;

    /// How many there are at `from` or later, and before `until`.
    fn count_between(&self, from: Timestamp, until: Timestamp) -> u64;
}

/// One schedule, and after which time it is looked at.
pub struct AgendaSource<'a> {
    /// Its times.
    pub due: &'a dyn Occurrences,
    /// What is due until then is left out.
    pub after: Timestamp,
}

/// What is due of one schedule: one time, or so many in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgendaEntry {
    /// Which schedule: its place among the sources.
    pub source: usize,
    /// The first time.
    pub first: Timestamp,
    /// How many there are, from 1.
    pub count: u64,
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agenda {
    /// By time; those at one instant in the order of the sources.
    pub entries: Vec<AgendaEntry>,
    /// From here on entries are left out, since there are too many.
    pub cut_at: Option<Timestamp>,
}

/// What is due of these sources before `until`: at most so many entries. With buckets, the times of one source in one
/// of them are one entry.
#[must_use]
pub fn agenda(
    sources: &[AgendaSource<'_>],
    until: Timestamp,
    buckets: Option<&Buckets>,
    most: usize,
) -> Agenda {
    let next = |source: usize, after: Timestamp| {
        let at = sources[source].due.next_after(after).filter(|at| *at < until)?;
        Some(Reverse((at, source)))
    };
    let mut ahead: BinaryHeap<_> =
        sources.iter().enumerate().filter_map(|(n, source)| next(n, source.after)).collect();
    let mut entries = Vec::new();
    while let Some(Reverse((first, source))) = ahead.pop() {
        if entries.len() == most {
            return Agenda { entries, cut_at: Some(first) };
        }
        let (mut count, mut last) = (1, first);
        if let Some(buckets) = buckets {
            let end = buckets.end_of(first).min(until);
            count = sources[source].due.count_between(first, end).max(1);
            last = end.checked_sub(NANOSECOND).map_or(first, |last| last.max(first));
        }
        entries.push(AgendaEntry { source, first, count });
        ahead.extend(next(source, last));
    }
    Agenda { entries, cut_at: None }
}

/// Times at a fixed distance from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeating {
    /// The first one.
    pub first: Timestamp,
    /// From one to the next.
    pub period: Duration,
}

impl Repeating {
    /// How many there are before this time.
    fn count_before(&self, at: Timestamp) -> u64 {
        let left = at.as_nanosecond() - self.first.as_nanosecond();
        let period = i128::try_from(self.period.as_nanos()).unwrap_or(i128::MAX).max(1);
        if left <= 0 { 0 } else { u64::try_from((left - 1) / period + 1).unwrap_or(u64::MAX) }
    }
}

impl Occurrences for Repeating {
    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let passed = after.checked_add(NANOSECOND).ok().map(|at| self.count_before(at))?;
        let later = self.period.as_nanos().checked_mul(u128::from(passed))?;
        let at = self.first.as_nanosecond().checked_add(i128::try_from(later).ok()?)?;
        Timestamp::from_nanosecond(at).ok()
    }

    fn count_between(&self, from: Timestamp, until: Timestamp) -> u64 {
        self.count_before(until).saturating_sub(self.count_before(from))
    }
}

#[cfg(test)]
mod tests;
