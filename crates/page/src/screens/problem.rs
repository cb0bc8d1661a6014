//! What is shown in place of a screen when a request fails.

use herald_control::model::ProblemDetails;
use maud::{Markup, html};

use crate::elements::sign;
use crate::frame::{Frame, screen_of};

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, problem: &ProblemDetails) -> String {
    let candidates = problem.candidates.as_deref().unwrap_or_default();
    let kind = if frame.path().starts_with("/events") { "/events" } else { "/jobs" };
    frame.screen(
        &problem.title,
        &html! {
            div.wrong role="alert" data-problem {
                (detail(&problem.detail))
                @if !candidates.is_empty() {
                    ul { @for id in candidates { li { a.id href=(frame.site.at(kind, &[id])) { (id) } } } }
                }
            }
            p {
                (back(frame, problem.status))
                a href=(frame.site.to("/")) { "To the first page" }
            }
        },
    )
}

/// To the list that the screen belongs to; not where that is what was refused.
fn back(frame: &Frame<'_>, status: u16) -> Markup {
    let list = screen_of(frame.path()).filter(|(path, _)| *path != frame.address || status >= 500);
    html! { @if let Some((path, name)) = list {
        a href=(frame.site.to(path)) { @if path == frame.address { "Try again" } @else { "To " (name) } } " · "
    } }
}

/// What has several lines keeps them, since there may be an excerpt of a file in it.
fn detail(text: &str) -> Markup {
    html! { @if text.contains('\n') { pre { (text) } } @else { (sign("bad")) bdi { (text) } } }
}
