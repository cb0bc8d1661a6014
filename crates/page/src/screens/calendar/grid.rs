//! The week, hour by hour, and the month, day by day.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Zoned;
use jiff::civil::Date;
use maud::{Markup, html};

use super::item::{CalendarItem, in_cell};
use super::window::{CalendarView, CalendarWindow};
use crate::frame::Frame;

/// The most entries of a cell.
const IN_HOUR: usize = 8;
const IN_DAY: usize = 6;

/// The entries of one day, or of one hour of it.
type Cells<'a, K> = BTreeMap<K, Vec<&'a CalendarItem<'a>>>;

/// A week: a row for each hour in which something is.
pub(super) fn week(frame: &Frame<'_>, window: &CalendarWindow, items: &[CalendarItem<'_>]) -> Markup {
    let mut cells: Cells<'_, (i8, Date)> = BTreeMap::new();
    for item in items {
        cells.entry((item.at.hour(), item.at.date())).or_default().push(item);
    }
    let now = frame.now.to_zoned(window.zone.clone());
    let mut hours: BTreeSet<i8> = cells.keys().map(|(hour, _)| *hour).collect();
    if window.days.contains(&now.date()) {
        hours.insert(now.hour());
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Week" { table.calendar {
            thead { tr {
                th scope="col" { "Hour" }
                @for day in &window.days { (day_head(frame, window, *day, &now)) }
            } }
            tbody { @for hour in hours { tr {
                th scope="row" { (format!("{hour:02}:00")) }
                @for day in &window.days {
                    @let found = cells.get(&(hour, *day)).map(Vec::as_slice).unwrap_or_default();
                    @let is_now = now.date() == *day && now.hour() == hour;
                    td class=[(now.date() == *day).then_some("today")] {
                        (entries(frame, window, *day, found, IN_HOUR, is_now.then_some(&now)))
                    }
                }
            } } }
        } }
    }
}

/// A month: a row for each week.
pub(super) fn month(frame: &Frame<'_>, window: &CalendarWindow, items: &[CalendarItem<'_>]) -> Markup {
    let mut cells: Cells<'_, Date> = BTreeMap::new();
    for item in items {
        cells.entry(item.at.date()).or_default().push(item);
    }
    let now = frame.now.to_zoned(window.zone.clone());
    html! {
        div.scroll tabindex="0" role="region" aria-label="Month" { table.calendar {
            thead { tr { @for day in window.days.iter().take(7) { th scope="col" { (day.strftime("%A").to_string()) } } } }
            tbody { @for week in window.days.chunks(7) { tr {
                @for day in week {
                    @let found = cells.get(day).map(Vec::as_slice).unwrap_or_default();
                    @let is_other = day.month() != window.first.month();
                    td class=(if *day == now.date() { "today" } else if is_other { "other" } else { "own" }) {
                        (day_link(frame, window, *day, &now, "%-d %b"))
                        (entries(frame, window, *day, found, IN_DAY, None))
                    }
                }
            } } }
        } }
    }
}

fn day_head(frame: &Frame<'_>, window: &CalendarWindow, day: Date, now: &Zoned) -> Markup {
    html! { th scope="col" class=[(day == now.date()).then_some("today")] { (day_link(frame, window, day, now, "%a %-d %b")) } }
}

fn day_link(frame: &Frame<'_>, window: &CalendarWindow, day: Date, now: &Zoned, format: &str) -> Markup {
    let is_today = day == now.date();
    html! {
        a.day href=(window.address(frame.site, CalendarView::Day, Some(day))) aria-current=[is_today.then_some("date")] {
            (day.strftime(format).to_string()) @if is_today { " (today)" }
        }
    }
}

/// The entries of a cell; what is too much is on the screen of the day.
fn entries(
    frame: &Frame<'_>,
    window: &CalendarWindow,
    day: Date,
    items: &[&CalendarItem<'_>],
    most: usize,
    now: Option<&Zoned>,
) -> Markup {
    let left_out = items.len().saturating_sub(most);
    let passed = now.map_or(0, |now| items.iter().filter(|item| item.at < *now).count()).min(most);
    html! {
        @if !items.is_empty() || now.is_some() { ul {
            @for item in items.iter().take(passed) { (in_cell(frame, window, item)) }
            @if let Some(now) = now { li.now { "now " (now.strftime("%H:%M").to_string()) } }
            @for item in items.iter().take(most).skip(passed) { (in_cell(frame, window, item)) }
        } }
        @if left_out > 0 {
            a.more href=(window.address(frame.site, CalendarView::Day, Some(day))) { "and " (left_out) " more" }
        }
    }
}
