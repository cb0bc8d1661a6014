//! How often a line is due in a range of time, without walking through each time: a line of every second is counted as
//! fast as a daily one.

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::clock_change::DueAtChange;
use crate::fields::FieldValues;

/// The local times that a line names, and which of them are due where the clocks change.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalTimes {
    pub(super) values: FieldValues,
    /// Names hours and minutes: at an overlap it fires the first time only.
    pub(super) fixed_time: bool,
    /// Fires in every hour: at a gap nothing is lost that the next hour would not bring.
    pub(super) every_hour: bool,
}

/// A change of the offset of a zone.
struct OffsetChange {
    at: Timestamp,
    before: Offset,
    after: Offset,
}

impl OffsetChange {
    /// The last one at this time or earlier.
    fn until(zone: &TimeZone, at: Timestamp) -> Option<Self> {
        let at = zone.preceding(at.checked_add(SignedDuration::from_nanos(1)).ok()?).next()?.timestamp();
        let before = zone.to_offset(at.checked_sub(SignedDuration::from_nanos(1)).ok()?);
        Some(Self { at, before, after: zone.to_offset(at) })
    }
}

impl LocalTimes {
    /// How often they are due at `from` or later, and before `until`.
    pub(super) fn count_between(&self, zone: &TimeZone, from: Timestamp, until: Timestamp) -> u64 {
        let (mut count, mut at) = (0, from);
        while at < until {
            let change = zone.following(at).next().map(|change| change.timestamp());
            let end = change.map_or(until, |change| change.min(until));
            count += self.count_with_one_offset(zone, at, end);
            at = end;
        }
        count
    }

    /// The same, where the offset does not change after `from`.
    fn count_with_one_offset(&self, zone: &TimeZone, from: Timestamp, until: Timestamp) -> u64 {
        let offset = zone.to_offset(from);
        let (mut first, last) = (offset.to_datetime(from), offset.to_datetime(until));
        let Some(change) = OffsetChange::until(zone, from) else { return self.values.count(first, last) };
        let was = change.before.to_datetime(change.at);
        if self.fixed_time && change.before > change.after {
            // What came before the clocks went back does not come again.
            first = first.max(was);
        }
        let moved = change.at == from && self.has_in_gap(&change) && !self.values.has(first);
        u64::from(moved) + self.values.count(first, last)
    }

    /// Whether a change of the clocks concerns this time, which is due.
    pub(super) fn at_clock_change(&self, zone: &TimeZone, due: Timestamp) -> Option<DueAtChange> {
        if let AmbiguousOffset::Fold { .. } = zone.to_ambiguous_timestamp(zone.to_datetime(due)).offset() {
            return Some(if self.fixed_time { DueAtChange::Once } else { DueAtChange::Twice });
        }
        let change = OffsetChange::until(zone, due)?;
        let is_left_out = change.at == due && self.has_in_gap(&change);
        is_left_out.then(|| DueAtChange::LeftOut {
            from: change.before.to_datetime(change.at).time(),
            until: change.after.to_datetime(change.at).time(),
        })
    }

    /// Whether a time that this change leaves out comes right after it.
    fn has_in_gap(&self, change: &OffsetChange) -> bool {
        let (was, is) = (change.before.to_datetime(change.at), change.after.to_datetime(change.at));
        !self.every_hour && self.values.count(was, is) > 0
    }
}

impl FieldValues {
    /// Whether the line names this local time.
    fn has(&self, at: DateTime) -> bool {
        at.checked_add(SignedDuration::from_secs(1)).is_ok_and(|next| self.count(at, next) > 0)
    }

    /// How many local times the line names from the first on, before the last.
    fn count(&self, from: DateTime, until: DateTime) -> u64 {
        if from >= until {
            return 0;
        }
        let (minutes, seconds) = (self.minute.count_ones(), self.second.count_ones());
        let whole = u64::from(self.hour.count_ones() * minutes * seconds);
        let (mut count, mut date) = (0, from.date());
        loop {
            if self.has_day(date) {
                let begin = if date == from.date() { self.count_before(from.time()) } else { 0 };
                let end = if date == until.date() { self.count_before(until.time()) } else { whole };
                count += end - begin;
            }
            match date.tomorrow() {
                Ok(next) if next <= until.date() => date = next,
                _ => return count,
            }
        }
    }

    /// How many times of a day come before this one.
    fn count_before(&self, time: Time) -> u64 {
        let below = |values: u64, value: i8| (values & ((1 << value) - 1)).count_ones();
        let at = |values: u64, value: i8| u32::from(values & (1 << value) != 0);
        let part_of_second = u32::from(time.subsec_nanosecond() > 0);
        let seconds = below(self.second, time.second()) + part_of_second * at(self.second, time.second());
        let minutes = below(self.minute, time.minute()) * self.second.count_ones()
            + at(self.minute, time.minute()) * seconds;
        let hours = below(self.hour, time.hour()) * self.minute.count_ones() * self.second.count_ones();
        u64::from(hours + at(self.hour, time.hour()) * minutes)
    }
}
