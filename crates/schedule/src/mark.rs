//! Up to when a schedule was followed, and what a clock that was set back does to that: pure functions of what the
//! clock
//! showed.

use jiff::{SignedDuration, Timestamp};

use crate::schedule::Schedule;

/// A clock that is set back by at most this is waited for.
pub const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(3);
/// Clocks are read one after the other: less than this does not mean that one of them was changed.
const INEXACT: SignedDuration = SignedDuration::from_secs(1);

/// Up to when a schedule was followed: nothing that was due until then fires again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleMark {
    at: Timestamp,
    /// What the clock showed when it was read last.
    shown: Timestamp,
    /// By how much it was set back since it had passed the mark.
    set_back: SignedDuration,
}

/// What a clock that was set back does to a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockChange {
    /// Times that fired come again until this one, and are left out.
    WaitedFor {
        /// The mark.
        until: Timestamp,
    },
    /// The mark is too far ahead: the clock was wrong before, and the schedule is followed from now on.
    NotBelieved {
        /// By how much the mark was ahead.
        ahead: SignedDuration,
    },
}

impl ScheduleMark {
    /// A schedule that is followed from now on.
    #[must_use]
    pub fn begin(now: Timestamp) -> Self {
        Self { at: now, shown: now, set_back: SignedDuration::ZERO }
    }

    /// A schedule that is followed from now on: `@every` counts from its delay on.
    #[must_use]
    pub fn begin_with_delay(schedule: &Schedule, now: Timestamp) -> Self {
        let delay = schedule.period().map_or(SignedDuration::ZERO, |_| schedule.delay());
        Self { at: now.checked_add(delay).unwrap_or(now), ..Self::begin(now) }
    }

    /// A schedule that an earlier process followed up to `at`. A mark that is more than one period ahead of now is not
    /// believed.
    #[must_use]
    pub fn resume(schedule: &Schedule, at: Timestamp, now: Timestamp) -> (Self, Option<ClockChange>) {
        let ahead = at.duration_since(now);
        if ahead <= SignedDuration::ZERO {
            return (Self { at, ..Self::begin(now) }, None);
        }
        // It may have fired already what is due next, and no more than that.
        let believed = schedule.next_after(now).is_some_and(|next| at <= next);
        if !believed {
            return (Self::begin(now), Some(ClockChange::NotBelieved { ahead }));
        }
        // An interval has no times that could come again. It begins later by its delay.
        let is_interval = schedule.period().is_some();
        let at = if is_interval && ahead > schedule.delay() { now } else { at };
        let mark = Self { at, ..Self::begin(now) };
        let waits = ahead > INEXACT && !is_interval;
        (mark, waits.then_some(ClockChange::WaitedFor { until: at }))
    }

    /// Up to when the schedule was followed.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// It was followed up to this time.
    pub fn advance(&mut self, at: Timestamp) {
        self.at = at;
    }

    /// The clock shows `now`; `elapsed` has passed since it was read last, by a clock that nobody sets.
    pub fn read(
        &mut self,
        schedule: &Schedule,
        now: Timestamp,
        elapsed: SignedDuration,
    ) -> Option<ClockChange> {
        let step = elapsed.saturating_sub(now.duration_since(self.shown));
        self.shown = now;
        let is_step = step.abs() >= INEXACT;
        if is_step && schedule.period().is_some() && step > SignedDuration::ZERO {
            // An interval is a length of time: it does not grow when the clock is set back.
            self.at = self.at.checked_sub(step).unwrap_or(now).min(now);
            return None;
        }
        if is_step {
            self.set_back = self.set_back.saturating_add(step).max(SignedDuration::ZERO);
        }
        let ahead = self.at.duration_since(now);
        if ahead <= SignedDuration::ZERO {
            self.set_back = SignedDuration::ZERO;
            return None;
        }
        if self.set_back > LONGEST_WAIT.saturating_add(INEXACT) {
            *self = Self::begin(now);
            return Some(ClockChange::NotBelieved { ahead });
        }
        let waits = is_step && step > SignedDuration::ZERO && self.waits(schedule, now);
        waits.then_some(ClockChange::WaitedFor { until: self.at })
    }

