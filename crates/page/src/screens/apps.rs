//! `/apps`: the applications, and what is live on their nodes.

use herald_control::model::AppResource;
use maud::html;

use crate::elements;
use crate::frame::Frame;

/// The characters of a revision that are shown.
const SHORT: usize = 10;

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, apps: &[AppResource]) -> String {
    frame.screen(
        "Apps",
        &html! {
            section #apps data-part {
                @if apps.is_empty() { p.empty { "No application is configured. The section “app” names what is deployed, and where." } }
                @else { div.scroll tabindex="0" role="region" aria-label="Applications" { table.cards {
                    thead { tr { th { "Application" } th { "Live" } th { "Since" } th { "Nodes" } th { "State" } } }
                    tbody { @for app in apps { tr {
                        td.name.lead { a href=(frame.site.at("/apps", &[&app.name])) { bdi { (app.name) } } }
                        td data-n="Live" { @match &app.revision { Some(live) => { span.id { (revision(live)) } }, None => { span.soft { "nothing yet" } } } }
                        td data-n="Since" { (elements::time_or_none(frame, app.since.as_deref())) }
                        td data-n="Nodes" { @for (name, node) in &app.nodes { div { bdi { (name) } " " (elements::status(&node.state)) } } }
                        td.mark { @if let Some(hold) = &app.hold { (elements::status("held")) div.soft { "since " (elements::time(frame, &hold.since)) " by " bdi { (hold.by) } ": “" bdi { (hold.reason) } "”" } }
                            @else if app.running.is_some() { (elements::status("running")) }
                            @else if app.freeze.is_some() { "frozen" }
                            @else if let Some(last) = &app.last { (elements::status(last)) } }
                    } } }
                } } }
            }
            (elements::command("heraldd apps"))
        },
    )
}

/// The beginning of a revision.
#[must_use]
pub fn revision(whole: &str) -> &str {
    whole.get(..SHORT).unwrap_or(whole)
}
