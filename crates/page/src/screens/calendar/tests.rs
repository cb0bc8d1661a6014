use std::collections::BTreeMap;

use herald_access::{AuthenticatedCaller, Via};
use herald_control::model::{CalendarDue, CalendarPause, CalendarRuns, CalendarSchedule};

use super::*;
use crate::screens::tests::{HOSTILE, check, with_frame_at};

const BERLIN: &str = "Europe/Berlin";

fn runs(router: &str, first: &str, outcomes: &[(&str, u64)], seconds: i64) -> CalendarRuns {
    let at: Timestamp = first.parse().unwrap();
    let outcomes: BTreeMap<String, u64> =
        outcomes.iter().map(|(status, count)| ((*status).to_owned(), *count)).collect();
    CalendarRuns {
        router: router.to_owned(),
        first: first.to_owned(),
        last: first.to_owned(),
        count: outcomes.values().sum(),
        outcomes,
        job_id: "01a22833-3b1d-73ad-8d05-895b9cb2630f".to_owned(),
        started_at: Some(first.to_owned()),
        ended_at: Some((at + jiff::SignedDuration::from_secs(seconds)).to_string()),
        caught_up: None,
    }
}

fn due(trigger: &str, first: &str, count: u64, remark: Option<&str>) -> CalendarDue {
    CalendarDue {
        trigger: trigger.to_owned(),
        first: first.to_owned(),
        count,
        remark: remark.map(str::to_owned),
    }
}

fn schedule(trigger: &str, routers: &[&str], usual: Option<f64>) -> CalendarSchedule {
    CalendarSchedule {
        trigger: trigger.to_owned(),
        cron: Some("30 2 * * *".to_owned()),
        zone: Some(BERLIN.to_owned()),
        every_seconds: None,
        routers: routers.iter().map(|name| (*name).to_owned()).collect(),
        router_count: routers.len() as u64,
        usual_seconds: usual,
        waits_for_clock: false,
        paused: Vec::new(),
    }
}

fn calendar(
    runs: Vec<CalendarRuns>,
    due: Vec<CalendarDue>,
    schedules: Vec<CalendarSchedule>,
) -> CalendarResource {
    CalendarResource {
        from: String::new(),
        until: String::new(),
        now: String::new(),
        runs,
        runs_since: None,
        due,
        due_until: None,
        schedules,
        clock_changes: Vec::new(),
    }
}

/// A screen, at a time, of what its address means.
fn shown(address: &str, now: &str, calendar: &CalendarResource) -> String {
    let admin = AuthenticatedCaller::admin(Some(HOSTILE.to_owned()), Via::Page);
    with_frame_at(now, &format!("/calendar{address}"), Some(&admin), |frame| {
        let asked = |key| frame.asked(key);
        let window = CalendarWindow::read(
            asked("view").as_deref(),
            asked("from").as_deref(),
            asked("zone").as_deref(),
            frame.now,
            &frame.zone,
        );
        screen(frame, &window.unwrap(), calendar)
    })
}

#[test]
fn windows() {
    let now: Timestamp = "2026-11-29T23:30:00Z".parse().unwrap();
    for (view, from, zone, expected, days) in [
        (None, None, None, "2026-11-23T00:00:00Z 2026-11-30T00:00:00Z", 7),
        (None, None, Some(BERLIN), "2026-11-29T23:00:00Z 2026-12-06T23:00:00Z", 7),
        (Some("day"), Some("2026-10-25"), Some(BERLIN), "2026-10-24T22:00:00Z 2026-10-25T23:00:00Z", 1),
        (Some("day"), Some("2027-03-28"), Some(BERLIN), "2027-03-27T23:00:00Z 2027-03-28T22:00:00Z", 1),
        (Some("week"), Some("2027-03-28"), Some("UTC"), "2027-03-22T00:00:00Z 2027-03-29T00:00:00Z", 7),
        (Some("month"), Some("2026-11-17"), Some("server"), "2026-10-26T00:00:00Z 2026-12-07T00:00:00Z", 42),
        (Some("month"), Some("2027-02-01"), None, "2027-02-01T00:00:00Z 2027-03-01T00:00:00Z", 28),
        (Some("list"), Some("2026-12-31"), None, "2026-12-31T00:00:00Z 2027-01-14T00:00:00Z", 14),
    ] {
        let window = CalendarWindow::read(view, from, zone, now, &TimeZone::UTC).unwrap();
        assert_eq!(format!("{} {}", window.from, window.until), expected, "{view:?} {from:?} {zone:?}");
        assert_eq!(window.days.len(), days, "{view:?}");
    }
    for (view, from, zone, error) in [
        (Some("year"), None, None, CalendarWindowError::View),
        (None, Some("2026-02-30"), None, CalendarWindowError::From),
        (None, Some("9999-12-31"), None, CalendarWindowError::From),
        (None, Some("1969-12-31"), None, CalendarWindowError::From),
        (None, Some("-002026-11-23"), None, CalendarWindowError::From),
        (None, Some("2026-11-23T00:00:00Z"), None, CalendarWindowError::From),
        (None, None, Some("Europe/Berlim"), CalendarWindowError::Zone),
        (None, None, Some("../../etc/passwd"), CalendarWindowError::Zone),
    ] {
        let found = CalendarWindow::read(view, from, zone, now, &TimeZone::UTC).unwrap_err();
        assert_eq!(found, error, "{view:?} {from:?} {zone:?}");
    }
}

