//! `/`: what is wrong first, then what runs, what comes, and the last 24 hours.

use std::collections::BTreeMap;

use herald_control::model::{
    AppResource, DaemonInfo, Health, JobSummary, NodeResource, STATUSES, TriggerResource,
};
use herald_terminal::human_time;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::elements::{self, ACTS, ActButton, PartUnavailable, sign};
use crate::frame::Frame;

/// How far ahead due times are shown.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);
/// The outcomes of a router that are shown.
const STRIP: usize = 20;
/// The most entries of each part.
const MOST: usize = 50;

/// What the screen shows.
pub struct NowData {
    /// The daemon.
    pub info: DaemonInfo,
    /// Whether events are accepted, or why not.
    pub health: Result<Health, PartUnavailable>,
    /// Jobs that run, newest first.
    pub running: Vec<JobSummary>,
    /// Jobs of the last 24 hours, newest first.
    pub recent: Vec<JobSummary>,
    /// Whether there are more of them than these.
    pub has_more: bool,
    /// The nodes.
    pub nodes: Vec<NodeResource>,
    /// The triggers.
    pub triggers: Vec<TriggerResource>,
    /// The applications.
    pub apps: Vec<AppResource>,
}

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, data: &NowData) -> String {
    let routers = by_router(&data.recent);
    frame.screen(
        "Now",
        &html! {
            (wrong(frame, data, &routers))
            (running(frame, data))
            (next(frame, &data.triggers))
            (last_day(frame, data, &routers))
            (elements::command("heraldd status"))
        },
    )
}

/// The ended jobs of each router, newest first.
fn by_router(jobs: &[JobSummary]) -> BTreeMap<&str, Vec<&JobSummary>> {
    let mut routers: BTreeMap<&str, Vec<&JobSummary>> = BTreeMap::new();
    for job in jobs.iter().filter(|job| job.ended_at.is_some() || job.status == "rejected") {
        routers.entry(&job.router).or_default().push(job);
    }
    routers
}

fn is_bad(job: &JobSummary) -> bool {
    matches!(&*job.status, "failed" | "timed_out" | "lost" | "rejected")
}

fn wrong(frame: &Frame<'_>, data: &NowData, routers: &BTreeMap<&str, Vec<&JobSummary>>) -> Markup {
    let failing = routers.iter().filter(|(_, jobs)| jobs.first().is_some_and(|job| is_bad(job)));
    let failing: Vec<_> = failing.take(MOST).collect();
    let offline: Vec<_> =
        data.nodes.iter().filter(|node| matches!(&*node.state, "offline" | "rejected")).collect();
    let apps = data.apps.iter().filter(|app| {
        app.hold.is_some() || app.nodes.values().any(|node| matches!(&*node.state, "drifted" | "broken"))
    });
    let apps: Vec<_> = apps.collect();
    let problems: Vec<&str> = match &data.health {
        Err(PartUnavailable(why)) => vec![why],
        Ok(health) => {
            health.damage.iter().chain(&health.etcd).chain(&health.queue).map(String::as_str).collect()
        }
    };
    let paused = &data.info.paused;
    let is_well = paused.is_empty()
        && failing.is_empty()
        && offline.is_empty()
        && apps.is_empty()
        && problems.is_empty();
    html! {
        section #wrong data-part aria-label="What needs attention" {
            @if is_well { p.notice { (sign("good")) "Nothing needs attention." } }
            @for problem in problems { p.wrong { (sign("bad")) bdi { (problem) } } }
            @for (router, jobs) in failing {
                @let times = jobs.iter().take_while(|job| is_bad(job)).count();
                div.wrong {
                    (sign("bad")) b { bdi { (router) } } " failed "
                    @if times > 1 { (times) " times in a row, since " (elements::time(frame, &jobs[times - 1].queued_at)) }
                    @else { (elements::time(frame, &jobs[0].queued_at)) }
                    @if let Some(error) = &jobs[0].error { " · " bdi { (elements::cut(error, 200)) } }
                    " · " a href=(frame.site.at("/jobs", &[&jobs[0].id])) { "job and log" }
                    @if let Some(good) = jobs.iter().find(|job| !is_bad(job)) {
                        span.ago { " · last good " (elements::time(frame, &good.queued_at)) }
                    }
                }
            }
            @for node in offline {
                p.wrong { (sign("bad")) "node " b { bdi { (node.name) } } " is " (node.state)
                    @if let Some(since) = &node.since { " since " (elements::time(frame, since)) }
                    @if let Some(error) = &node.error { " · " bdi { (elements::cut(error, 200)) } } }
            }
            @for pause in paused.iter().take(MOST) {
                p.wrong { "▲ router " a href={ (frame.site.to("/routers?name=")) (encode(&pause.router)) } { bdi { (pause.router) } } " is paused since " (elements::time(frame, &pause.since))
                    @if let Some(until) = &pause.until { ", until " (elements::time(frame, until)) } ": its jobs wait" }
            }
            @for app in apps {
                p.wrong { (sign("odd")) "application " a href=(frame.site.at("/apps", &[&app.name])) { bdi { (app.name) } }
                    @if app.hold.is_some() { " is held" } @else { " differs from what was deployed" } }
            }
        }
    }
}

