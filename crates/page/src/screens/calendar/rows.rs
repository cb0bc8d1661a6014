//! Entry by entry: the list, and the day below its bars.

use std::collections::BTreeMap;

use herald_control::model::CalendarRuns;
use herald_terminal::human_time;
use jiff::civil::Date;
use jiff::{Timestamp, Zoned};
use maud::{Markup, html};

use super::item::{
    CalendarItem, DueItem, ItemKind, due_name, due_remarks, may_run, run_link, runs_address, times,
    usual_length,
};
use super::window::CalendarWindow;
use crate::elements;
use crate::frame::Frame;

/// The most rows.
const MOST: usize = 500;

/// The table, with a part for each day.
pub(super) fn rows(frame: &Frame<'_>, window: &CalendarWindow, items: &[CalendarItem<'_>]) -> Markup {
    let mut days: BTreeMap<Date, Vec<&CalendarItem<'_>>> = BTreeMap::new();
    for item in items.iter().take(MOST) {
        days.entry(item.at.date()).or_default().push(item);
    }
    let now = frame.now.to_zoned(window.zone.clone());
    let may = |item: &CalendarItem<'_>| match &item.kind {
        ItemKind::Due(due) => due.schedule.is_some_and(|schedule| may_run(frame, schedule)),
        ItemKind::Runs(_) => false,
    };
    let has_acts = items.iter().take(MOST).any(may);
    html! {
        div.scroll.wide-only tabindex="0" role="region" aria-label="Entries" { table.entries {
            thead { tr { th { "Time" } th { "Router" } th { "Status" } th { "Duration" } th { "Notes" } @if has_acts { th { "Act" } } } }
            @for (day, items) in days {
                tbody {
                    tr.date { th colspan=(if has_acts { 6 } else { 5 }) scope="rowgroup" {
                        (day.strftime("%A, %-d %B %Y").to_string()) @if day == now.date() { " (today)" }
                    } }
                    @for item in items { (row(frame, window, item, has_acts)) }
                }
            }
        } }
        @if items.len() > MOST { p.soft.wide-only { "Only the first " (MOST) " of " (items.len()) " entries are shown; the view of a day has all of it." } }
    }
}

fn row(frame: &Frame<'_>, window: &CalendarWindow, item: &CalendarItem<'_>, has_acts: bool) -> Markup {
    let time = item.at.strftime("%H:%M:%S %:z").to_string();
    match &item.kind {
        ItemKind::Runs(runs) => html! {
            tr {
                td { (time) }
                td.name { a href=(runs_address(frame, runs)) { bdi { (runs.router) } } (times(runs.count)) }
                td { (statuses(runs)) }
                td { @if runs.count == 1 { (elements::duration(frame, runs.started_at.as_deref(), runs.ended_at.as_deref())) } @else { "–" } }
                td.text { (caught_up(runs, &item.at)) }
                @if has_acts { td {} }
            }
        },
        ItemKind::Due(due) => html! {
            tr.due {
                td { (time) }
                td.name { (due_name(frame, due)) }
                td { (due.status()) }
                td { @match due.schedule.and_then(usual_length) { Some(usual) => { "usually " (human_time::span(usual)) }, None => { "–" } } }
                td.text {
                    (schedule(due, &item.at))
                    @for remark in due_remarks(due) { " " span.odd { "▲ " (remark) } }
                }
                @if has_acts { td { (run_link(frame, window, due, "Run now")) } }
            }
        },
    }
}

/// That it was caught up with later than it was due.
pub(super) fn caught_up(runs: &CalendarRuns, at: &Zoned) -> Markup {
    html! { @if let Some(due) = &runs.caught_up { span.odd { "▲ caught up" } ", was due " (local(due, at)) } }
}

pub(super) fn statuses(runs: &CalendarRuns) -> Markup {
    html! {
        @for (n, (status, count)) in runs.outcomes.iter().enumerate() {
            @if n > 0 { ", " }
            (elements::status(status)) (times(*count))
        }
    }
}

/// The line of a schedule and its zone; and the time there, where the clocks differ.
pub(super) fn schedule(item: &DueItem<'_>, at: &Zoned) -> Markup {
    let Some(schedule) = item.schedule else { return html! {} };
    html! {
        @match (&schedule.cron, schedule.every_seconds) {
            (Some(cron), _) => { code { bdi { (cron) } } },
            (None, Some(every)) => { (human_time::every(std::time::Duration::try_from_secs_f64(every).unwrap_or_default())) },
            (None, None) => {},
        }
        @if let Some(zone) = &schedule.zone {
            " " (zone)
            @if let Ok(there) = at.in_tz(zone) {
                @if there.offset() != at.offset() { " (" (there.strftime("%H:%M %:z").to_string()) ")" }
            }
        }
    }
}

/// A time, with its day where that is another one.
fn local(at: &str, near: &Zoned) -> String {
    let Ok(moment) = at.parse::<Timestamp>() else { return at.to_owned() };
    let moment = moment.to_zoned(near.time_zone().clone());
    let format = if moment.date() == near.date() { "%H:%M:%S" } else { "%a %-d %b %H:%M:%S" };
    moment.strftime(format).to_string()
}
