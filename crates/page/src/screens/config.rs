//! `/config`: which configuration runs, whether its files differ from it, and what is wrong with them now.

use herald_control::model::{ConfigEntry, ConfigProblem, ConfigResource, DaemonInfo};
use maud::{Markup, html};

use crate::elements::{self, ACTS, ActButton, sign};
use crate::frame::Frame;

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, info: &DaemonInfo, config: &ConfigResource) -> String {
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
                dt { "State directory" } dd { (info.state_dir.as_deref().unwrap_or("in memory")) }
                dt { "heraldd" } dd { (info.version) ", process " (info.pid) ", started " (elements::time(frame, &info.started_at)) }
            }
            section #failed data-part { @if let Some(failed) = elements::failed_reload(frame, info) { p.wrong { (failed) } } }
            (file_now(config))
            (elements::acts(frame, frame.has(herald_access::Role::Admin), &[reload]))
            @if frame.has(ACTS) { p { a href=(frame.site.to("/audit?act=reload")) { "Who reloaded it" } } }
            (running(frame, config))
            (elements::command("heraldd check    heraldd reload"))
        },
    )
}

fn file_now(config: &ConfigResource) -> Markup {
    html! {
        section #check data-part {
            h2 { "The file now" }
            @if config.is_valid { p.notice { (sign("good")) "The file is valid" @if config.problem_count > 0 { ", with warnings" } "." } }
            @else { p.wrong { (sign("bad")) "The file has errors: a reload would be refused, and the running configuration stays." } }
            @if config.differs { p.notice { (sign("odd")) "The file differs from what runs." @if config.is_valid { " A reload applies it." } } }
            @for problem in &config.problems { pre.card { (problem_text(problem)) } }
            @if config.problems.is_empty() && config.problem_count > 0 { p.soft { "An admin sees what they are." } }
        }
    }
}

fn problem_text(problem: &ConfigProblem) -> String {
    let mut text = String::new();
    if let (Some(file), Some(line), Some(column)) = (&problem.file, problem.line, problem.column) {
        text.push_str(&format!("{file}:{line}:{column}: "));
    }
    if problem.severity != "error" {
        text.push_str(&format!("{}: ", problem.severity));
    }
    text.push_str(&problem.message);
    if let Some(help) = &problem.help {
        text.push_str(&format!("\n  help: {help}"));
    }
    text
}

fn running(frame: &Frame<'_>, config: &ConfigResource) -> Markup {
    let section = frame.asked("section").unwrap_or_default();
    html! {
        section #running data-part {
            h2 { "What runs" }
            form.filter role="search" method="get" action=(frame.site.to("/config")) {
                label { "Section" input type="text" name="section" value=(section) maxlength="100"; }
                button type="submit" { "Filter" }
            }
            @if config.entries.is_empty() { (elements::empty_list(frame, "/config", "No section has this name.", "Nothing is configured.")) }
            @for entry in &config.entries { (entry_of(entry)) }
            (elements::next_page(frame, "cursor", config.next_cursor.as_deref()))
        }
    }
}

fn entry_of(entry: &ConfigEntry) -> Markup {
    let value = serde_json::to_string_pretty(&entry.value).unwrap_or_default();
    html! {
        details {
            summary { bdi { (entry.section) } @if let Some(name) = &entry.name { " " bdi { (name) } } " " span.soft { bdi { (entry.file) } ":" (entry.line) } }
            pre.json { (value) }
        }
    }
}
