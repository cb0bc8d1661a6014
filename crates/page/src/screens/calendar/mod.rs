//! `/calendar`: what ran and what is due, by day, week, month, or as a list.

mod agenda;
mod grid;
mod item;
mod rows;
mod timeline;
mod window;

use herald_control::model::{CalendarResource, ClockChangeResource};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::events::open_fire_form;
use crate::elements::{self, encode, sign};
use crate::frame::Frame;
pub use window::{CalendarView, CalendarWindow, CalendarWindowError};

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, window: &CalendarWindow, calendar: &CalendarResource) -> String {
    let items = item::items(window, calendar);
    frame.screen(
        "Calendar",
        &html! {
            (controls(frame, window))
            (run_form(frame, window, calendar))
            // Of many jobs at once the calendar is not made again and again.
            section #calendar data-part data-gap="10000" {
                h2 { (window.title()) " " span.soft { (window.zone_name()) } }
                (remarks(window, calendar))
                @if items.is_empty() && window.view != CalendarView::Month {
                    p.empty { "Nothing ran, and nothing is due. A trigger of the type " code { "cron" } " has due times; see " a href=(frame.site.to("/routers")) { "Routers" } "." }
                } @else {
                    @match window.view {
                        CalendarView::Week if window.is_automatic => {
                            div.wide-only { (grid::week(frame, window, &items)) }
                            (agenda::agenda(frame, window, &items))
                        },
                        CalendarView::Week => { (grid::week(frame, window, &items)) },
                        CalendarView::Month => { (grid::month(frame, window, &items)) },
                        CalendarView::List => { (rows::rows(frame, window, &items)) (agenda::agenda(frame, window, &items)) },
                        CalendarView::Day => {
                            (timeline::timeline(frame, window, &items))
                            (rows::rows(frame, window, &items))
                            (agenda::agenda(frame, window, &items))
                        },
                    }
                }
            }
            p.soft {
                span.good { "✓ succeeded" } " · " span.bad { "✕ failed" } " · " span.busy { "▶ running" } " · ▫ due, as far as it is known. "
                a href=(frame.site.to("/v1/calendar.ics")) { "Due times as iCalendar" }
            }
            (elements::command(&command(window)))
        },
    )
}

fn controls(frame: &Frame<'_>, window: &CalendarWindow) -> Markup {
    let site = frame.site;
    let near = |steps| window.neighbour(steps).map(|date| window.same(site, Some(date)));
    html! { div.controls {
        nav.choices aria-label="View" { ul {
            @for (view, _, name) in window::VIEWS {
                (view_choice(frame, window, view, name))
            }
        } }
        nav.choices aria-label="Dates" { ul {
            @if let Some(earlier) = near(-1) { li { a rel="prev" href=(earlier) { span aria-hidden="true" { "◂ " } "Earlier" } } }
            li { a href=(window.same(site, None)) { "Today" } }
            @if let Some(later) = near(1) { li { a rel="next" href=(later) { "Later" span aria-hidden="true" { " ▸" } } } }
        } }
        (zones(frame, window))
        form.filter method="get" action=(site.to("/calendar")) {
            @for (view, word, _) in window::VIEWS { @if view == window.view && !window.is_automatic { input type="hidden" name="view" value=(word); } }
            @if let Some(zone) = &window.asked_zone { input type="hidden" name="zone" value=(zone); }
            label { "Date" input type="date" name="from" value=(window.first.to_string()); }
            button.plain type="submit" { "Show" }
        }
    } }
}

/// The choice of a view. Where the reader chose none, a narrow screen shows the list.
fn view_choice(frame: &Frame<'_>, window: &CalendarWindow, view: CalendarView, name: &str) -> Markup {
    let to = window.address(frame.site, view, Some(window.first));
    let link =
        |is_current: bool| html! { a href=(to) aria-current=[is_current.then_some("true")] { (name) } };
    html! {
        @if window.is_automatic && matches!(view, CalendarView::Week | CalendarView::List) {
            li.wide-only { (link(view == CalendarView::Week)) }
            li.narrow-only { (link(view == CalendarView::List)) }
        } @else { li { (link(view == window.view && !window.is_automatic)) } }
    }
}

