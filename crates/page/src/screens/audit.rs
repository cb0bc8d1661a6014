//! `/audit`: who did what, and what was refused.

use herald_control::model::{AuditResource, Page};
use maud::html;

use crate::elements::{self, word};
use crate::frame::Frame;

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, page: &Page<AuditResource>) -> String {
    let filter = [("user", "User"), ("act", "Act")];
    let mut command = "heraldd audit".to_owned();
    for (key, _) in filter {
        if let Some(value) = frame.asked(key).filter(|value| !value.is_empty()) {
            command.push_str(&format!(" --{key} {}", word(&value)));
        }
    }
    frame.screen(
        "Audit",
        &html! {
            form.filter role="search" method="get" action=(frame.site.to("/audit")) {
                @for (key, name) in filter { label { (name) input type="text" name=(key) value=(frame.asked(key).unwrap_or_default()); } }
                button type="submit" { "Filter" }
            }
            section #list data-part {
                @if page.items.is_empty() { (elements::empty_list(frame, "/audit", "No act matches.", "Nobody did anything yet. What people and tokens do is listed here, and what was refused.")) }
                @else { div.scroll tabindex="0" role="region" aria-label="Audit" { table.cards {
                    thead { tr { th { "When" } th { "Who" } th { "Act" } th { "Target" } th { "Outcome" } th { "Why" } th { "Via" } th { "From" } } }
                    tbody { @for one in &page.items { tr {
                        td { (elements::time(frame, &one.at)) }
                        td.who.lead { bdi { (one.user.as_deref().unwrap_or("–")) } }
                        td { (one.act) }
                        td.name { bdi { (one.target) } }
                        td.mark { (elements::status(&one.outcome)) }
                        td.text { bdi { (one.error.as_deref().or(one.reason.as_deref()).unwrap_or_default()) } }
                        td data-n="Via" { (one.via) }
                        td data-n="From" class=[one.address.is_none().then_some("wide-only")] { (one.address.as_deref().unwrap_or("–")) }
                    } } }
                } } }
                (elements::next_page(frame, "before", page.next_cursor.as_deref()))
            }
            (elements::command(&command))
        },
    )
}
