use super::*;
use crate::schedule::{Schedule, time_zone};

impl Occurrences for Schedule {
    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        Schedule::next_after(self, after)
    }

    fn count_between(&self, from: Timestamp, until: Timestamp) -> u64 {
        Schedule::count_between(self, from, until)
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Lines of a zone, from when to when, the size of buckets, the most entries; what comes: the time in the zone, the
/// place of the line, and how many.
type Case<'a> = (&'a [&'a str], &'a str, [&'a str; 2], Option<BucketSize>, usize, &'a [&'a str]);

const HOUR: Option<BucketSize> = Some(BucketSize::Hour);
const DAY: Option<BucketSize> = Some(BucketSize::Day);

const CASES: [Case<'static>; 8] = [
    (&[], "UTC", ["2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"], None, 10, &[]),
    (
        &["0 * * * *", "30 12 * * *", "0 13 * * *"],
        "UTC",
        ["2026-11-20T12:00:00Z", "2026-11-20T14:00:00Z"],
        None,
        10,
        &[
            "2026-11-20T12:30:00+00:00 1 ×1",
            "2026-11-20T13:00:00+00:00 0 ×1",
            "2026-11-20T13:00:00+00:00 2 ×1",
        ],
    ),
    (
        &["* * * * *"],
        "UTC",
        ["2026-11-20T12:00:30Z", "2026-11-20T14:10:00Z"],
        HOUR,
        10,
        &[
            "2026-11-20T12:01:00+00:00 0 ×59",
            "2026-11-20T13:00:00+00:00 0 ×60",
            "2026-11-20T14:00:00+00:00 0 ×10",
        ],
    ),
    (
        &["* * * * *"],
        "UTC",
        ["2026-11-20T12:00:00Z", "2026-11-20T14:00:00Z"],
        None,
        1,
        &["2026-11-20T12:01:00+00:00 0 ×1", "cut at 2026-11-20T12:02:00+00:00"],
    ),
    // Forward: 02:30 comes right after the change; the day has 23 hours.
    (
        &["30 2 * * *", "* * * * * *"],
        "Europe/Berlin",
        ["2027-03-27T23:00:00Z", "2027-03-28T22:00:00Z"],
        DAY,
        10,
        &["2027-03-28T00:00:01+01:00 1 ×82799", "2027-03-28T03:00:00+02:00 0 ×1"],
    ),
    // Back: 02:30 comes twice, a line with a fixed time once; the day has 25 hours.
    (
        &["30 2 * * *", "*/30 * * * *"],
        "Europe/Berlin",
        ["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"],
        HOUR,
        10,
        &[
            "2026-10-25T02:30:00+02:00 0 ×1",
            "2026-10-25T02:30:00+02:00 1 ×1",
            "2026-10-25T02:00:00+01:00 1 ×2",
        ],
    ),
    (
        &["* * * * * *"],
        "Europe/Berlin",
        ["2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"],
        DAY,
        10,
        &["2026-10-25T00:00:01+02:00 0 ×89999"],
    ),
    // Half an hour forward.
    (
        &["*/10 * * * *", "15 2 * * *"],
        "Australia/Lord_Howe",
        ["2026-10-03T15:00:00Z", "2026-10-03T16:00:00Z"],
        HOUR,
        10,
        &[
            "2026-10-04T01:40:00+10:30 0 ×2",
            "2026-10-04T02:30:00+11:00 0 ×3",
            "2026-10-04T02:30:00+11:00 1 ×1",
        ],
    ),
];

#[test]
fn what_is_due_in_a_range() {
    for (lines, zone, [from, until], size, most, expected) in CASES {
        let zone = time_zone(zone).unwrap();
        let schedules =
            lines.iter().map(|line| Schedule::parse(line, line.split(' ').count() == 6, &zone).unwrap());
        let schedules: Vec<Schedule> = schedules.collect();
        let (from, until) = (at(from), at(until));
        let sources: Vec<_> = schedules.iter().map(|due| AgendaSource { due, after: from }).collect();
        let buckets = size.map(|size| Buckets::new(&zone, from, until, size));
        let agenda = agenda(&sources, until, buckets.as_ref(), most);
        let local = |at| crate::local_time::seconds(at, &zone);
        let shown = |entry: &AgendaEntry| format!("{} {} ×{}", local(entry.first), entry.source, entry.count);
        let found =
            agenda.entries.iter().map(shown).chain(agenda.cut_at.map(|at| format!("cut at {}", local(at))));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{lines:?}");
    }
}

#[test]
fn buckets_are_hours_and_days_of_a_zone() {
    for (zone, from, until, size, expected) in [
        ("UTC", "2026-11-20T10:30:00Z", "2026-11-20T12:30:00Z", BucketSize::Hour, 3),
        ("Asia/Kathmandu", "2026-11-20T10:15:00Z", "2026-11-20T12:15:00Z", BucketSize::Hour, 2),
        ("Europe/Berlin", "2027-03-27T23:00:00Z", "2027-03-28T22:00:00Z", BucketSize::Hour, 23),
        ("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", BucketSize::Hour, 25),
        ("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z", BucketSize::Day, 2),
        // No 30 December 2011 there.
        ("Pacific/Apia", "2011-12-29T10:00:00Z", "2012-01-01T10:00:00Z", BucketSize::Day, 3),
    ] {
        let zone = time_zone(zone).unwrap();
        let (from, until) = (at(from), at(until));
        let buckets = Buckets::new(&zone, from, until, size);
        let last = until.checked_sub(NANOSECOND).unwrap();
        assert_eq!(buckets.place_of(last) + 1, expected, "{zone:?} {size:?}");
        assert_eq!((buckets.place_of(from), buckets.end_of(last)), (0, until));
        let ends =
            std::iter::successors(Some(from), |at| Some(buckets.end_of(*at)).filter(|end| *end < until));
        assert_eq!(ends.count(), expected);
    }
}

#[test]
fn times_at_a_fixed_distance() {
    let every = Repeating { first: at("2026-11-20T12:00:00.5Z"), period: Duration::from_millis(1500) };
    for (after, next) in [
        ("2026-11-20T00:00:00Z", "2026-11-20T12:00:00.5Z"),
        ("2026-11-20T12:00:00.5Z", "2026-11-20T12:00:02Z"),
        ("2026-11-20T12:00:01Z", "2026-11-20T12:00:02Z"),
        ("2026-11-20T13:00:00Z", "2026-11-20T13:00:00.5Z"),
    ] {
        assert_eq!(every.next_after(at(after)), Some(at(next)), "{after}");
    }
    for (from, until, count) in [
        ("2026-11-20T00:00:00Z", "2026-11-20T12:00:00.5Z", 0),
        ("2026-11-20T00:00:00Z", "2026-11-20T12:00:01Z", 1),
        ("2026-11-20T12:00:00.5Z", "2026-11-20T12:00:03.5Z", 2),
        ("2026-11-20T12:00:00.6Z", "2026-11-21T12:00:00.5Z", 57_599),
    ] {
        assert_eq!(every.count_between(at(from), at(until)), count, "{from}");
    }
    let never = Repeating { first: at("2026-11-20T12:00:00Z"), period: Duration::MAX };
    assert_eq!(never.next_after(at("2026-11-20T12:00:00Z")), None);
}

#[test]
fn the_clocks_of_a_zone_change() {
    let zone = time_zone("Europe/Berlin").unwrap();
    let changes = zone_changes(&zone, at("2026-10-25T01:00:00Z"), at("2027-03-28T01:00:01Z"));
    let shown = changes.iter().map(|change| format!("{} {} {}", change.at, change.before, change.after));
    assert_eq!(shown.collect::<Vec<_>>(), ["2026-10-25T01:00:00Z +02 +01", "2027-03-28T01:00:00Z +01 +02"]);
    assert_eq!(zone_changes(&jiff::tz::TimeZone::UTC, Timestamp::MIN, Timestamp::MAX), []);
    assert_eq!(zone_changes(&zone, Timestamp::MIN, Timestamp::MAX).len(), 10);
}