#[test]
fn hostile_names_stay_texts_in_every_view() {
    let mut run = runs(HOSTILE, "2026-11-28T02:30:00Z", &[("failed", 1)], 60);
    run.caught_up = Some("2026-11-28T01:30:00Z".to_owned());
    let mut calendar = calendar(
        vec![run, runs(&HOSTILE.repeat(50), "2026-11-28T03:00:00Z", &[("failed", 1), ("succeeded", 11)], 5)],
        vec![
            due(HOSTILE, "2026-11-29T12:30:00Z", 1, Some(HOSTILE)),
            due("unknown", "2026-11-29T13:00:00Z", 3600, None),
        ],
        vec![CalendarSchedule {
            cron: Some(HOSTILE.to_owned()),
            ..schedule(HOSTILE, &[HOSTILE], Some(1e12))
        }],
    );
    calendar.runs_since = Some("2026-11-27T00:00:00Z".to_owned());
    calendar.due_until = Some(HOSTILE.to_owned());
    let change = |zone: &str| ClockChangeResource {
        zone: zone.to_owned(),
        at: "2026-11-29T01:00:00Z".to_owned(),
        before: HOSTILE.to_owned(),
        after: "+01:00".to_owned(),
    };
    calendar.clock_changes = vec![change(BERLIN), change(HOSTILE)];
    for view in ["day", "week", "month", "list"] {
        for date in ["2026-11-28", "2026-11-29"] {
            let html =
                shown(&format!("?view={view}&from={date}&zone=UTC"), "2026-11-29T12:00:00Z", &calendar);
            check(&html);
            assert!(html.contains("heraldd next") && html.contains("rel=\"next\""), "{html}");
        }
    }
}

