//! `/jobs`: the list, by pages, with the filters of the API.

use herald_control::model::{JobList, STATUSES};
use maud::{Markup, html};

use crate::elements::{self, sign, word};
use crate::frame::Frame;

/// The filters that are texts: key, name, an example.
const TEXTS: [(&str, &str, &str); 8] = [
    ("router", "Router", ""),
    ("task", "Task", ""),
    ("trigger", "Trigger", ""),
    ("node", "Node", ""),
    ("by", "By", "name"),
    ("q", "Text", "error, value"),
    ("since", "Since", "90m, 2d"),
    ("until", "Until", "90m, 2d"),
];

/// The document; of a damaged history, jobs may be missing.
#[must_use]
pub fn screen(frame: &Frame<'_>, page: &JobList, is_damaged: bool) -> String {
    frame.screen(
        "Jobs",
        &html! {
            (filter(frame))
            section #list data-part {
                @if is_damaged {
                    p.wrong { (sign("bad")) "The history is damaged: jobs may be missing here. " code { "heraldd state check" } " names what is damaged, and " a href=(frame.site.to("/")) { "Now" } " as well." }
                }
                @if page.items.is_empty() && page.next_cursor.is_some() { p.empty { "No job matches among those that were looked at; older ones may." } }
                @else if page.items.is_empty() && is_damaged { p.empty { "No job can be read." } }
                @else if page.items.is_empty() { (elements::empty_list(frame, "/jobs", "No job matches.", "No job yet. A router starts one when its trigger fires.")) }
                @else { (counts(frame, page)) (elements::jobs_table(frame, &page.items)) }
                (elements::next_page(frame, "cursor", page.next_cursor.as_deref()))
            }
            (elements::command(&command(frame)))
        },
    )
}

fn filter(frame: &Frame<'_>) -> Markup {
    let status = frame.asked("status").unwrap_or_default();
    html! {
        form.filter role="search" method="get" action=(frame.site.to("/jobs")) {
            @for (key, name, example) in TEXTS {
                label { (name) input type="text" name=(key) size="12" value=(frame.asked(key).unwrap_or_default()) placeholder=(example); }
            }
            label { "Status" select name="status" {
                option value="" { "any" }
                @if !status.is_empty() && !STATUSES.contains(&&*status) { option value=(status) selected { (status) } }
                @for one in STATUSES { option value=(one) selected[one == status] { (one.replace('_', " ")) } }
            } }
            button type="submit" { "Filter" }
            @if frame.address.contains('?') { a href=(frame.site.to("/jobs")) { "Clear" } }
        }
    }
}

/// How many jobs there are of each state, or the way to find that out.
fn counts(frame: &Frame<'_>, page: &JobList) -> Markup {
    let searched =
        ["by", "node", "q"].iter().any(|key| frame.asked(key).is_some_and(|value| !value.is_empty()));
    html! {
        @match &page.counts {
            Some(counts) => p.counts {
                @for (status, count) in counts { (count) " " (elements::status(status)) " " }
                @if searched { "(By, Node and Text do not count.)" }
            },
            None => p.counts { a href=(elements::with(frame, "counts", "true")) { "Count by status" } },
        }
    }
}

fn command(frame: &Frame<'_>) -> String {
    let mut line = "heraldd jobs".to_owned();
    for key in ["router", "task", "trigger", "event", "node", "by", "q", "since", "until", "status", "cursor"]
    {
        if let Some(value) = frame.asked(key).filter(|value| !value.is_empty()) {
            line.push_str(&format!(" --{key} {}", word(&value)));
        }
    }
    if frame.asked("counts").is_some_and(|value| value == "true") {
        line.push_str(" --counts");
    }
    line
}
