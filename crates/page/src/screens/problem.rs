//! What is shown in place of a screen when a request fails.

use herald_control::model::ProblemDetails;
use maud::html;

use crate::frame::Frame;

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, problem: &ProblemDetails) -> String {
    let candidates = problem.candidates.as_deref().unwrap_or_default();
    let kind = if frame.path().starts_with("/events") { "/events" } else { "/jobs" };
    frame.screen(
        &problem.title,
        &html! {
            div.wrong role="alert" data-problem {
                pre { (problem.detail) }
                @if !candidates.is_empty() {
                    ul { @for id in candidates { li { a.id href=(frame.site.at(kind, &[id])) { (id) } } } }
                }
            }
            p { a href=(frame.site.to("/")) { "To the first page" } }
        },
    )
}
