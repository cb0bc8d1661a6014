//! An entry of the calendar: jobs that ran, or what is due.

use std::collections::BTreeMap;
use std::time::Duration;

use herald_control::model::{CalendarDue, CalendarPause, CalendarResource, CalendarRuns, CalendarSchedule};
use herald_terminal::human_time;
use jiff::{SignedDuration, Timestamp, Zoned};
use maud::{Markup, html};

use super::window::{CalendarView, CalendarWindow};
use crate::elements::{self, StatusLook, encode};
use crate::frame::Frame;

/// The routers of a trigger that are named.
const NAMED: usize = 2;

/// An entry of the calendar.
pub(super) struct CalendarItem<'a> {
    /// When, in the zone that is shown.
    pub(super) at: Zoned,
    pub(super) kind: ItemKind<'a>,
}

pub(super) enum ItemKind<'a> {
    Runs(&'a CalendarRuns),
    Due(DueItem<'a>),
}

/// What is due.
pub(super) struct DueItem<'a> {
    pub(super) due: &'a CalendarDue,
    pub(super) schedule: Option<&'a CalendarSchedule>,
    /// Whether it is due again before its jobs usually end.
    pub(super) overlaps: bool,
    /// Which of its routers are paused then, in words; none where none is.
    pub(super) pause: Option<String>,
}

impl DueItem<'_> {
    /// That it is due, or that its jobs will wait.
    pub(super) fn status(&self) -> Markup {
        html! {
            @match &self.pause {
                Some(pause) => { span.status.odd { span aria-hidden="true" { "▲" } " " bdi { (pause) } } },
                None => { span.status { span aria-hidden="true" { "▫" } " due" } },
            }
        }
    }
}

/// All entries, by time.
pub(super) fn items<'a>(window: &CalendarWindow, calendar: &'a CalendarResource) -> Vec<CalendarItem<'a>> {
    let local = |at: &str| Some(at.parse::<Timestamp>().ok()?.to_zoned(window.zone.clone()));
    let schedules: BTreeMap<&str, &CalendarSchedule> =
        calendar.schedules.iter().map(|schedule| (&*schedule.trigger, schedule)).collect();
    let runs = calendar
        .runs
        .iter()
        .filter_map(|runs| Some(CalendarItem { at: local(&runs.first)?, kind: ItemKind::Runs(runs) }));
    let mut items: Vec<CalendarItem<'a>> = runs.collect();
    let mut next: BTreeMap<&str, Timestamp> = BTreeMap::new();
    // From the last one on, so that the next one is known.
    for due in calendar.due.iter().rev() {
        let Some(at) = local(&due.first) else { continue };
        let schedule = schedules.get(&*due.trigger).copied();
        let later = next.insert(&due.trigger, at.timestamp());
        let usual = schedule.and_then(usual_length);
        let overlaps = usual.is_some_and(|usual| overlaps(window.view, &at, due.count, later, usual));
        let pause = schedule.and_then(|schedule| paused_at(schedule, &at));
        items.push(CalendarItem { at, kind: ItemKind::Due(DueItem { due, schedule, overlaps, pause }) });
    }
    items.sort_by_key(|item| item.at.timestamp());
    items
}

/// How long the jobs of a trigger usually take.
pub(super) fn usual_length(schedule: &CalendarSchedule) -> Option<SignedDuration> {
    let usual = Duration::try_from_secs_f64(schedule.usual_seconds?).ok()?;
    SignedDuration::try_from(usual).ok()
}

/// Which of the routers are still paused at this time, and until when.
fn paused_at(schedule: &CalendarSchedule, at: &Zoned) -> Option<String> {
    let end = |pause: &CalendarPause| pause.until.as_ref().and_then(|until| until.parse::<Timestamp>().ok());
    let paused = schedule.paused.iter().map(|pause| (&*pause.router, end(pause)));
    let paused = paused.filter(|(_, end)| end.is_none_or(|end| at.timestamp() < end));
    let paused: BTreeMap<&str, String> = paused.map(|(router, end)| (router, until(end, at))).collect();
    let first = paused.values().next()?;
    if paused.len() as u64 == schedule.router_count && paused.values().all(|other| other == first) {
        return Some(format!("paused{first}"));
    }
    let named: Vec<String> = paused.iter().map(|(router, until)| format!("{router}{until}")).collect();
    Some(format!("paused: {}", named.join(", ")))
}

/// The end of a pause, as the end of a sentence: what is counted together may be later.
fn until(end: Option<Timestamp>, near: &Zoned) -> String {
    let Some(end) = end.map(|end| end.to_zoned(near.time_zone().clone())) else { return String::new() };
    let format = if end.date() == near.date() { "%H:%M" } else { "%-d %b %H:%M" };
    format!(" until {}", end.strftime(format))
}

fn overlaps(
    view: CalendarView,
    at: &Zoned,
    count: u64,
    later: Option<Timestamp>,
    usual: SignedDuration,
) -> bool {
    if count > 1 {
        let bucket = SignedDuration::from_hours(if view.is_by_day() { 24 } else { 1 });
        return usual.as_secs_f64() > bucket.as_secs_f64() / count as f64;
    }
    later.is_some_and(|later| later.duration_since(at.timestamp()) < usual)
}

/// The statuses, the worst first.
const WORST_FIRST: [&str; 8] =
    ["failed", "timed_out", "lost", "rejected", "running", "queued", "cancelled", "succeeded"];

