//! `/`: what is wrong first, then what runs, what comes, and the last 24 hours.

mod attention;
mod data;

use std::collections::BTreeMap;

use herald_control::model::{JobSummary, STATUSES, TriggerResource};
use herald_terminal::human_time;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

pub use data::NowData;

use crate::elements::{self, ACTS, ActButton, encode};
use crate::frame::Frame;

/// How far ahead due times are shown.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);
/// The outcomes of a router that are shown.
const STRIP: usize = 20;
/// The most entries of each part.
const MOST: usize = 50;

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, data: &NowData) -> String {
    let routers = by_router(data.recent.iter().chain(&data.out_of_sight));
    frame.screen(
        "Now",
        &html! {
            (attention::part(frame, data, &routers))
            (running(frame, data))
            (next(frame, &data.triggers))
            (last_day(frame, data, &routers))
            (elements::command("heraldd status"))
        },
    )
}

/// The ended jobs of each router, newest first.
fn by_router<'a>(jobs: impl Iterator<Item = &'a JobSummary>) -> BTreeMap<&'a str, Vec<&'a JobSummary>> {
    let mut routers: BTreeMap<&str, Vec<&JobSummary>> = BTreeMap::new();
    for job in jobs.filter(|job| job.ended_at.is_some() || job.status == "rejected") {
        routers.entry(&job.router).or_default().push(job);
    }
    routers
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
            @if due.is_empty() { p.empty { "No trigger with a calendar is due. " a href=(frame.site.to("/calendar")) { "Calendar" } } }
            @else {
                ul.due-list { @for (at, trigger) in due.iter().take(MOST) {
                    li { (elements::time(frame, at)) " " span { b { bdi { (trigger.name) } } @if trigger.waits_for_clock { " (the clock was set back)" } } }
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
                div.scroll tabindex="0" role="region" aria-label="Outcomes by router" { table.cards {
                    thead { tr { th { "Router" } th { "Newest last" } } }
                    tbody { @for (router, jobs) in routers.iter().take(MOST) {
                        tr { td.name.lead { a href={ (frame.site.to("/jobs?router=")) (encode(router)) } { bdi { (router) } } } td { (strip(frame, jobs)) } }
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