#[test]
fn a_week_shows_runs_due_times_and_now() {
    let mut calendar = calendar(
        vec![
            runs("backup_db", "2026-11-23T02:00:00Z", &[("succeeded", 1)], 300),
            runs("sync", "2026-11-24T06:30:00Z", &[("failed", 1), ("succeeded", 11)], 5),
        ],
        vec![
            due("nightly", "2026-11-27T02:00:00Z", 1, Some("it runs once")),
            due("often", "2026-11-27T03:00:00Z", 12, None),
            due("many", "2026-11-27T04:00:00Z", 1, None),
            due("none", "2026-11-27T05:00:00Z", 1, None),
        ],
        vec![
            schedule("nightly", &["backup_db"], Some(300.0)),
            schedule("often", &["sync"], Some(400.0)),
            schedule("many", &["a", "b", "c"], None),
            schedule("none", &[], None),
        ],
    );
    let html = shown("?view=week&from=2026-11-26&zone=UTC", "2026-11-26T09:15:00Z", &calendar);
    for part in [
        "<h2>23 November 2026 – 29 November 2026 <span class=\"soft\">UTC</span></h2>",
        "href=\"/herald/jobs/01a22833-3b1d-73ad-8d05-895b9cb2630f\"><bdi>backup_db</bdi>",
        "<span class=\"sr\">succeeded</span>",
        "<bdi>sync</bdi> ×12</a> <span class=\"bad\">1 failed, 11 succeeded</span>",
        "href=\"/herald/jobs?router=sync&amp;since=2026-11-24T06%3A30%3A00Z&amp;until=2026-11-24T06%3A30%3A00.001Z\"",
        "usually 5m",
        "▲ it runs once",
        "<li class=\"now\">now 09:15</li>",
        "aria-current=\"date\">Thu 26 Nov (today)",
        "<th scope=\"row\">02:00</th>",
        "href=\"/herald/calendar?view=week&amp;from=2026-11-16&amp;zone=UTC\"",
        "href=\"/herald/calendar?view=week&amp;from=2026-11-30&amp;zone=UTC\"",
        "href=\"/herald/calendar?view=week&amp;zone=UTC\">Today",
        "<bdi>many</bdi></a> (3 routers)",
        "<bdi>none</bdi></a> (no router)",
        "<bdi>sync</bdi></a> ×12",
        "▲ it is due again before its job usually ends",
        "/herald/v1/calendar.ics",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert_eq!(html.matches("<th scope=\"row\">").count(), 6, "only hours in which something is: {html}");
    // The server's zone is chosen unless another one is, and scripts offer the reader's.
    let html = shown("", "2026-11-26T09:15:00Z", &calendar);
    assert!(
        html.contains("aria-current=\"true\">server (UTC)") && html.contains("<li hidden data-zone>"),
        "{html}"
    );
    calendar.due.clear();
    calendar.runs.clear();
    let html = shown("?view=list", "2026-11-26T09:15:00Z", &calendar);
    assert!(html.contains("Nothing ran, and nothing is due.") && !html.contains("<table"), "{html}");
    check(&html.replace("Nothing", "<bdi>"));
}

#[test]
fn a_month_keeps_to_its_cells() {
    let due = (0..20).map(|n| due(&format!("t{n}"), "2026-11-27T02:00:00Z", 1, None)).collect();
    let calendar = calendar(Vec::new(), due, Vec::new());
    let html = shown("?view=month&from=2026-11-26&zone=Europe/Berlin", "2026-11-26T09:15:00Z", &calendar);
    assert_eq!(html.matches("<li class=\"due\">").count(), 6, "{html}");
    assert!(html.contains("from=2026-11-27&amp;zone=Europe%2FBerlin\">and 14 more"), "{html}");
    assert!(html.contains("<td class=\"other\">") && html.contains("<td class=\"today\">"), "{html}");
    assert!(html.contains("03:00"), "in the zone that is asked for: {html}");
}

#[test]
fn a_day_of_a_clock_change_has_bars_in_its_own_hours() {
    for (date, now, hours, twice) in
        [("2026-10-25", "2026-10-25T00:45:00Z", 25, 2), ("2027-03-28", "2027-03-27T23:15:00Z", 23, 0)]
    {
        let at = format!("{date}T00:30:00Z");
        let mut ran = runs("backup_db", &at, &[("succeeded", 1)], 600);
        ran.caught_up = Some(format!("{date}T00:10:00Z"));
        let mut calendar = calendar(
            vec![ran],
            vec![due("nightly", &format!("{date}T02:30:00Z"), 1, None)],
            vec![schedule("nightly", &["backup_db"], Some(3600.0))],
        );
        calendar.clock_changes.push(ClockChangeResource {
            zone: BERLIN.to_owned(),
            at: format!("{date}T01:00:00Z"),
            before: "+02:00".to_owned(),
            after: "+01:00".to_owned(),
        });
        let html = shown(&format!("?view=day&from={date}&zone={BERLIN}"), now, &calendar);
        assert_eq!(html.matches("<line class=\"hour\"").count(), hours, "{date}: {html}");
        assert_eq!(html.matches(">02:00</text>").count(), twice, "{date}");
        assert!(html.contains("class=\"bar good\"") && html.contains("class=\"bar due\""), "{html}");
        assert_eq!(
            html.matches("class=\"lane\"").count(),
            1,
            "what ran and what is due of one router: {html}"
        );
        assert!(html.contains("▲ Europe/Berlin: the clocks change on "), "{html}");
        assert!(html.contains("▲ caught up</span>, was due "), "{html}");
        assert!(html.contains("usually 1h 0m") && html.contains("<line class=\"now\""), "{html}");
    }
}

fn pause(router: &str, until: Option<&str>) -> CalendarPause {
    CalendarPause { router: router.to_owned(), until: until.map(str::to_owned) }
}

#[test]
fn paused_routers_are_named_as_long_as_they_are_paused() {
    let with = |paused: Vec<CalendarPause>| {
        let due = ["2026-11-27T02:00:00Z", "2026-11-28T02:00:00Z"].map(|at| due("nightly", at, 1, None));
        let schedule = CalendarSchedule { paused, ..schedule("nightly", &["backup", "report"], None) };
        calendar(Vec::new(), due.into(), vec![schedule])
    };
    let until = Some("2026-11-27T12:00:00Z");
    for (paused, words, count) in [
        (vec![], "paused", 0),
        (vec![pause("backup", None)], "<bdi>paused: backup</bdi>", 2),
        (vec![pause("backup", None), pause("report", None)], "<bdi>paused</bdi>", 2),
        (vec![pause("backup", until)], "<bdi>paused: backup until 12:00</bdi>", 1),
        (vec![pause("backup", until), pause("report", until)], "<bdi>paused until 12:00</bdi>", 1),
        (
            vec![pause("backup", until), pause("report", None)],
            "<bdi>paused: backup until 12:00, report</bdi>",
            1,
        ),
        (vec![pause("backup", until), pause("report", None)], "<bdi>paused: report</bdi>", 1),
        (
            vec![pause("report", Some("2026-12-01T01:30:00Z"))],
            "<bdi>paused: report until 1 Dec 01:30</bdi>",
            2,
        ),
    ] {
        let calendar = with(paused.clone());
        for view in ["week", "month"] {
            let html =
                shown(&format!("?view={view}&from=2026-11-26&zone=UTC"), "2026-11-26T09:00:00Z", &calendar);
            assert_eq!(html.matches(words).count(), count, "{view} {paused:?}: {html}");
        }
        // A table, and in place of it a list on a narrow screen.
        let html = shown("?view=list&from=2026-11-26&zone=UTC", "2026-11-26T09:00:00Z", &calendar);
        assert_eq!(html.matches(words).count(), count * 2, "{paused:?}: {html}");
    }
}

#[test]
fn a_narrow_screen_has_a_list_unless_another_view_is_chosen() {
    let ran = runs("backup_db", "2026-11-24T02:00:00Z", &[("succeeded", 1)], 300);
    let calendar = calendar(
        vec![ran],
        vec![due("nightly", "2026-11-27T02:00:00Z", 1, None)],
        vec![schedule("nightly", &["backup_db"], Some(300.0))],
    );
    let now = "2026-11-26T09:15:00Z";
    let html = shown("?zone=UTC", now, &calendar);
    for part in [
        "<div class=\"wide-only\"><div class=\"scroll\"",
        "<div class=\"agenda narrow-only\"><details><summary>Before today</summary><h3>Tuesday, 24 November</h3>",
        "<h3 class=\"today\">Thursday, 26 November (today)</h3>",
        "now, and nothing more is due today",
        "<h3>Friday, 27 November</h3>",
        "<li class=\"narrow-only\"><a href=\"/herald/calendar?view=list&amp;from=2026-11-23&amp;zone=UTC\" aria-current=\"true\">List",
        "<li class=\"wide-only\"><a href=\"/herald/calendar?view=week&amp;from=2026-11-23&amp;zone=UTC\" aria-current=\"true\">Week",
        "href=\"/herald/calendar?from=2026-11-30&amp;zone=UTC\"",
        "href=\"/herald/calendar?zone=UTC\">Today",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("name=\"view\""), "{html}");
    check(&html.replace("Calendar", "<bdi>"));
    let chosen = shown("?view=week&zone=UTC", now, &calendar);
    assert!(!chosen.contains("agenda") && !chosen.contains("wide-only"), "{chosen}");
    let other = shown("?from=2026-12-03&zone=UTC", now, &calendar);
    assert!(!other.contains("Before today"), "{other}");
}

#[test]
fn a_due_time_leads_to_the_form_that_fires_its_trigger() {
    let due = vec![due("nightly", "2026-11-27T02:00:00Z", 1, None)];
    let calendar = calendar(Vec::new(), due, vec![schedule("nightly", &["backup_db", "report"], None)]);
    let now = "2026-11-26T09:15:00Z";
    for (address, links) in [
        ("?view=week&from=2026-11-26&zone=UTC", 1),
        ("?view=list&from=2026-11-26&zone=UTC", 2),
        ("?view=month&from=2026-11-26&zone=UTC", 0),
        ("?from=2026-11-26&zone=UTC", 2),
    ] {
        let html = shown(address, now, &calendar);
        assert_eq!(html.matches("&amp;run=nightly#run\"").count(), links, "{address}: {html}");
        assert_eq!(html.matches("aria-label=\"Run now: nightly\"").count(), links, "{address}");
        assert!(!html.contains("<form class=\"act\""), "{html}");
        let html = shown(&format!("{address}&run=nightly"), now, &calendar);
        for part in ["id=\"run\"", "action=\"/herald/triggers/nightly\"", "backup_db, report"] {
            assert!(html.contains(part), "{part}: {html}");
        }
        let html = shown(&format!("{address}&run=other"), now, &calendar);
        assert!(!html.contains("id=\"run\"") && html.contains("is not due here any more"), "{html}");
    }
    let viewer = with_frame_at(now, "/calendar?view=list&run=nightly", None, |frame| {
        let window = CalendarWindow::read(Some("list"), None, None, frame.now, &frame.zone).unwrap();
        screen(frame, &window, &calendar)
    });
    for part in ["run=nightly", "id=\"run\"", "not due here"] {
        assert!(!viewer.contains(part), "{part}: {viewer}");
    }
}
