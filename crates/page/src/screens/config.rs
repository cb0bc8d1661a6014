//! `/config`: which configuration runs, and what is wrong with its file now.

use herald_control::model::DaemonInfo;
use maud::html;

use crate::elements::{self, ACTS, ActButton, sign};
use crate::frame::Frame;

/// What a check of the file found now.
pub struct ConfigCheck {
    /// Whether it could be loaded.
    pub is_valid: bool,
    /// The problems, for those who may read them: they quote lines of the file.
    pub problems: Vec<String>,
    /// How many there are.
    pub count: usize,
}

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, info: &DaemonInfo, check: &ConfigCheck) -> String {
    let reload = ActButton::new(
        frame.site.to("/reload"),
        "Reload",
        "The file is read; on errors the running configuration is kept.",
    );
    frame.screen(
        "Configuration",
        &html! {
            dl.card {
                dt { "File" } dd { (info.config) }
                dt { "State" } dd { (info.state_dir.as_deref().unwrap_or("in memory")) }
                dt { "heraldd" } dd { (info.version) ", process " (info.pid) ", started " (elements::time(frame, &info.started_at)) }
            }
            section #check data-part {
                h2 { "The file now" }
                @if check.is_valid { p.notice { (sign("good")) "The file is valid" @if check.count > 0 { ", with warnings" } "." } }
                @else { p.wrong { (sign("bad")) "The file has errors: a reload would be refused, and the running configuration stays." } }
                @for problem in &check.problems { pre.card { (problem) } }
                @if check.problems.is_empty() && check.count > 0 { p.soft { "An admin sees what they are." } }
            }
            (elements::acts(frame, frame.has(herald_access::Role::Admin), &[reload]))
            @if frame.has(ACTS) { p { a href=(frame.site.to("/audit?act=reload")) { "Who reloaded it" } } }
            (elements::command("heraldd check    heraldd reload"))
        },
    )
}
