//! Day by day as lists, which a narrow screen shows in place of tables.

use std::collections::BTreeMap;

use herald_terminal::human_time;
use jiff::Zoned;
use jiff::civil::Date;
use maud::{Markup, html};

use super::item::{
    CalendarItem, DueItem, ItemKind, due_name, due_remarks, run_link, runs_address, times, usual_length,
};
use super::rows::{caught_up, schedule, statuses};
use super::window::{CalendarView, CalendarWindow};
use crate::elements;
use crate::frame::Frame;

/// The most entries.
const MOST: usize = 500;

/// The days on which something is; those before today are folded away.
pub(super) fn agenda(frame: &Frame<'_>, window: &CalendarWindow, items: &[CalendarItem<'_>]) -> Markup {
    let now = frame.now.to_zoned(window.zone.clone());
    let today = now.date();
    let mut days: BTreeMap<Date, Vec<&CalendarItem<'_>>> = BTreeMap::new();
    for item in items.iter().take(MOST) {
        days.entry(item.at.date()).or_default().push(item);
    }
    if window.days.contains(&today) {
        days.entry(today).or_default();
    }
    let is_folded = window.view != CalendarView::Day && days.contains_key(&today);
    let later = if is_folded { days.split_off(&today) } else { std::mem::take(&mut days) };
    html! {
        div.agenda.narrow-only {
            @if !days.is_empty() { details { summary { "Before today" } @for (day, items) in &days { (one_day(frame, window, *day, items, &now)) } } }
            @for (day, items) in &later { (one_day(frame, window, *day, items, &now)) }
            @if items.len() > MOST { p.soft { "Only the first " (MOST) " of " (items.len()) " entries are shown; the view of a day has all of it." } }
        }
    }
}

fn one_day(
    frame: &Frame<'_>,
    window: &CalendarWindow,
    day: Date,
    items: &[&CalendarItem<'_>],
    now: &Zoned,
) -> Markup {
    let is_today = day == now.date();
    let passed = items.iter().filter(|item| item.at < *now).count();
    html! {
        h3 class=[is_today.then_some("today")] { (day.strftime("%A, %-d %B").to_string()) @if is_today { " (today)" } }
        ul {
            @for item in items.iter().take(passed) { (entry(frame, window, item)) }
            @if is_today { li.now { span.at { (now.strftime("%H:%M").to_string()) } div { "now" @if passed == items.len() { ", and nothing more is due today" } } } }
            @for item in items.iter().skip(passed) { (entry(frame, window, item)) }
        }
    }
}

fn entry(frame: &Frame<'_>, window: &CalendarWindow, item: &CalendarItem<'_>) -> Markup {
    let time = item.at.strftime("%H:%M").to_string();
    match &item.kind {
        ItemKind::Runs(runs) => html! {
            li {
                span.at { (time) }
                div {
                    p { a href=(runs_address(frame, runs)) { bdi { (runs.router) } } (times(runs.count)) }
                    p.soft {
                        (statuses(runs))
                        @if runs.count == 1 { " · " (elements::duration(frame, runs.started_at.as_deref(), runs.ended_at.as_deref())) }
                        " " (caught_up(runs, &item.at))
                    }
                }
            }
        },
        ItemKind::Due(due) => due_entry(frame, window, due, &item.at, &time),
    }
}

fn due_entry(
    frame: &Frame<'_>,
    window: &CalendarWindow,
    due: &DueItem<'_>,
    at: &Zoned,
    time: &str,
) -> Markup {
    html! {
        li.due {
            span.at { (time) }
            div {
                p { (due_name(frame, due)) }
                p.soft {
                    (due.status())
                    @if let Some(usual) = due.schedule.and_then(usual_length) { " · usually " (human_time::span(usual)) }
                    " · " (schedule(due, at))
                }
                @for remark in due_remarks(due) { p.soft { span.odd { "▲ " (remark) } } }
            }
            (run_link(frame, window, due, "Run now"))
        }
    }
}