    /// Whether something is due after now that fired before the clock was set back.
    fn waits(&self, schedule: &Schedule, now: Timestamp) -> bool {
        self.at > now && schedule.next_after(now).is_some_and(|next| next <= self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn schedule(line: &str) -> Schedule {
        Schedule::parse(line, line.split(' ').count() == 6, &TimeZone::UTC).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        let text = if text.contains('-') { text.to_owned() } else { format!("2026-11-20T{text}") };
        format!("{text}Z").parse().unwrap()
    }

    /// `waits`, `begins` (not believed) or nothing.
    fn word(change: Option<ClockChange>) -> &'static str {
        match change {
            None => "",
            Some(ClockChange::WaitedFor { .. }) => "waits",
            Some(ClockChange::NotBelieved { .. }) => "begins",
        }
    }

    #[test]
    fn at_the_start_a_mark_is_believed_for_one_period() {
        for (line, mark, change, next) in [
            // Now: 12:00:30.
            ("*/10 * * * *", "11:50:00", "", "12:00:00"),
            ("*/10 * * * *", "12:00:00", "", "12:10:00"),
            ("*/10 * * * *", "12:10:00", "waits", "12:20:00"),
            ("*/10 * * * *", "12:20:00", "begins", "12:10:00"),
            ("*/10 * * * *", "2027-11-20T12:00:00", "begins", "12:10:00"),
            ("* * * * * *", "12:00:31", "", "12:00:32"),
            ("* * * * * *", "12:00:32", "begins", "12:00:31"),
            ("* * * * * *", "2045-01-01T00:00:00", "begins", "12:00:31"),
            ("0 3 * * *", "2026-11-21T03:00:00", "waits", "2026-11-22T03:00:00"),
            ("0 3 * * *", "2026-11-22T03:00:00", "begins", "2026-11-21T03:00:00"),
            ("@every 1h", "11:30:00", "", "12:30:00"),
            ("@every 1h", "12:30:00", "", "13:00:30"),
            ("@every 1h", "14:00:00", "begins", "13:00:30"),
        ] {
            let schedule = schedule(line);
            let (resumed, found) = ScheduleMark::resume(&schedule, at(mark), at("12:00:30"));
            assert_eq!(
                (word(found), schedule.next_after(resumed.at())),
                (change, Some(at(next))),
                "{line} {mark}"
            );
        }
    }

    #[test]
    fn the_delay_of_an_interval_is_kept() {
        let delayed = |line: &str| schedule(line).delayed_by(SignedDuration::from_mins(20));
        for (line, next) in [("@every 1h", "13:20:30"), ("0 * * * *", "12:20:00")] {
            let schedule = delayed(line);
            let mut mark = ScheduleMark::begin_with_delay(&schedule, at("12:00:30"));
            for (now, elapsed) in [("12:00:30", 0), ("12:01:30", 1), ("12:02:30", 1)] {
                assert_eq!(mark.read(&schedule, at(now), SignedDuration::from_mins(elapsed)), None, "{line}");
                assert_eq!(schedule.next_after(mark.at()), Some(at(next)), "{line} at {now}");
            }
            // Another process goes on before the delay has passed.
            let (resumed, change) = ScheduleMark::resume(&schedule, mark.at(), at("12:05:00"));
            assert_eq!((word(change), schedule.next_after(resumed.at())), ("", Some(at(next))), "{line}");
        }
    }

    #[test]
    fn while_it_runs_three_hours_are_waited_for_and_no_more() {
        // What the clock shows, a minute later each time; what follows, and what is due next then.
        type Reading<'a> = (&'a str, &'a str, &'a str);
        let cases: [(&str, &[Reading<'_>]); 9] = [
            ("*/10 * * * *", &[("12:01:00", "", "12:10:00"), ("12:02:00", "", "12:10:00")]),
            // Forward.
            ("*/10 * * * *", &[("13:02:00", "", "12:10:00"), ("13:03:00", "", "12:10:00")]),
            // Within a period: nothing that fired comes again.
            ("0 * * * *", &[("11:58:00", "waits", "13:00:00"), ("12:02:00", "", "13:00:00")]),
            ("*/10 * * * *", &[("11:31:00", "waits", "12:10:00"), ("11:32:00", "", "12:10:00")]),
            ("*/10 * * * *", &[("09:01:00", "waits", "12:10:00"), ("09:02:00", "", "12:10:00")]),
            ("*/10 * * * *", &[("08:31:00", "begins", "08:40:00"), ("08:32:00", "", "08:40:00")]),
            // In small steps, and there and back.
            ("*/10 * * * *", &[("10:01:00", "waits", "12:10:00"), ("08:02:00", "begins", "08:10:00")]),
            ("*/10 * * * *", &[("10:01:00", "waits", "12:10:00"), ("12:02:00", "", "12:10:00")]),
            ("@every 1h", &[("02:01:00", "", "03:00:00"), ("02:02:00", "", "03:00:00")]),
        ];
        for (line, readings) in cases {
            let schedule = schedule(line);
            let mut mark = ScheduleMark::begin(at("12:00:00"));
            for (now, change, next) in readings {
                let found = mark.read(&schedule, at(now), SignedDuration::from_mins(1));
                assert_eq!(
                    (word(found), schedule.next_after(mark.at())),
                    (*change, Some(at(next))),
                    "{line} at {now}"
                );
            }
        }
    }

    #[test]
    fn steps_that_pass_no_mark_are_not_added_up() {
        let schedule = schedule("0 3 * * *");
        let mut mark = ScheduleMark { at: at("03:00:00"), ..ScheduleMark::begin(at("12:00:00")) };
        for now in ["10:00:00", "08:00:00", "06:00:00", "04:00:00"] {
            assert_eq!(mark.read(&schedule, at(now), SignedDuration::ZERO), None, "{now}");
        }
        assert_eq!(word(mark.read(&schedule, at("02:00:00"), SignedDuration::ZERO)), "waits");
        assert!(mark.waits(&schedule, at("02:00:00")) && !mark.waits(&schedule, at("03:00:00")));
    }
}