fn running(frame: &Frame<'_>, data: &NowData) -> Markup {
    html! {
        section #running data-part {
            h2 { "Running " (data.info.running) @if data.info.queued > 0 { ", queued " (data.info.queued) } }
            @if data.running.is_empty() { p.empty { "No job is running." } }
            @else {
                (elements::jobs_table(frame, &data.running))
                @let may_cancel: Vec<_> = data.running.iter().filter(|job| frame.may(ACTS, &job.router)).take(MOST).collect();
                @if !may_cancel.is_empty() { div.acts { @for job in may_cancel { (cancel(frame, job)) } } }
            }
        }
    }
}

fn cancel(frame: &Frame<'_>, job: &JobSummary) -> Markup {
    let act = ActButton {
        is_dangerous: true,
        ..ActButton::new(frame.site.at("/jobs", &[&job.id, "cancel"]), "Cancel", "The job is ended.")
    };
    html! { details { summary { "Cancel " bdi { (job.router) } " " (elements::short(&job.id)) " …" } (act.form(frame)) } }
}

fn next(frame: &Frame<'_>, triggers: &[TriggerResource]) -> Markup {
    let due = triggers.iter().flat_map(|trigger| trigger.next.iter().map(move |at| (at, trigger)));
    let is_near = |at: &str| at.parse::<Timestamp>().is_ok_and(|at| at.duration_since(frame.now) <= AHEAD);
    let mut due: Vec<_> = due.filter(|(at, _)| is_near(at)).collect();
    due.sort_by_key(|(at, _)| at.parse::<Timestamp>().ok());
    let every = triggers.iter().filter_map(|trigger| Some((&trigger.name, trigger.every_seconds?)));
    html! {
        section #next data-part {
            h2 { "Next hour" }
            @if due.is_empty() { p.soft { "No trigger with a calendar is due." } }
            @else {
                ul { @for (at, trigger) in due.iter().take(MOST) {
                    li { (elements::time(frame, at)) " " b { bdi { (trigger.name) } } @if trigger.waits_for_clock { " (the clock was set back)" } }
                } }
            }
            @for (name, seconds) in every {
                p.soft { bdi { (name) } " fires "
                    (human_time::every(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default())) }
            }
        }
    }
}

fn last_day(frame: &Frame<'_>, data: &NowData, routers: &BTreeMap<&str, Vec<&JobSummary>>) -> Markup {
    html! {
        section #day data-part {
            h2 { "Last 24 hours" }
            @if data.recent.is_empty() { p.empty { "No job yet. A router starts one when its trigger fires; see " a href=(frame.site.to("/routers")) { "Routers" } "." } }
            @else {
                p { @if data.has_more { "Of the newest " (data.recent.len()) " jobs: " } (counts(&data.recent)) }
                div.scroll tabindex="0" role="region" aria-label="Outcomes by router" { table {
                    thead { tr { th { "Router" } th { "Newest last" } } }
                    tbody { @for (router, jobs) in routers.iter().take(MOST) {
                        tr { td.name { a href={ (frame.site.to("/jobs?router=")) (encode(router)) } { bdi { (router) } } } td { (strip(frame, jobs)) } }
                    } }
                } }
            }
        }
    }
}

/// How many jobs have each status, without those that none has.
fn counts(jobs: &[JobSummary]) -> String {
    let count = |status: &str| jobs.iter().filter(|job| job.status == status).count();
    let some = STATUSES.iter().map(|status| (status, count(status))).filter(|(_, count)| *count > 0);
    let parts: Vec<String> =
        some.map(|(status, count)| format!("{count} {}", status.replace('_', " "))).collect();
    parts.join(", ")
}

fn strip(frame: &Frame<'_>, jobs: &[&JobSummary]) -> Markup {
    html! {
        span.strip { @for job in jobs.iter().take(STRIP).rev() {
            @let (mark, kind) = match &*job.status { "succeeded" => ("✓", "good"), "cancelled" => ("○", "none"), _ => ("✕", "bad") };
            a class=(kind) href=(frame.site.at("/jobs", &[&job.id])) aria-label={ (job.status) " " (job.queued_at) } { (mark) }
        } }
    }
}

/// As a value of a query.
pub(crate) fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
