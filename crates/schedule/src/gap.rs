//! How far apart the times of a calendar are.

use std::time::Duration;

use jiff::Timestamp;

/// How many times are looked at.
const LOOKED_AT: usize = 100;
/// From when on they are: the beginning of 2026, so that the answer is always the same.
const FROM: i64 = 1_767_225_600;

/// The shortest and the longest time between two of the next ones, by what follows after an instant. `None`: there are
/// no two.
pub fn gaps(next_after: impl Fn(Timestamp) -> Option<Timestamp>) -> Option<(Duration, Duration)> {
    let begin = next_after(Timestamp::from_second(FROM).ok()?)?;
    let times = std::iter::successors(Some(begin), |at| next_after(*at)).take(LOOKED_AT);
    let times: Vec<Timestamp> = times.collect();
    let gaps = times.windows(2).map(|pair| pair[1].duration_since(pair[0]).unsigned_abs());
    gaps.fold(None, |found: Option<(Duration, Duration)>, gap| {
        let (shortest, longest) = found.unwrap_or((gap, gap));
        Some((shortest.min(gap), longest.max(gap)))
    })
}

/// How many times [`longest`] looks at.
const MOST: usize = 10_000;
/// How far it looks: the changes of the clocks of a year are in it, and a day that comes once a year.
const SPAN: i64 = 400 * 24 * 3600;

/// The longest time between two of the times of a year and a month, or of the first 10,000. `None`: there are no two.
pub fn longest(next_after: impl Fn(Timestamp) -> Option<Timestamp>) -> Option<Duration> {
    let from = Timestamp::from_second(FROM).ok()?;
    let until = Timestamp::from_second(FROM + SPAN).ok()?;
    let first = next_after(from)?;
    let times = std::iter::successors(Some(first), |at| next_after(*at).filter(|next| next > at)).take(MOST);
    // The first one after the end counts: something that comes every two years has a gap, too.
    let mut longest = None;
    let mut before: Option<Timestamp> = None;
    for at in times {
        if let Some(before) = before {
            longest = longest.max(Some(at.duration_since(before).unsigned_abs()));
        }
        if at > until && longest.is_some() {
            break;
        }
        before = Some(at);
    }
    longest
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::schedule::{Schedule, time_zone};

    #[test]
    fn the_shortest_and_the_longest() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let berlin = time_zone("Europe/Berlin").unwrap();
        for (line, zone, expected) in [
            ("0 3 * * *", &TimeZone::UTC, Some((hours(24), hours(24)))),
            // The clocks go forward within these days.
            ("0 3 * * *", &berlin, Some((hours(23), hours(24)))),
            ("0 9,17 * * *", &TimeZone::UTC, Some((hours(8), hours(16)))),
            ("0 8 * * 1-5", &TimeZone::UTC, Some((hours(24), hours(72)))),
            ("@every 90m", &TimeZone::UTC, Some((hours(3) / 2, hours(3) / 2))),
        ] {
            let schedule = Schedule::parse(line, false, zone).unwrap();
            assert_eq!(gaps(|at| schedule.next_after(at)), expected, "{line}");
        }
        assert_eq!(gaps(|_| None), None);
    }

    #[test]
    fn the_longest_of_a_year() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let berlin = time_zone("Europe/Berlin").unwrap();
        for (line, zone, expected) in [
            ("0 3 * * *", &TimeZone::UTC, hours(24)),
            // The day on which the clocks go back has 25 hours.
            ("30 2 * * *", &berlin, hours(25)),
            ("0 8 * * 1-5", &TimeZone::UTC, hours(72)),
            ("0 0 1 * *", &TimeZone::UTC, hours(31 * 24)),
            ("0 0 29 2 *", &TimeZone::UTC, hours((3 * 365 + 366) * 24)),
            // Only the first ones are looked at.
            ("* * * * *", &TimeZone::UTC, Duration::from_secs(60)),
            ("@every 90m", &TimeZone::UTC, hours(3) / 2),
        ] {
            let schedule = Schedule::parse(line, false, zone).unwrap();
            assert_eq!(longest(|at| schedule.next_after(at)), Some(expected), "{line}");
        }
        assert_eq!(longest(|_| None), None);
    }
}
