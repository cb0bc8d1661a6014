//! Screens that are empty, full, and made of hostile texts; for each role.

mod attention;
mod configs;
mod deployments;
mod lists;
mod pauses;
mod sessions;
mod tiles;
mod trials;

use herald_access::{AuthenticatedCaller, Via};
use herald_control::model::*;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::job_log::{JobLog, ShownLines};
use super::now::NowData;
use super::try_form::{TryData, TryForm};
use super::*;
use crate::elements::PartUnavailable;
use crate::frame::{Frame, OptionalScreens};
use crate::site::{PublicBase, Site};

/// What nothing on a page may become.
pub(super) const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'\u{202e}&amp;";

fn site() -> Site {
    Site { base: PublicBase::parse("/herald/").unwrap(), title: Some(HOSTILE.to_owned()), ..Site::default() }
}

fn with_frame<T>(
    address: &str,
    caller: Option<&AuthenticatedCaller>,
    make: impl FnOnce(&Frame<'_>) -> T,
) -> T {
    with_frame_at("2026-11-29T12:00:00Z", address, caller, make)
}

pub(super) fn with_frame_at<T>(
    now: &str,
    address: &str,
    caller: Option<&AuthenticatedCaller>,
    make: impl FnOnce(&Frame<'_>) -> T,
) -> T {
    let now: Timestamp = now.parse().unwrap();
    let site = site();
    make(&Frame {
        site: &site,
        caller,
        address,
        now,
        zone: TimeZone::UTC,
        is_fragment: false,
        screens: OptionalScreens { queues: true, published: true },
        form_key: "one-time",
    })
}

fn admin() -> AuthenticatedCaller {
    AuthenticatedCaller::admin(Some(HOSTILE.to_owned()), Via::Page)
}

fn summary(status: &str) -> JobSummary {
    let text = || HOSTILE.to_owned();
    JobSummary {
        id: "01a22833-3b1d-73ad-8d05-895b9cb2630f".to_owned(),
        event_id: "01a22833-3b11-7258-a32b-1324a6cbdfa2".to_owned(),
        router: text(),
        task: text(),
        trigger: text(),
        executor: text(),
        status: status.to_owned(),
        attempt: 2,
        chain_depth: 1,
        queued_at: "2026-11-29T11:00:00Z".to_owned(),
        first_started_at: None,
        started_at: Some("2026-11-29T11:00:01Z".to_owned()),
        ended_at: (status != "running").then(|| "2026-11-29T11:00:03.5Z".to_owned()),
        retry_at: None,
        waits_for: None,
        error: Some(HOSTILE.repeat(200)),
    }
}

fn job(status: &str) -> JobResource {
    let values = json!({"a": HOSTILE, "big": 1}).as_object().unwrap().clone();
    JobResource {
        summary: summary(status),
        selector: HOSTILE.to_owned(),
        trigger_param: values.clone(),
        select_param: values.clone(),
        job_param: values.clone(),
        result: Some(values),
        attempts: Vec::new(),
        by: Some(RecordedActor {
            user: Some(HOSTILE.to_owned()),
            via: "page".to_owned(),
            address: None,
            reason: Some(HOSTILE.to_owned()),
        }),
        cancelled_by: None,
    }
}

fn log(texts: &[&str], shown: ShownLines) -> JobLog {
    let line = |(n, text): (usize, &&str)| LogPageLine {
        line: n as u64 + 1,
        stream: "stderr".to_owned(),
        at: "2026-11-29T11:00:02Z".to_owned(),
        text: (*text).to_owned(),
        cut: false,
    };
    let lines = texts.iter().enumerate().map(line).collect();
    JobLog { attempt: 2, lines, shown, is_incomplete: false }
}

fn result(minute: u32, json: &str) -> ResultResource {
    ResultResource {
        job_id: format!("01a22833-3b1d-73ad-8d05-0000000000{minute:02}"),
        task: HOSTILE.to_owned(),
        status: "failed".to_owned(),
        ended_at: format!("2026-11-29T11:{minute:02}:00Z"),
        value: serde_json::from_str(json).unwrap(),
    }
}

/// A tile of these values, newest first.
fn tile(show: &str, values: &[&str]) -> TileResource {
    let text = || HOSTILE.to_owned();
    let values = values.iter().zip((10..50).rev()).map(|(value, minute)| result(minute, value)).collect();
    TileResource {
        name: text(),
        title: text(),
        router: text(),
        task: Some(text()),
        path: text(),
        show: show.to_owned(),
        unit: Some(text()),
        since: "1h".to_owned(),
        since_time: "2026-11-29T11:00:00Z".to_owned(),
        warn: Some(json!(5)),
        alert: None,
        state: Some("alert".to_owned()),
        values,
        has_more: false,
        unread: None,
    }
}

fn board(tiles: Vec<TileResource>) -> BoardResource {
    BoardResource { name: HOSTILE.to_owned(), title: HOSTILE.to_owned(), tiles }
}

fn try_data(type_name: &str, outcome: Option<Result<TrialResource, PartUnavailable>>) -> TryData {
    let trigger = TriggerResource {
        path: None,
        name: HOSTILE.to_owned(),
        type_name: type_name.to_owned(),
        next: Vec::new(),
        every_seconds: None,
        waits_for_clock: false,
    };
    let text = || HOSTILE.to_owned();
    let form = TryForm {
        trigger: text(),
        method: "PUT".to_owned(),
        path: text(),
        headers: text(),
        body: text(),
        params: text(),
        is_unchecked: true,
    };
    TryData { triggers: vec![trigger], internal: vec!["exe_done".to_owned()], form, outcome }
}

fn rehearsal() -> Rehearsal {
    let text = || HOSTILE.to_owned();
    let task = |answer: &str, params: bool, error: bool| RehearsedTask {
        router: text(),
        task: text(),
        selector: text(),
        executor: text(),
        answer: answer.to_owned(),
        why: text(),
        params: params.then(|| json!({"job_param": {HOSTILE: HOSTILE}}).as_object().unwrap().clone()),
        error: error.then(text),
    };
    let tasks = vec![task("yes", true, false), task("no", false, false), task("yes", false, true)];
    Rehearsal { trigger: text(), trigger_param: json!({"a": HOSTILE}).as_object().unwrap().clone(), tasks }
}

fn routers_data(routers: Vec<RouterResource>) -> routers::RoutersData {
    let runs = std::collections::BTreeMap::new();
    routers::RoutersData { routers, triggers: Vec::new(), runs, is_partial: false }
}

fn now_data(jobs: Vec<JobSummary>) -> NowData {
    NowData {
        info: DaemonInfo {
            failed_reload: None,
            version: "1".to_owned(),
            pid: 1,
            started_at: "2026-11-29T11:00:00Z".to_owned(),
            config: HOSTILE.to_owned(),
            state_dir: None,
            running: 0,
            queued: 0,
            paused: Vec::new(),
        },
        health: Ok(Health::ok()),
        running: jobs.iter().filter(|job| job.status == "running").cloned().collect(),
        recent: jobs,
        out_of_sight: Vec::new(),
        has_more: false,
        nodes: Vec::new(),
        triggers: Vec::new(),
        apps: Vec::new(),
        queues: Vec::new(),
        published: Vec::new(),
    }
}

/// That a document has no markup of its texts, one heading, and only links below the base.
pub(super) fn check(html: &str) {
    for wrong in ["<img", " style=", " onclick", "<script>", "href=\"/jobs", "action=\"/jobs"] {
        assert!(!html.contains(wrong), "{wrong}: {html}");
    }
    assert_eq!(html.matches("<h1>").count(), 1, "{html}");
    assert_eq!(html.matches("<main").count(), 1);
    assert!(html.contains("<bdi>") && html.contains("lang=\"en\""));
}

#[test]
fn hostile_texts_stay_texts_on_every_screen() {
    let admin = admin();
    let jobs = vec![summary("failed"), summary("running"), summary("succeeded")];
    let asked = "/jobs?router=%22%3E%3Cimg&since=1h";
    let text = "\u{1b}]8;;javascript:alert(1)\u{7}link\u{1b}]8;;\u{7}<img src=x>";
    let problem = ProblemDetails {
        status: 404,
        title: HOSTILE.to_owned(),
        detail: HOSTILE.to_owned(),
        candidates: Some(vec![HOSTILE.to_owned()]),
    };
    for html in [
        with_frame("/", Some(&admin), |frame| now::screen(frame, &now_data(jobs.clone()))),
        with_frame(asked, Some(&admin), |frame| {
            jobs::screen(
                frame,
                &JobList { items: jobs.clone(), next_cursor: Some(HOSTILE.to_owned()), counts: None },
                true,
            )
        }),
        with_frame("/jobs/x", Some(&admin), |frame| {
            job::screen(frame, &job("failed"), None, &log(&[text, HOSTILE], ShownLines::Whole))
        }),
        with_frame("/jobs/x?search=%3Cimg", Some(&admin), |frame| {
            let found = ShownLines::Found(HOSTILE.to_owned(), Some(7));
            job::screen(frame, &job("running"), None, &log(&[text], found))
        }),
        with_frame("/login?to=%22%3E%3Cimg", None, |frame| {
            login::screen(frame, true, HOSTILE, Some(HOSTILE))
        }),
        with_frame("/in/x", None, |frame| login::link(frame, HOSTILE)),
        with_frame("/x", Some(&admin), |frame| problem::screen(frame, &problem)),
        with_frame("/account", Some(&admin), |frame| {
            account::screen(frame, &[sessions::session(false, false)])
        }),
        with_frame("/boards/x", Some(&admin), |frame| {
            let hostile = json!({HOSTILE: HOSTILE, "list": [{HOSTILE: HOSTILE}]}).to_string();
            let all = ["number", "line", "table", "text"].map(|show| tile(show, &[&hostile, "7", "8"]));
            board::screen(frame, &board(all.into()))
        }),
        with_frame("/try", Some(&admin), |frame| {
            let trial = TrialResource { rehearsal: Some(rehearsal()), response: None };
            try_form::screen(frame, &try_data("cron", Some(Ok(trial))))
        }),
        with_frame("/try", Some(&admin), |frame| {
            let response = TrialResponse { status: 401, why: HOSTILE.to_owned() };
            let trial = TrialResource { rehearsal: None, response: Some(response) };
            try_form::screen(frame, &try_data("http", Some(Ok(trial))))
        }),
        with_frame("/try", Some(&admin), |frame| {
            try_form::screen(frame, &try_data("http", Some(Err(PartUnavailable(HOSTILE.to_owned())))))
        }),
        with_frame("/boards", Some(&admin), |frame| {
            let (name, title) = (HOSTILE.to_owned(), HOSTILE.to_owned());
            boards::screen(frame, &[BoardSummary { name, title, tiles: vec![HOSTILE.to_owned()] }])
        }),
    ] {
        check(&html);
    }
}

#[test]
fn empty_screens_say_what_to_do() {
    let admin = admin();
    for (html, says) in [
        (with_frame("/", Some(&admin), |frame| now::screen(frame, &now_data(Vec::new()))), "No job yet."),
        (
            with_frame("/jobs", Some(&admin), |frame| jobs::screen(frame, &JobList::default(), false)),
            "No job yet.",
        ),
        (
            with_frame("/events", Some(&admin), |frame| {
                events::screen(frame, &Page { items: Vec::new(), next_cursor: None })
            }),
            "No event yet.",
        ),
        (
            with_frame("/routers", Some(&admin), |frame| routers::screen(frame, &routers_data(Vec::new()))),
            "No router is configured.",
        ),
        (with_frame("/nodes", Some(&admin), |frame| nodes::screen(frame, &[])), "No node is configured."),
        (with_frame("/boards", Some(&admin), |frame| boards::screen(frame, &[])), "No board is configured."),
        (
            with_frame("/boards/x", Some(&admin), |frame| {
                let empty = TileResource {
                    router: "r".to_owned(),
                    path: "result/size".to_owned(),
                    ..tile("number", &[])
                };
                board::screen(frame, &board(vec![empty]))
            }),
            "No job of <bdi>r</bdi> has <code>result/size</code> yet.",
        ),
        (
            with_frame("/apps", Some(&admin), |frame| apps::screen(frame, &[])),
            "No application is configured.",
        ),
        (
            with_frame("/audit", Some(&admin), |frame| {
                audit::screen(frame, &Page { items: Vec::new(), next_cursor: None })
            }),
            "Nobody did anything yet.",
        ),
        (
            with_frame("/jobs/x", Some(&admin), |frame| {
                job::screen(frame, &job("failed"), None, &log(&[], ShownLines::Whole))
            }),
            "Nothing was written.",
        ),
    ] {
        check(&html);
        assert!(html.contains(says), "{says}: {html}");
        assert!(html.contains("On the command line: "), "{says}");
    }
}

#[test]
fn the_job_says_how_it_did_and_what_can_be_done() {
    let admin = admin();
    let screen = |status: &str, caller: &AuthenticatedCaller| {
        with_frame("/jobs/x?done=retry", Some(caller), |frame| {
            job::screen(frame, &job(status), None, &log(&["one", "\u{1b}[32mtwo"], ShownLines::Whole))
        })
    };
    let failed = screen("failed", &admin);
    for part in [
        "/retry\"",
        "/replay\"",
        "This is the new job.",
        "id=\"L2\"",
        "href=\"#L2\"",
        "<span class=\"a2\">two</span>",
        "line err",
        "<time datetime=\"2026-11-29T11:00:00Z\"",
        "2026-11-29 11:00:00 +00:00",
        "heraldd job 01a22833-3b1d-73ad-8d05-895b9cb2630f",
    ] {
        assert!(failed.contains(part), "{part}: {failed}");
    }
    let running = screen("running", &admin);
    assert!(running.contains("/cancel\"") && !running.contains("/retry\""));
}

#[test]
fn the_first_page_shows_what_fails_first_and_in_a_row() {
    let admin = admin();
    let mut jobs = vec![summary("failed"), summary("timed_out"), summary("succeeded"), summary("failed")];
    for (n, job) in jobs.iter_mut().enumerate() {
        job.router = "backup".to_owned();
        job.queued_at = format!("2026-11-29T{:02}:00:00Z", 11 - n);
    }
    let html = with_frame("/", Some(&admin), |frame| now::screen(frame, &now_data(jobs.clone())));
    assert!(html.contains("failed 2 times in a row, since "), "{html}");
    assert!(html.contains("last good "), "{html}");
    jobs.remove(0);
    jobs.remove(0);
    let html = with_frame("/", Some(&admin), |frame| now::screen(frame, &now_data(jobs)));
    assert!(html.contains("Nothing needs attention."), "{html}");
}