/// The form that fires a trigger which is due, where it is asked for.
fn run_form(frame: &Frame<'_>, window: &CalendarWindow, calendar: &CalendarResource) -> Markup {
    let Some(wanted) = frame.asked("run") else { return html! {} };
    let found = calendar.schedules.iter().find(|schedule| schedule.trigger == wanted);
    let Some(schedule) = found else {
        let others = format!("{}{}", frame.site.to("/routers?name="), encode(&wanted));
        return html! { p.notice { bdi { (wanted) } " is not due here any more; " a href=(others) { "Routers" } " has a form for each trigger." } };
    };
    let routers: Vec<&str> = schedule.routers.iter().map(String::as_str).collect();
    let count = usize::try_from(schedule.router_count).unwrap_or(usize::MAX);
    html! {
        @if item::may_run(frame, schedule) {
            section #run.card {
                h2 { "Run " bdi { (schedule.trigger) } " now" }
                (open_fire_form(frame, &schedule.trigger, &routers, count))
                p { a href=(window.same(frame.site, Some(window.first))) { "Cancel" } }
            }
        }
    }
}

/// The zone that times are shown in: the server's, UTC, or the reader's, which scripts know.
fn zones(frame: &Frame<'_>, window: &CalendarWindow) -> Markup {
    let asked = window.asked_zone.as_deref();
    let to = |zone| window.same_in(frame.site, Some(window.first), zone);
    let current = |is_current: bool| is_current.then_some("true");
    let other = asked.filter(|zone| *zone != "UTC");
    let server =
        frame.zone.iana_name().map_or_else(|| "server".to_owned(), |name| format!("server ({name})"));
    html! {
        nav.choices aria-label="Time zone" { ul {
            li { a href=(to(None)) aria-current=[current(asked.is_none())] { (server) } }
            li { a href=(to(Some("UTC"))) aria-current=[current(asked == Some("UTC"))] { "UTC" } }
            @match other {
                Some(zone) => { li { a href=(to(Some(zone))) aria-current="true" { bdi { (zone) } } } },
                None => { li hidden data-zone { a href=(to(Some("UTC"))) { "mine" } } },
            }
        } }
    }
}

/// What holds for the whole window: clocks that change, and what is left out.
fn remarks(window: &CalendarWindow, calendar: &CalendarResource) -> Markup {
    let time = |at: &str| match at.parse::<Timestamp>() {
        Ok(at) => at.to_zoned(window.zone.clone()).strftime("%a %-d %b %Y %H:%M %:z").to_string(),
        Err(_) => at.to_owned(),
    };
    html! {
        @for change in &calendar.clock_changes { p.notice.change { (clock_change(change)) } }
        @if let Some(since) = &calendar.runs_since { p.notice.change { (sign("odd")) "There are too many jobs to show: those before " (time(since)) " are left out." } }
        @if let Some(until) = &calendar.due_until { p.notice.change { (sign("odd")) "There are too many due times to show: those from " (time(until)) " on are left out." } }
    }
}

fn clock_change(change: &ClockChangeResource) -> Markup {
    let zone = TimeZone::get(&change.zone).unwrap_or(TimeZone::UTC);
    // What the clocks show when it happens is what they showed before.
    let before = change
        .at
        .parse::<Timestamp>()
        .ok()
        .and_then(|at| at.checked_sub(jiff::SignedDuration::from_secs(1)).ok());
    let before = before
        .map(|at| at.to_zoned(zone).datetime())
        .and_then(|at| at.checked_add(jiff::SignedDuration::from_secs(1)).ok());
    let when = before.map_or_else(|| change.at.clone(), |at| at.strftime("%a %-d %b %Y %H:%M").to_string());
    html! { "▲ " (change.zone) ": the clocks change on " (when) ", from " (change.before) " to " (change.after) "." }
}

fn command(window: &CalendarWindow) -> String {
    format!("heraldd next -n 50    heraldd jobs --since {} --until {}", window.from, window.until)
}

#[cfg(test)]
mod tests;
