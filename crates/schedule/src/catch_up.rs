//! Which of the times that passed meanwhile fire, and which are left out.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::schedule::Schedule;

/// How late something may fire that is not caught up with: a clock that is set forward by a little, or a machine that
/// was busy, loses nothing.
const ON_TIME: SignedDuration = SignedDuration::from_mins(1);
/// The most times that are caught up with at once.
const MAX_TIMES: usize = 10_000;

/// What happens to times that passed while nothing could fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// Nothing.
    None,
    /// The last of them fires.
    #[default]
    Last,
    /// Each of them fires.
    All,
}

/// The times that are to fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueTimes {
    /// Oldest first.
    pub times: Vec<Timestamp>,
    /// Whether any other time was left out.
    pub left_out: bool,
}

/// The times of the schedule after `last` up to `now` that are to fire. `window`: what was due longer ago is left out.
#[must_use]
pub fn due(
    schedule: &Schedule,
    catch_up: CatchUp,
    window: SignedDuration,
    last: Timestamp,
    now: Timestamp,
) -> DueTimes {
    let Some(latest) = schedule.last_between(last, now).or_else(|| schedule.next_after(last)) else {
        return DueTimes { times: Vec::new(), left_out: false };
    };
    if catch_up != CatchUp::All {
        let most = if catch_up == CatchUp::None { ON_TIME } else { window };
        let fires = now.duration_since(latest) <= most;
        return DueTimes { times: if fires { vec![latest] } else { Vec::new() }, left_out: !fires };
    }
    let begin = now.checked_sub(window).map_or(last, |begin| begin.max(last));
    let mut times = Vec::new();
    // The times of an interval follow from each other.
    let mut at = schedule.last_between(last, begin).unwrap_or(last);
    while let Some(next) = schedule.next_after(at).filter(|next| *next <= now) {
        if times.len() == MAX_TIMES {
            return DueTimes { times, left_out: true };
        }
        times.push(next);
        at = next;
    }
    let left_out = schedule.next_after(last).is_some_and(|first| first <= begin);
    DueTimes { times, left_out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    #[test]
    fn times_that_passed() {
        let window = SignedDuration::from_mins(30);
        for (line, catch_up, last, now, times, left_out) in [
            ("*/10 * * * *", CatchUp::None, 0, 10, &[10][..], false),
            ("*/10 * * * *", CatchUp::None, 0, 15, &[], true),
            ("*/10 * * * *", CatchUp::Last, 0, 25, &[20], false),
            ("0 * * * *", CatchUp::Last, 0, 95, &[], true),
            ("*/10 * * * *", CatchUp::All, 0, 25, &[10, 20], false),
            ("*/10 * * * *", CatchUp::All, 0, 65, &[40, 50, 60], true),
            ("@every 10m", CatchUp::All, 0, 25, &[10, 20], false),
            ("@every 10m", CatchUp::Last, 0, 25, &[20], false),
            ("@every 10m", CatchUp::None, 0, 25, &[], true),
            ("@every 7m", CatchUp::All, 0, 64, &[35, 42, 49, 56, 63], true),
            ("@every 7m", CatchUp::All, 0, 66, &[42, 49, 56, 63], true),
        ] {
            let schedule = Schedule::parse(line, false, &TimeZone::UTC).unwrap();
            let expected = DueTimes { times: times.iter().map(|minute| at(*minute)).collect(), left_out };
            assert_eq!(due(&schedule, catch_up, window, at(last), at(now)), expected, "{line} {catch_up:?}");
        }
        let schedule = Schedule::parse("* * * * *", false, &TimeZone::UTC).unwrap();
        let forever = due(&schedule, CatchUp::All, SignedDuration::MAX, at(0), at(20_000));
        assert_eq!((forever.times.len(), forever.left_out), (MAX_TIMES, true));
    }
}
