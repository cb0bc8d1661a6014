//! Screens that are empty, full, and made of hostile texts; for each role.

use herald_access::{AuthenticatedCaller, Via};
use herald_control::model::*;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::job_log::{JobLog, ShownLines};
use super::now::NowData;
use super::*;
use crate::frame::Frame;
use crate::site::{PublicBase, Site};

/// What nothing on a page may become.
const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'\u{202e}&amp;";

fn site() -> Site {
    Site { base: PublicBase::parse("/herald/").unwrap(), title: Some(HOSTILE.to_owned()), ..Site::default() }
}

fn with_frame<T>(
    address: &str,
    caller: Option<&AuthenticatedCaller>,
    make: impl FnOnce(&Frame<'_>) -> T,
) -> T {
    let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
    let site = site();
    make(&Frame { site: &site, caller, address, now, zone: TimeZone::UTC, is_fragment: false })
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
        started_at: Some("2026-11-29T11:00:01Z".to_owned()),
        ended_at: (status != "running").then(|| "2026-11-29T11:00:03.5Z".to_owned()),
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
        retry_at: None,
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

fn now_data(jobs: Vec<JobSummary>) -> NowData {
    NowData {
        info: DaemonInfo {
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
        has_more: false,
        nodes: Vec::new(),
        triggers: Vec::new(),
        apps: Vec::new(),
    }
}

/// That a document has no markup of its texts, one heading, and only links below the base.
fn check(html: &str) {
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
    let page = |jobs| Page { items: jobs, next_cursor: Some(HOSTILE.to_owned()) };
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
        with_frame(asked, Some(&admin), |frame| jobs::screen(frame, &page(jobs.clone()))),
        with_frame("/jobs/x", Some(&admin), |frame| {
            job::screen(frame, &job("failed"), None, &log(&[text, HOSTILE], ShownLines::Whole))
        }),
        with_frame("/jobs/x?search=%3Cimg", Some(&admin), |frame| {
            let found = ShownLines::Found(HOSTILE.to_owned(), Some(7));
            job::screen(frame, &job("running"), None, &log(&[text], found))
        }),
        with_frame("/login?to=%22%3E%3Cimg", None, |frame| login::screen(frame, true, Some(HOSTILE))),
        with_frame("/in/x", None, |frame| login::link(frame, HOSTILE)),
        with_frame("/x", Some(&admin), |frame| problem::screen(frame, &problem)),
        with_frame("/account", Some(&admin), |frame| account::screen(frame, &[])),
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
            with_frame("/jobs", Some(&admin), |frame| {
                jobs::screen(frame, &Page { items: Vec::new(), next_cursor: None })
            }),
            "No job matches.",
        ),
        (
            with_frame("/events", Some(&admin), |frame| {
                events::screen(frame, &Page { items: Vec::new(), next_cursor: None })
            }),
            "No event matches.",
        ),
        (with_frame("/routers", Some(&admin), |frame| about::routers(frame, &[], &[])), "No router matches."),
        (with_frame("/nodes", Some(&admin), |frame| about::nodes(frame, &[])), "No node is configured."),
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

#[test]
fn a_list_keeps_its_filters_on_the_next_page() {
    let admin = admin();
    let address = "/jobs?router=a+b&status=failed&cursor=old&task=";
    let html = with_frame(address, Some(&admin), |frame| {
        jobs::screen(frame, &Page { items: vec![summary("failed")], next_cursor: Some("next".to_owned()) })
    });
    assert!(html.contains("/herald/jobs?router=a+b&amp;status=failed&amp;cursor=next"), "{html}");
    assert!(html.contains("heraldd jobs --router 'a b' --status failed --cursor old"), "{html}");
}

#[test]
fn a_paused_router_says_so_and_can_be_resumed() {
    let pause = |router: &str| PauseResource {
        router: router.to_owned(),
        since: "2026-11-28T11:00:00Z".to_owned(),
        until: None,
        by: RecordedActor {
            user: Some("anna".to_owned()),
            via: "page".to_owned(),
            address: None,
            reason: None,
        },
    };
    let router = |name: &str, paused| RouterResource {
        name: name.to_owned(),
        trigger: "tick".to_owned(),
        selector: "all".to_owned(),
        tasks: Vec::new(),
        paused,
    };
    let routers = [router("backup", Some(pause("backup"))), router("sync", None)];
    let admin = admin();
    let html = with_frame("/routers", Some(&admin), |frame| about::routers(frame, &routers, &[]));
    check(&html);
    for part in ["▲ paused", "anna", "/routers/backup/resume", "/routers/sync/pause"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let seen = with_frame("/routers", None, |frame| about::routers(frame, &routers, &[]));
    assert!(seen.contains("▲ paused") && !seen.contains("/pause") && !seen.contains("/resume"), "{seen}");
    let mut data = now_data(Vec::new());
    data.info.paused.push(pause("backup"));
    let now = with_frame("/", Some(&admin), |frame| now::screen(frame, &data));
    assert!(now.contains("is paused since") && !now.contains("Nothing needs attention"), "{now}");
}
