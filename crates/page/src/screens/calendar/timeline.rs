//! A day as bars: a lane for each router, so that what runs at the same time is seen. Made of attributes alone, since
//! the policy of the page allows no inline style.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, Zoned};
use maud::{Markup, html};

use super::item::{CalendarItem, ItemKind, look, outcomes, runs_address, usual_length};
use super::window::CalendarWindow;
use crate::elements::{self, StatusLook};
use crate::frame::Frame;

/// The most lanes.
const LANES: usize = 40;
/// Sizes in units of the picture, of which an hour has 44.
const NAMES: i64 = 170;
const HOUR: i64 = 44;
const LANE: i64 = 26;
const HEAD: i64 = 24;
/// The shortest bar that can be seen and clicked.
const SHORTEST: i64 = 6;

/// A bar of a lane.
struct Bar {
    x: i64,
    width: i64,
    kind: &'static str,
    title: String,
    to: Option<String>,
}

/// The bars; nothing where nothing is.
pub(super) fn timeline(frame: &Frame<'_>, window: &CalendarWindow, items: &[CalendarItem<'_>]) -> Markup {
    let mut lanes: BTreeMap<String, Vec<Bar>> = BTreeMap::new();
    for item in items {
        let (name, bar) = bar(frame, window, item);
        lanes.entry(name).or_default().push(bar);
    }
    let left_out = lanes.len().saturating_sub(LANES);
    let (width, height) =
        (NAMES + x_of(window, window.until) + 10, HEAD + LANE * lanes.len().min(LANES) as i64 + 4);
    let now = (window.from..window.until).contains(&frame.now).then(|| NAMES + x_of(window, frame.now));
    html! {
        @if !lanes.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Bars" {
                svg.timeline role="group" aria-label="What runs when, by router" width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
                    (hours(window, height))
                    @for (n, (name, bars)) in lanes.iter().take(LANES).enumerate() {
                        @let y = HEAD + LANE * n as i64;
                        g {
                            svg x="0" y=(y) width=(NAMES - 12) height=(LANE) { text.lane x="8" y="17" { title { (name) } (elements::cut(name, 18)) } }
                            @for bar in bars { (drawn(bar, y)) }
                        }
                    }
                    @if let Some(now) = now { line.now x1=(now) x2=(now) y1=(HEAD - 4) y2=(height) {} }
                }
            }
            @if left_out > 0 { p.soft { "The table below has " (left_out) " more." } }
        }
    }
}

fn x_of(window: &CalendarWindow, at: Timestamp) -> i64 {
    at.clamp(window.from, window.until).duration_since(window.from).as_secs() * HOUR / 3600
}

fn hours(window: &CalendarWindow, height: i64) -> Markup {
    let next =
        |at: &Timestamp| at.checked_add(SignedDuration::from_hours(1)).ok().filter(|at| *at < window.until);
    html! {
        @for at in std::iter::successors(Some(window.from), next) {
            @let x = NAMES + x_of(window, at);
            line.hour x1=(x) x2=(x) y1=(HEAD - 4) y2=(height) {}
            text.hour x=(x) y="14" { (at.to_zoned(window.zone.clone()).strftime("%H:%M").to_string()) }
        }
    }
}

fn drawn(bar: &Bar, y: i64) -> Markup {
    let rect = html! {
        rect class={ "bar " (bar.kind) } x=(NAMES + bar.x) y=(y + 5) width=(bar.width) height=(LANE - 10) rx="3" { title { (bar.title) } }
    };
    html! {
        @match &bar.to { Some(to) => { a href=(to) aria-label=(bar.title) { (rect) } }, None => { (rect) } }
    }
}

/// The lane and the bar of an entry.
fn bar(frame: &Frame<'_>, window: &CalendarWindow, item: &CalendarItem<'_>) -> (String, Bar) {
    let begin = item.at.timestamp();
    let until = |end: Timestamp| (x_of(window, end) - x_of(window, begin)).max(SHORTEST);
    let time = |at: &Zoned| at.strftime("%H:%M").to_string();
    let moment = |at: Option<&String>| at.and_then(|at| at.parse::<Timestamp>().ok());
    match &item.kind {
        ItemKind::Runs(runs) => {
            let StatusLook { kind, .. } = look(runs);
            let end = moment(runs.ended_at.as_ref()).unwrap_or(frame.now);
            let count = if runs.count > 1 { format!(" ×{}", runs.count) } else { String::new() };
            let bar = Bar {
                x: x_of(window, begin),
                width: until(end),
                kind,
                title: format!("{} {}{count}: {}", time(&item.at), runs.router, outcomes(runs)),
                to: Some(runs_address(frame, runs)),
            };
            (runs.router.clone(), bar)
        }
        ItemKind::Due(due) => {
            let routers = due.schedule.map(|schedule| &*schedule.routers).unwrap_or_default();
            let name = match routers {
                [router] => router,
                _ => &due.due.trigger,
            };
            let usual = due.schedule.and_then(usual_length).unwrap_or_default();
            // Many in an hour fill it.
            let passed = i64::from(item.at.minute()) * 60 + i64::from(item.at.second());
            let length = if due.due.count > 1 { SignedDuration::from_secs(3600 - passed) } else { usual };
            let end = begin.checked_add(length).unwrap_or(begin);
            let count = if due.due.count > 1 { format!(" ×{}", due.due.count) } else { String::new() };
            let bar = Bar {
                x: x_of(window, begin),
                width: until(end),
                kind: "due",
                title: format!("{} {name}{count}: {}", time(&item.at), due.pause.as_deref().unwrap_or("due")),
                to: None,
            };
            (name.clone(), bar)
        }
    }
}