/// How runs look: like the worst of them.
pub(super) fn look(runs: &CalendarRuns) -> StatusLook {
    let worst = WORST_FIRST.into_iter().find(|status| runs.outcomes.contains_key(*status));
    elements::status_look(worst.unwrap_or_default())
}

/// The outcomes in words: the status of one job, or how many there are of each.
pub(super) fn outcomes(runs: &CalendarRuns) -> String {
    let word = |status: &str| status.replace('_', " ");
    if runs.count == 1 {
        return runs.outcomes.keys().next().map_or_else(String::new, |status| word(status));
    }
    let each = runs.outcomes.iter().map(|(status, count)| format!("{count} {}", word(status)));
    each.collect::<Vec<_>>().join(", ")
}

/// Where runs are: the job, or the list of them.
pub(super) fn runs_address(frame: &Frame<'_>, runs: &CalendarRuns) -> String {
    if runs.count == 1 {
        return frame.site.at("/jobs", &[&runs.job_id]);
    }
    // The list is of those before `until`, and times are whole milliseconds.
    let last = runs.last.parse::<Timestamp>().ok();
    let until = last.and_then(|at| at.checked_add(SignedDuration::from_millis(1)).ok());
    let until = until.map_or_else(|| runs.last.clone(), |at| at.to_string());
    let address = frame.site.to("/jobs?router=");
    format!("{address}{}&since={}&until={}", encode(&runs.router), encode(&runs.first), encode(&until))
}

/// `×12`, where there are several.
pub(super) fn times(count: u64) -> Markup {
    html! { @if count > 1 { " ×" (count) } }
}

/// The routers that a trigger starts, or the trigger where there are many, with links.
pub(super) fn due_name(frame: &Frame<'_>, item: &DueItem<'_>) -> Markup {
    let to = |name: &str| format!("{}{}", frame.site.to("/routers?name="), encode(name));
    let link = |name: &str| html! { a href=(to(name)) { bdi { (elements::cut(name, 60)) } } };
    let routers = item.schedule.map(|schedule| &*schedule.routers).unwrap_or_default();
    let count = item.schedule.map_or(0, |schedule| schedule.router_count);
    html! {
        @if (1..=NAMED).contains(&routers.len()) {
            @for (n, router) in routers.iter().enumerate() { @if n > 0 { ", " } (link(router)) }
        } @else {
            (link(&item.due.trigger)) " (" @if count == 0 { "no router" } @else { (count) " routers" } ")"
        }
        (times(item.due.count))
    }
}

/// To the form that fires the trigger now, where the reader may do that.
pub(super) fn run_link(frame: &Frame<'_>, window: &CalendarWindow, item: &DueItem<'_>, text: &str) -> Markup {
    let may = item.schedule.is_some_and(|schedule| may_run(frame, schedule));
    let label = format!("Run now: {}", item.due.trigger);
    html! {
        @if may {
            a.run href={ (window.same(frame.site, Some(window.first))) "&run=" (encode(&item.due.trigger)) "#run" } aria-label=(label) title=(label) { (text) }
        }
    }
}

/// Whether the reader may fire the trigger.
pub(super) fn may_run(frame: &Frame<'_>, schedule: &CalendarSchedule) -> bool {
    frame.may_all(elements::ACTS, schedule.routers.iter().map(String::as_str))
}

/// What is to be said of what is due.
pub(super) fn due_remarks<'a>(item: &DueItem<'a>) -> Vec<&'a str> {
    let mut remarks: Vec<&str> = item.due.remark.as_deref().into_iter().collect();
    if item.overlaps {
        remarks.push("it is due again before its job usually ends");
    }
    if item.schedule.is_some_and(|schedule| schedule.waits_for_clock) {
        remarks.push("the clock was set back: nothing fires twice");
    }
    remarks
}

/// An entry in a cell.
pub(super) fn in_cell(frame: &Frame<'_>, window: &CalendarWindow, item: &CalendarItem<'_>) -> Markup {
    let time = item.at.strftime("%H:%M").to_string();
    match &item.kind {
        ItemKind::Runs(runs) => {
            let StatusLook { shape, kind } = look(runs);
            let words = outcomes(runs);
            html! {
                li.ran title={ (time) " " (words) } {
                    span class=(kind) aria-hidden="true" { (shape) " " }
                    span.at { (time) } " "
                    a href=(runs_address(frame, runs)) { bdi { (elements::cut(&runs.router, 60)) } (times(runs.count)) }
                    " " span class=(if kind == "good" { "sr" } else { kind }) { (words) }
                    @if runs.caught_up.is_some() { span.odd { " ▲ caught up" } }
                }
            }
        }
        ItemKind::Due(item) => html! {
            li.due {
                span aria-hidden="true" { "▫ " } span.sr { "due " }
                span.at { (time) } " " (due_name(frame, item))
                @if let Some(pause) = &item.pause { " " span.odd { "▲ " bdi { (pause) } } }
                @if let Some(usual) = item.schedule.and_then(usual_length) {
                    span.soft { " usually " (human_time::span(usual)) }
                }
                @for remark in due_remarks(item) { span.odd { " ▲ " (remark) } }
                @if window.view == CalendarView::Week { " " (run_link(frame, window, item, "Run")) }
            }
        },
    }
}
