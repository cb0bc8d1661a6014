//! The calendar of a trigger, as a source of what is due.

use herald_core::trigger::Calendar;
use herald_schedule::agenda::Occurrences;
use jiff::Timestamp;

/// The times of a calendar.
pub struct CalendarTimes<'a>(pub &'a dyn Calendar);

impl Occurrences for CalendarTimes<'_> {
    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.0.next_after(after)
    }

    fn count_between(&self, from: Timestamp, until: Timestamp) -> u64 {
        self.0.count_between(from, until)
    }
}
