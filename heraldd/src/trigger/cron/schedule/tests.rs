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

/// One line a case: the cron line, its zone, an instant, and the instants that follow, as local time.
fn check(cases: &[(&str, &str, &str, &[&str])]) {
    for (line, zone, after, expected) in cases {
        let zone = time_zone(zone).unwrap();
        let schedule = schedule(line, zone.iana_name().unwrap());
        let found: Vec<String> = schedule
            .next_n(instant(after), expected.len())
            .into_iter()
            .map(|at| crate::zone::seconds(at, schedule.zone()))
            .collect();
        let expected: Vec<String> = expected
            .iter()
            .map(|text| crate::zone::seconds(instant(text), schedule.zone()))
            .collect();
        assert_eq!(found, expected, "{line} after {after}");
    }
}

#[test]
fn plain_lines() {
    check(&[
        ("* * * * *", UTC, "2026-01-01T00:00:00Z", &["2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"]),
        ("* * * * *", UTC, "2026-01-01T00:00:59.999Z", &["2026-01-01T00:01:00Z"]),
        ("* * * * *", UTC, "2026-12-31T23:59:00Z", &["2027-01-01T00:00:00Z"]),
        ("30 6 * * *", UTC, "2026-01-01T06:30:00Z", &["2026-01-02T06:30:00Z"]),
        ("30 6 * * *", UTC, "2026-01-01T06:29:59.5Z", &["2026-01-01T06:30:00Z"]),
        ("0 0 1 1 *", UTC, "2026-01-01T00:00:00Z", &["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]),
        ("59 23 31 12 *", UTC, "2026-01-01T00:00:00Z", &["2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"]),
        ("05 09 * * *", UTC, "2026-01-01T00:00:00Z", &["2026-01-01T09:05:00Z"]),
        ("  5\t9  * * *  ", UTC, "2026-01-01T00:00:00Z", &["2026-01-01T09:05:00Z"]),
        // Lists, ranges, steps.
        ("0,30 8 * * *", UTC, "2026-01-01T08:00:00Z", &["2026-01-01T08:30:00Z", "2026-01-02T08:00:00Z"]),
        ("0 8-10 * * *", UTC, "2026-01-01T09:00:00Z", &["2026-01-01T10:00:00Z", "2026-01-02T08:00:00Z"]),
        ("*/20 * * * *", UTC, "2026-01-01T00:30:00Z", &["2026-01-01T00:40:00Z", "2026-01-01T01:00:00Z"]),
        ("5/15 * * * *", UTC, "2026-01-01T00:00:00Z", &["2026-01-01T00:05:00Z", "2026-01-01T00:20:00Z", "2026-01-01T00:35:00Z", "2026-01-01T00:50:00Z", "2026-01-01T01:05:00Z"]),
        ("10-40/15 * * * *", UTC, "2026-01-01T00:00:00Z", &["2026-01-01T00:10:00Z", "2026-01-01T00:25:00Z", "2026-01-01T00:40:00Z", "2026-01-01T01:10:00Z"]),
        ("1,2,10-12,*/30 5 * * *", UTC, "2026-01-01T05:00:30Z", &["2026-01-01T05:01:00Z", "2026-01-01T05:02:00Z", "2026-01-01T05:10:00Z", "2026-01-01T05:11:00Z", "2026-01-01T05:12:00Z", "2026-01-01T05:30:00Z", "2026-01-02T05:00:00Z"]),
        ("*/90 * * * *", UTC, "2026-01-01T00:00:00Z", &["2026-01-01T01:00:00Z"]),
        ("0 */6 * * *", UTC, "2026-01-01T01:00:00Z", &["2026-01-01T06:00:00Z", "2026-01-01T12:00:00Z", "2026-01-01T18:00:00Z", "2026-01-02T00:00:00Z"]),
        ("0 22/1 * * *", UTC, "2026-01-01T00:00:00Z", &["2026-01-01T22:00:00Z", "2026-01-01T23:00:00Z", "2026-01-02T22:00:00Z"]),
        ("0 5,5,5 * * *", UTC, "2026-01-01T05:00:00Z", &["2026-01-02T05:00:00Z"]),
        ("0 0 *,5 * *", UTC, "2026-01-01T00:00:00Z", &["2026-01-02T00:00:00Z"]),
        ("0 12 1 */3 *", UTC, "2026-01-01T12:00:00Z", &["2026-04-01T12:00:00Z", "2026-07-01T12:00:00Z", "2026-10-01T12:00:00Z", "2027-01-01T12:00:00Z"]),
        ("0 0 * 2-3 *", UTC, "2026-03-31T00:00:00Z", &["2027-02-01T00:00:00Z"]),
    ]);
}

#[test]
fn days_and_names() {
    check(&[
        // 2026-01-01 is a Thursday.
        ("30 6 * * 3", UTC, "2026-01-01T00:00:00Z", &["2026-01-07T06:30:00Z", "2026-01-14T06:30:00Z"]),
        ("0 0 * * 0", UTC, "2026-01-01T00:00:00Z", &["2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"]),
        ("0 0 * * 7", UTC, "2026-01-01T00:00:00Z", &["2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"]),
        ("0 0 * * 0,7", UTC, "2026-01-01T00:00:00Z", &["2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"]),
        ("0 0 * * sun", UTC, "2026-01-01T00:00:00Z", &["2026-01-04T00:00:00Z"]),
        ("0 0 * * 5-7", UTC, "2026-01-01T00:00:00Z", &["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-09T00:00:00Z"]),
        ("0 0 * * Fri-Sun", UTC, "2026-01-02T00:00:00Z", &["2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-09T00:00:00Z"]),
        ("0 0 * * 0-2", UTC, "2026-01-01T00:00:00Z", &["2026-01-04T00:00:00Z", "2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z", "2026-01-11T00:00:00Z"]),
        ("0 0 * * SUN-tue", UTC, "2026-01-01T00:00:00Z", &["2026-01-04T00:00:00Z", "2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z", "2026-01-11T00:00:00Z"]),
        ("0 9 * * mon-FRI", UTC, "2026-01-02T09:00:00Z", &["2026-01-05T09:00:00Z"]),
        ("0 9 * * Mon,wed,5", UTC, "2026-01-01T00:00:00Z", &["2026-01-02T09:00:00Z", "2026-01-05T09:00:00Z", "2026-01-07T09:00:00Z"]),
        ("0 0 * * */2", UTC, "2026-01-01T00:00:00Z", &["2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-06T00:00:00Z", "2026-01-08T00:00:00Z"]),
        ("0 0 * * 1-5/2", UTC, "2026-01-01T00:00:00Z", &["2026-01-02T00:00:00Z", "2026-01-05T00:00:00Z", "2026-01-07T00:00:00Z"]),
        ("0 0 * * 6/1", UTC, "2026-01-01T00:00:00Z", &["2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-10T00:00:00Z"]),
        ("0 0 1 jan *", UTC, "2026-01-02T00:00:00Z", &["2027-01-01T00:00:00Z"]),
        ("0 0 1 JAN,Jul *", UTC, "2026-01-02T00:00:00Z", &["2026-07-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
        ("0 0 1 oct-DEC *", UTC, "2026-10-02T00:00:00Z", &["2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", "2027-10-01T00:00:00Z"]),
        // Both day fields restricted: either will do.
        ("0 0 13 * 5", UTC, "2026-01-01T00:00:00Z", &["2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z", "2026-01-16T00:00:00Z"]),
        ("0 0 1,15 * wed", UTC, "2026-01-01T00:00:00Z", &["2026-01-07T00:00:00Z", "2026-01-14T00:00:00Z", "2026-01-15T00:00:00Z", "2026-01-21T00:00:00Z"]),
        ("0 0 30 2 1", UTC, "2026-01-01T00:00:00Z", &["2026-02-02T00:00:00Z", "2026-02-09T00:00:00Z"]),
        ("0 0 1-31 * 1", UTC, "2026-01-01T00:00:00Z", &["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]),
        // One of them begins with a star: both have to be pleased.
        ("0 0 */2 * 1", UTC, "2026-01-01T00:00:00Z", &["2026-01-05T00:00:00Z", "2026-01-19T00:00:00Z", "2026-02-09T00:00:00Z"]),
        ("0 0 1-7 * */7", UTC, "2026-01-01T00:00:00Z", &["2026-01-04T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"]),
        // The ends of months.
        ("0 0 31 * *", UTC, "2026-01-31T00:00:00Z", &["2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z", "2026-07-31T00:00:00Z", "2026-08-31T00:00:00Z", "2026-10-31T00:00:00Z"]),
        ("0 0 30 * *", UTC, "2026-01-30T00:00:00Z", &["2026-03-30T00:00:00Z"]),
        ("0 12 28-31 2 *", UTC, "2026-02-01T00:00:00Z", &["2026-02-28T12:00:00Z", "2027-02-28T12:00:00Z", "2028-02-28T12:00:00Z", "2028-02-29T12:00:00Z"]),
        // 29 February: 2100 is no leap year.
        ("0 0 29 2 *", UTC, "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("0 0 29 2 *", UTC, "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]),
        ("0 0 29 2 */7", UTC, "2026-01-01T00:00:00Z", &["2032-02-29T00:00:00Z", "2060-02-29T00:00:00Z"]),
    ]);
}

#[test]
fn nicknames_seconds_and_zones() {
    check(&[
        ("@hourly", UTC, "2026-01-01T00:00:00Z", &["2026-01-01T01:00:00Z"]),
        ("@daily", UTC, "2026-01-01T00:00:00Z", &["2026-01-02T00:00:00Z"]),
        ("@midnight", BERLIN, "2026-01-01T00:00:00Z", &["2026-01-02T00:00:00+01:00"]),
        ("@weekly", UTC, "2026-01-01T00:00:00Z", &["2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"]),
        ("@Monthly", UTC, "2026-01-01T00:00:00Z", &["2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"]),
        ("@yearly", UTC, "2026-01-01T00:00:00Z", &["2027-01-01T00:00:00Z"]),
        ("@annually", UTC, "2026-01-01T00:00:00Z", &["2027-01-01T00:00:00Z"]),
        ("@every 1h", UTC, "2026-01-01T00:07:09.5Z", &["2026-01-01T01:07:09Z", "2026-01-01T02:07:09Z"]),
        ("@every 1h30m", BERLIN, "2026-03-29T01:00:00+01:00", &["2026-03-29T03:30:00+02:00", "2026-03-29T05:00:00+02:00"]),
        ("@every 90s", UTC, "2026-12-31T23:59:00Z", &["2027-01-01T00:00:30Z"]),
        ("*/10 * * * * *", UTC, "2026-01-01T00:00:05Z", &["2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z"]),
        ("15,45 30 6 * * 3", UTC, "2026-01-01T00:00:00Z", &["2026-01-07T06:30:15Z", "2026-01-07T06:30:45Z", "2026-01-14T06:30:15Z"]),
        ("* * * * * *", UTC, "2026-01-01T23:59:59.25Z", &["2026-01-02T00:00:00Z", "2026-01-02T00:00:01Z"]),
        ("0 0 0 29 2 *", UTC, "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z"]),
        ("TZ=America/New_York 0 6 * * *", BERLIN, "2026-01-01T00:00:00Z", &["2026-01-01T06:00:00-05:00"]),
        ("CRON_TZ=Asia/Tokyo  0 6 * * *", BERLIN, "2026-01-01T00:00:00Z", &["2026-01-02T06:00:00+09:00"]),
        ("TZ=UTC @daily", BERLIN, "2026-01-01T12:00:00Z", &["2026-01-02T00:00:00Z"]),
        ("0 6 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", &["2026-01-01T06:00:00+05:45"]),
    ]);
}

#[test]
fn the_clocks_go_forward() {
    check(&[
        // Berlin, 29 March 2026: 02:00 becomes 03:00. New York: 8 March.
        ("30 2 * * *", BERLIN, "2026-03-28T00:00:00Z", &["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]),
        ("30 2 * * *", NEW_YORK, "2026-03-07T12:00:00Z", &["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]),
        ("0 2 * * *", BERLIN, "2026-03-28T12:00:00Z", &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]),
        ("59 1 * * *", BERLIN, "2026-03-28T12:00:00Z", &["2026-03-29T01:59:00+01:00", "2026-03-30T01:59:00+02:00"]),
        ("0 3 * * *", BERLIN, "2026-03-28T12:00:00Z", &["2026-03-29T03:00:00+02:00", "2026-03-30T03:00:00+02:00"]),
        // Once, however many of its times fall into the gap, and however they meet the hour after it.
        ("0,20,40 2 * * *", BERLIN, "2026-03-28T12:00:00Z", &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]),
        ("30 2,3 * * *", BERLIN, "2026-03-28T12:00:00Z", &["2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"]),
        ("0 2,3 * * *", BERLIN, "2026-03-28T12:00:00Z", &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]),
        ("*/15 2 * * *", BERLIN, "2026-03-28T12:00:00Z", &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]),
        ("15 30 2 * * *", BERLIN, "2026-03-28T12:00:00Z", &["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:15+02:00"]),
        ("30 2 29 3 *", BERLIN, "2026-01-01T00:00:00Z", &["2026-03-29T03:00:00+02:00", "2027-03-29T02:30:00+02:00"]),
        ("30 2 * * 0", BERLIN, "2026-03-28T12:00:00Z", &["2026-03-29T03:00:00+02:00", "2026-04-05T02:30:00+02:00"]),
        ("0 */2 * * *", BERLIN, "2026-03-29T00:00:00+01:00", &["2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"]),
        // What runs in every hour just goes on.
        ("30 * * * *", BERLIN, "2026-03-29T00:40:00+01:00", &["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"]),
        ("*/20 * * * *", NEW_YORK, "2026-03-08T01:30:00-05:00", &["2026-03-08T01:40:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-08T03:20:00-04:00"]),
        ("30 0-23 * * *", BERLIN, "2026-03-29T00:40:00+01:00", &["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"]),
        // Half an hour at Lord Howe: 4 October 2026, 02:00 becomes 02:30.
        ("15 2 * * *", LORD_HOWE, "2026-10-03T03:00:00+10:30", &["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"]),
        ("45 2 * * *", LORD_HOWE, "2026-10-03T03:00:00+10:30", &["2026-10-04T02:45:00+11:00"]),
        // Midnight itself is left out in Beirut: 29 March 2026.
        ("0 0 * * *", "Asia/Beirut", "2026-03-28T12:00:00Z", &["2026-03-29T01:00:00+03:00", "2026-03-30T00:00:00+03:00"]),
        // A whole day was left out in Samoa: 30 December 2011.
        ("30 2 * * *", "Pacific/Apia", "2011-12-29T03:00:00-10:00", &["2011-12-31T00:00:00+14:00", "2011-12-31T02:30:00+14:00"]),
    ]);
}

#[test]
fn the_clocks_go_back() {
    check(&[
        // Berlin, 25 October 2026: 03:00 becomes 02:00. New York, 1 November: 02:00 becomes 01:00.
        ("30 2 * * *", BERLIN, "2026-10-24T12:00:00Z", &["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]),
        ("30 2 * * *", BERLIN, "2026-10-25T02:10:00+01:00", &["2026-10-26T02:30:00+01:00"]),
        ("30 1 * * *", NEW_YORK, "2026-10-31T12:00:00Z", &["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]),
        ("0 1,2 * * *", NEW_YORK, "2026-10-31T12:00:00Z", &["2026-11-01T01:00:00-04:00", "2026-11-01T02:00:00-05:00", "2026-11-02T01:00:00-05:00"]),
        ("0,30 2,3 * * *", BERLIN, "2026-10-24T12:00:00Z", &["2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-25T03:00:00+01:00", "2026-10-25T03:30:00+01:00", "2026-10-26T02:00:00+01:00"]),
        ("0 0-23 * * *", BERLIN, "2026-10-25T01:30:00+02:00", &["2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00"]),
        ("15 30 2 * * *", BERLIN, "2026-10-24T12:00:00Z", &["2026-10-25T02:30:15+02:00", "2026-10-26T02:30:15+01:00"]),
        ("0 3 * * *", BERLIN, "2026-10-24T12:00:00Z", &["2026-10-25T03:00:00+01:00"]),
        // What runs every so often runs through both passes.
        ("0 * * * *", BERLIN, "2026-10-25T01:30:00+02:00", &["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"]),
        ("*/30 * * * *", NEW_YORK, "2026-11-01T01:15:00-04:00", &["2026-11-01T01:30:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T01:30:00-05:00", "2026-11-01T02:00:00-05:00"]),
        ("*/20 2 * * *", BERLIN, "2026-10-25T02:30:00+02:00", &["2026-10-25T02:40:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:20:00+01:00", "2026-10-25T02:40:00+01:00", "2026-10-26T02:00:00+01:00"]),
        ("*/30 * * * * *", BERLIN, "2026-10-25T02:59:10+02:00", &["2026-10-25T02:59:30+02:00", "2026-10-25T02:00:00+01:00"]),
        // Lord Howe: 5 April 2026, 02:00 becomes 01:30.
        ("45 1 * * *", LORD_HOWE, "2026-04-04T02:00:00+11:00", &["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"]),
        ("*/15 * * * *", LORD_HOWE, "2026-04-05T01:30:00+11:00", &["2026-04-05T01:45:00+11:00", "2026-04-05T01:30:00+10:30", "2026-04-05T01:45:00+10:30", "2026-04-05T02:00:00+10:30"]),
    ]);
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
        assert!(error.contains(says), "{line}: {error}");
    }
    let error = Schedule::parse("0 0 * * *", true, &TimeZone::UTC).unwrap_err();
    assert!(error.contains("six fields"), "{error}");
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

/// A field as text, with the values that it stands for.
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
        // The first instant after a gap stands for all that the gap left out.
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
            for _ in 0..20 {
                let Some(next) = schedule.next_after(last) else { break };
                prop_assert!(next > last, "{line}: {next} after {last}");
                prop_assert_eq!(next.subsec_nanosecond(), 0);
                prop_assert_eq!(schedule.last_between(last, next), Some(next), "{}", line);
                prop_assert_eq!(schedule.last_between(last, next - SignedDuration::from_secs(1)), None, "{}", line);
                last = next;
            }
        }
    }
}
