//! `/events`: every event, those that created no job as well.

use herald_control::model::{EventSummary, Page};
use maud::{Markup, html};

use crate::elements::{self, ACTS, ActButton, word};
use crate::frame::Frame;
use crate::request::MAX_FORM;

/// The filters that are texts: key, name, an example.
const TEXTS: [(&str, &str, &str); 4] = [
    ("trigger", "Trigger", ""),
    ("router", "Router", ""),
    ("since", "Since", "90m, 2d"),
    ("until", "Until", "90m, 2d"),
];

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, page: &Page<EventSummary>) -> String {
    frame.screen(
        "Events",
        &html! {
            (filter(frame))
            section #list data-part {
                @if page.items.is_empty() { (elements::empty_list(frame, "/events", "No event matches.", "No event yet. A trigger creates one when it fires.")) }
                @else {
                    div.scroll tabindex="0" role="region" aria-label="Events" { table.cards {
                        thead { tr { th { "Event" } th { "Trigger" } th { "Accepted" } th { "Routers that it matched" } } }
                        tbody { @for event in &page.items { tr {
                            td.mark { (elements::event_link(frame, &event.id)) }
                            td.name.lead { bdi { (event.trigger) } }
                            td { (elements::time(frame, &event.accepted_at)) }
                            td.text data-n="Matched" { (routers(event)) }
                        } } }
                    } }
                }
                (elements::next_page(frame, "cursor", page.next_cursor.as_deref()))
            }
            (elements::command(&command(frame)))
        },
    )
}

fn routers(event: &EventSummary) -> Markup {
    html! {
        @if event.routers.is_empty() {
            span.soft { @if event.routed_at.is_some() { "none" } @else { "selectors are being asked" } }
        }
        @for (n, router) in event.routers.iter().enumerate() { @if n > 0 { ", " } bdi { (router) } }
    }
}

fn filter(frame: &Frame<'_>) -> Markup {
    html! {
        form.filter role="search" method="get" action=(frame.site.to("/events")) {
            @for (key, name, example) in TEXTS {
                label { (name) input type="text" name=(key) size="12" value=(frame.asked(key).unwrap_or_default()) placeholder=(example); }
            }
            label.check { input type="checkbox" name="unmatched" value="true" checked[frame.asked("unmatched").is_some()]; "matched no router" }
            button type="submit" { "Filter" }
            @if frame.address.contains('?') { a href=(frame.site.to("/events")) { "Clear" } }
        }
    }
}

fn command(frame: &Frame<'_>) -> String {
    let mut line = "heraldd events".to_owned();
    for key in ["trigger", "router", "since", "until", "cursor"] {
        if let Some(value) = frame.asked(key).filter(|value| !value.is_empty()) {
            line.push_str(&format!(" --{key} {}", word(&value)));
        }
    }
    if frame.asked("unmatched").is_some() {
        line.push_str(" --unmatched");
    }
    line
}

/// A form that fires a trigger, folded away, where the reader may do that; `routers` are those that it may start.
#[must_use]
pub fn fire_form(frame: &Frame<'_>, trigger: &str, routers: &[&str]) -> Markup {
    html! {
        @if frame.may_all(ACTS, routers.iter().copied()) {
            details { summary { "Fire …" } (open_fire_form(frame, trigger, routers, routers.len())) }
        }
    }
}

/// The same, not folded; `count` is how many routers there are, of which some may be left out.
#[must_use]
pub fn open_fire_form(frame: &Frame<'_>, trigger: &str, routers: &[&str], count: usize) -> Markup {
    let more = count.saturating_sub(routers.len());
    html! {
        form.act method="post" action=(frame.site.at("/triggers", &[trigger])) data-most=(MAX_FORM) {
            (elements::form_key(frame))
            p { "The trigger fires now, for " @if routers.is_empty() { "no router" } @else { @if routers.len() == 1 && more == 0 { "the router " } @else { "the routers " } bdi { (routers.join(", ")) } @if more > 0 { " and " (more) " more" } } "." }
            label { "Parameters (a JSON object) " textarea name="params" placeholder="{}" {} }
            label { "Why " input type="text" name="reason" maxlength="500" placeholder="optional"; }
            button type="submit" { "Fire" }
        }
    }
}

/// The form that fires the trigger of an event again.
#[must_use]
pub fn replay_act<'a>(frame: &Frame<'_>, id: &str) -> ActButton<'a> {
    ActButton::new(
        frame.site.at("/events", &[id, "replay"]),
        "Replay",
        "The trigger fires again with the same parameters, with the configuration of now.",
    )
}
