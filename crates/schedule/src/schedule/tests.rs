use super::*;
use proptest::prelude::*;

const UTC: &str = "UTC";
const BERLIN: &str = "Europe/Berlin";
const NEW_YORK: &str = "America/New_York";
const LORD_HOWE: &str = "Australia/Lord_Howe";

fn schedule(line: &str, zone: &str) -> Schedule {
    let with_seconds = line.split_whitespace().filter(|field| !field.contains('=')).count() == 6;
    Schedule::parse(line, with_seconds, &time_zone(zone).unwrap())
        .unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The table: `cases.txt`.
#[test]
fn the_table() {
    let mut cases = 0;
    for case in include_str!("cases.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut columns = case.split(" | ");
        let mut column = || columns.next().unwrap_or_else(|| panic!("a column is missing: {case}"));
        let (line, zone, after, expected) = (column(), column(), column(), column());
        let schedule = schedule(line, zone);
        let shown = |at: Timestamp| crate::local_time::seconds(at, schedule.zone());
        let expected: Vec<String> = expected.split(", ").map(|text| shown(instant(text))).collect();
        let found: Vec<String> =
            schedule.next_n(instant(after), expected.len()).into_iter().map(shown).collect();
        assert_eq!(found, expected, "{case}");
        cases += 1;
    }
    assert!(cases >= 100, "{cases}");
}

#[test]
fn changes_of_the_clocks_are_remarked_on() {
    for (line, zone, due, expected) in [
        (
            "30 2 * * *",
            BERLIN,
            "2027-03-28T01:00:00Z",
            "the clocks go forward from 02:00 to 03:00: it runs once, right after",
        ),
        ("30 2 * * *", BERLIN, "2027-03-29T00:30:00Z", ""),
        ("0 3 * * *", BERLIN, "2027-03-28T01:00:00Z", ""),
        ("*/30 * * * *", BERLIN, "2027-03-28T01:00:00Z", ""),
        ("30 2 * * *", BERLIN, "2026-10-25T00:30:00Z", "comes twice: it runs once, the first time"),
        ("*/30 * * * *", BERLIN, "2026-10-25T01:30:00Z", "comes twice: it runs each time"),
        ("30 2 * * *", "UTC", "2026-10-25T02:30:00Z", ""),
        ("@every 1h", BERLIN, "2026-10-25T01:30:00Z", ""),
    ] {
        let change = schedule(line, zone).at_clock_change(instant(due));
        let found = change.map(DueAtChange::sentence).unwrap_or_default();
        assert!(
            found.ends_with(expected) && found.is_empty() == expected.is_empty(),
            "{line} {due}: {found}"
        );
    }
}

#[test]
fn a_line_of_every_second_is_counted_at_once() {
    let schedule = schedule("* * * * * *", BERLIN).delayed_by(SignedDuration::from_millis(2500));
    let (from, until) = (instant("2026-10-01T00:00:00Z"), instant("2026-11-01T00:00:00Z"));
    assert_eq!(schedule.count_between(from, until), 31 * 86_400);
    assert_eq!(schedule.count_between(until, from), 0);
    assert_eq!(schedule.count_between(Timestamp::MIN, Timestamp::MIN), 0);
}

#[test]
fn bad_lines_say_what_is_wrong() {
    for (line, says) in [
        ("", "there is no cron line"),
        ("* * * *", "five fields"),
        ("* * * * * *", "with_seconds"),
        ("60 * * * *", "minute field: `60` is not between 0 and 59"),
        ("0 24 * * *", "hour field"),
        ("0 0 0 * *", "day of month field: `0` is not between 1 and 31"),
        ("0 0 32 * *", "day of month"),
        ("0 0 * 13 *", "month field"),
        ("0 0 * * 8", "day of week field: `8` is not between 0 and 7"),
        ("1,,2 * * * *", "empty item"),
        ("0 3 * * 1, 5", "a list has no spaces in it; write `1,5` instead of `1, 5`"),
        ("0 3 * * mon ,fri", "a list has no spaces in it; write `mon,fri` instead of `mon ,fri`"),
        ("0 3 1, 15 * *", "a list has no spaces in it; write `1,15` instead of `1, 15`"),
        (",1 * * * *", "empty item"),
        ("1, * * * *", "empty item"),
        ("*/0 * * * *", "step"),
        ("*/ * * * *", "step"),
        ("*/x * * * *", "step"),
        ("*/+5 * * * *", "step"),
        ("/5 * * * *", "not a number"),
        ("30-10 * * * *", "runs backwards"),
        ("0 0 * * fri-mon", "runs backwards"),
        ("0 0 * * 5-0", "runs backwards"),
        ("1-2-3 * * * *", "minute field"),
        ("-1 * * * *", "minute field"),
        ("1.5 * * * *", "minute field"),
        ("mon * * * *", "minute field"),
        ("0 0 * jen *", "did you mean `jan`?"),
        ("0 0 * * monday", "day of week field"),
        ("0 0 L * *", "not part of classic cron"),
        ("0 0 15W * *", "not part of classic cron"),
        ("0 0 * * 5#2", "not part of classic cron"),
        ("0 0 ? * 1", "not part of classic cron"),
        ("0 0 30 2 *", "never due"),
        ("0 0 31 4,6,9,11 *", "never due"),
        ("0 0 31 2 */2", "never due"),
        ("@dayly", "did you mean `@daily`?"),
        ("@reboot", "names no time"),
        ("@daily 5", "nothing may follow"),
        ("@every", "needs a duration"),
        ("@every 0s", "more than zero"),
        ("@every 500ms", "whole seconds"),
        ("@every 1x", "@every 1x"),
        ("TZ=Europe/Berlim 0 0 * * *", "did you mean `Europe/Berlin`?"),
        ("TZ=UTC", "there is no cron line"),
        ("TZ=../../etc/passwd 0 0 * * *", "there is no time zone"),
    ] {
        let error = Schedule::parse(line, false, &TimeZone::UTC).expect_err(line);
        assert!(error.to_string().contains(says), "{line}: {error}");
    }
    let error = Schedule::parse("0 0 * * *", true, &TimeZone::UTC).unwrap_err();
    assert!(error.to_string().contains("six fields"), "{error}");
}

#[test]
fn the_last_time_due() {
    for (line, after, until, last) in [
        ("0 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:59:59Z", None),
        ("0 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z", Some("2026-01-01T01:00:00Z")),
        ("0 * * * *", "2026-01-01T00:00:00Z", "2026-03-01T07:30:00Z", Some("2026-03-01T07:00:00Z")),
        ("* * * * * *", "2026-01-01T00:00:00Z", "2036-01-01T00:00:00.5Z", Some("2036-01-01T00:00:00Z")),
        ("* * 1 1 * *", "2026-01-01T00:00:00Z", "2035-12-01T00:00:00Z", Some("2035-11-01T01:59:59Z")),
        ("* * * 1 1 *", "2026-01-01T00:00:00Z", "2035-12-01T00:00:00Z", Some("2035-01-01T23:59:59Z")),
        ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2031-12-01T00:00:00Z", Some("2028-02-29T00:00:00Z")),
        ("@every 7s", "2026-01-01T00:00:00Z", "2026-01-01T00:00:30Z", Some("2026-01-01T00:00:28Z")),
        ("@every 7s", "2026-01-01T00:00:00Z", "2026-01-01T00:00:06Z", None),
        ("@every 1s", "2026-01-01T00:00:00Z", "2096-01-01T00:00:00Z", Some("2096-01-01T00:00:00Z")),
        ("0 0 1 1 *", "2026-06-01T00:00:00Z", "2026-01-01T00:00:00Z", None),
    ] {
        let found = schedule(line, UTC).last_between(instant(after), instant(until));
        assert_eq!(found, last.map(instant), "{line} until {until}");
    }
}

#[test]
fn the_end_of_the_calendar_is_an_end() {
    assert_eq!(schedule("0 0 1 1 *", UTC).next_after(Timestamp::MAX), None);
    assert_eq!(schedule("@every 1h", UTC).next_after(Timestamp::MAX), None);
}

/// A field as text, with the values that it means.
fn field(least: u32, most: u32) -> impl Strategy<Value = (String, Vec<u32>)> {
    prop_oneof![
        Just(("*".to_owned(), (least..=most).collect())),
        (least..=most).prop_map(|n| (n.to_string(), vec![n])),
        (least..=most, least..=most).prop_map(|(a, b)| (format!("{a},{b}"), vec![a, b])),
        (least..=most, least..=most).prop_map(|(a, b)| {
            let (a, b) = (a.min(b), a.max(b));
            (format!("{a}-{b}"), (a..=b).collect())
        }),
        (1..=most).prop_map(move |n| (format!("*/{n}"), (least..=most).step_by(n as usize).collect())),
    ]
}

/// Vixie cron's rules once more, minute by minute over the real time line.
struct Minutes {
    zone: TimeZone,
    fields: [(String, Vec<u32>); 5],
}

impl Minutes {
    fn names(&self, local: DateTime) -> bool {
        let [minute, hour, day, month, weekday] = &self.fields;
        let has = |field: &(String, Vec<u32>), value: i8| field.1.contains(&u32::try_from(value).unwrap());
        let day_fits = has(day, local.day());
        let weekday_fits = has(weekday, local.weekday().to_sunday_zero_offset());
        let days = if day.0.starts_with('*') || weekday.0.starts_with('*') {
            day_fits && weekday_fits
        } else {
            day_fits || weekday_fits
        };
        has(minute, local.minute()) && has(hour, local.hour()) && has(month, local.month()) && days
    }

    /// Whether it fires at this instant, a whole minute.
    fn fires(&self, at: Timestamp) -> bool {
        let before = self.zone.to_datetime(at - SignedDuration::from_secs(1));
        let local = self.zone.to_datetime(at);
        let fixed = !self.fields[0].0.starts_with('*') && !self.fields[1].0.starts_with('*');
        let every_hour = self.fields[1].1.iter().collect::<std::collections::BTreeSet<_>>().len() == 24;
        // The first instant after a gap replaces all that the gap left out.
        let mut left_out = before.with().second(0).build().unwrap() + SignedDuration::from_mins(1);
        let mut gap_names = false;
        while left_out < local {
            gap_names |= self.names(left_out);
            left_out += SignedDuration::from_mins(1);
        }
        let again = matches!(self.zone.to_ambiguous_timestamp(local).offset(),
            AmbiguousOffset::Fold { after, .. } if self.zone.to_offset(at) == after);
        (self.names(local) && !(fixed && again)) || (gap_names && !every_hour)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Around every change of the clocks, the answer is that of a walk through all minutes.
    #[test]
    fn agrees_with_a_walk_through_all_minutes(
        minute in field(0, 59),
        hour in field(0, 23),
        day in prop_oneof![2 => Just(("*".to_owned(), (1..=31).collect())), 1 => field(1, 31)],
        weekday in prop_oneof![2 => Just(("*".to_owned(), (0..=6).collect())), 1 => field(0, 6)],
        zone in prop::sample::select(vec![BERLIN, NEW_YORK, LORD_HOWE, UTC]),
        change in prop::sample::select(vec![
            "2026-03-29T00:30:00Z", "2026-10-25T00:30:00Z", "2026-03-08T06:30:00Z", "2026-11-01T05:30:00Z",
            "2026-04-04T14:30:00Z", "2026-10-03T15:00:00Z",
        ]),
        shift in -300_i64..300,
    ) {
        let fields = [minute, hour, day, ("*".to_owned(), (1..=12).collect()), weekday];
        let line = fields.each_ref().map(|(text, _)| text.as_str()).join(" ");
        let schedule = schedule(&line, zone);
        let slow = Minutes { zone: time_zone(zone).unwrap(), fields };
        let from = instant(change) + SignedDuration::from_mins(shift);
        let minutes = (1..=1500).map(|n| from + SignedDuration::from_mins(n));
        let expected: Vec<Timestamp> = minutes.filter(|at| slow.fires(*at)).take(5).collect();
        let found = schedule.next_n(from, expected.len());
        if let [first, .., last] = expected[..] {
            prop_assert_eq!(schedule.count_between(first, last), expected.len() as u64 - 1, "{}", line);
            let after = last + SignedDuration::from_nanos(1);
            prop_assert_eq!(schedule.count_between(from + SignedDuration::from_nanos(1), after), expected.len() as u64, "{}", line);
        }
        prop_assert_eq!(found, expected, "{}", line);
    }

    /// Whatever the line and the instant: on a whole second, later than asked, and `last_between` agrees.
    #[test]
    fn strictly_increasing(
        second in field(0, 59),
        minute in field(0, 59),
        hour in field(0, 23),
        day in field(1, 31),
        month in field(1, 12),
        weekday in field(0, 7),
        zone in prop::sample::select(vec![BERLIN, NEW_YORK, LORD_HOWE, "Pacific/Apia", "Asia/Beirut", "Africa/Casablanca"]),
        after in -2_000_000_000_i64..4_000_000_000,
        nanos in 0_i32..999_999_999,
    ) {
        let line = [second, minute, hour, day, month, weekday].map(|(text, _)| text).join(" ");
        if let Ok(schedule) = Schedule::parse(&line, true, &time_zone(zone).unwrap()) {
            let mut last = Timestamp::new(after, nanos).unwrap();
            let (begin, mut count) = (last + SignedDuration::from_nanos(1), 0);
            for _ in 0..20 {
                let Some(next) = schedule.next_after(last) else { break };
                prop_assert!(next > last, "{line}: {next} after {last}");
                prop_assert_eq!(next.subsec_nanosecond(), 0);
                prop_assert_eq!(schedule.last_between(last, next), Some(next), "{}", line);
                prop_assert_eq!(schedule.last_between(last, next - SignedDuration::from_secs(1)), None, "{}", line);
                last = next;
                count += 1;
                // A line may be due once in many years.
                if next.duration_since(begin) < SignedDuration::from_hours(24 * 90) {
                    prop_assert_eq!(schedule.count_between(begin, next), count - 1, "{}", line);
                    let after = next + SignedDuration::from_nanos(1);
                    prop_assert_eq!(schedule.count_between(begin, after), count, "{}", line);
                }
            }
        }
    }
}
