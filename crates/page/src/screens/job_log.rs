//! What a job wrote, in lines: whole where it is small, otherwise a window of it.

use herald_control::model::{JobResource, LogPageLine};
use maud::{Markup, html};

use crate::elements::{counted, encode};
use crate::frame::Frame;
use crate::log_text::LogText;

/// Lines that a browser lays out together, when they are seen.
const CHUNK: usize = 500;

/// Lines with a larger number need more room for it.
const WIDE: u64 = 9_999;

/// A log, or a window of it.
pub struct JobLog {
    /// Of which attempt.
    pub attempt: u32,
    /// The lines.
    pub lines: Vec<LogPageLine>,
    /// Which lines they are.
    pub shown: ShownLines,
    /// Whether output is missing among them.
    pub is_incomplete: bool,
}

/// Which lines of a log are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShownLines {
    /// All.
    Whole,
    /// The last ones: the log is long, or still written.
    End,
    /// A window; the line with which the next one begins.
    Window(Option<u64>),
    /// Those that hold this text; the line to search on from.
    Found(String, Option<u64>),
    /// None: the log cannot be read, and why.
    Unreadable(String),
}

/// The part of the screen with the log.
#[must_use]
pub fn part(frame: &Frame<'_>, job: &JobResource, log: &JobLog) -> Markup {
    html! {
        // A log that is still written is asked for again and again.
        section #log data-part data-again[is_followed(frame, job)] {
            h2 { "Log" @if job.attempts.len() > 1 { " of attempt " (log.attempt) } }
            // Of nothing at all there is nothing to search.
            @if !log.lines.is_empty() || log.shown != ShownLines::Whole { (search(frame, job, log)) (windows(frame, job, log)) }
            @if log.is_incomplete { p.wrong { "Output is missing here; the option history.log_limit says how much is kept." } }
            @if log.lines.is_empty() { p.empty { (empty(job, log)) } }
            @else {
                div.log.many[log.lines.last().is_some_and(|line| line.line > WIDE)] tabindex="0" role="region" aria-label="Log" {
                    @for chunk in log.lines.chunks(CHUNK) { div.chunk.part[chunk.len() < CHUNK] { @for one in chunk { (line(one)) } } }
                }
            }
        }
    }
}

/// Whether lines are added while it is read.
fn is_followed(frame: &Frame<'_>, job: &JobResource) -> bool {
    job.summary.status == "running" && frame.asked("search").is_none()
}

/// For scripts: how many lines came while the reader was elsewhere in the log, as a button that leads to its end. It is
/// not in the part of the log, which is exchanged.
#[must_use]
pub fn more_lines(frame: &Frame<'_>, job: &JobResource) -> Markup {
    html! {
        @if is_followed(frame, job) {
            p #more-said .sr role="status" {}
            button #more-lines type="button" hidden {}
        }
    }
}

fn empty(job: &JobResource, log: &JobLog) -> String {
    match &log.shown {
        ShownLines::Unreadable(why) => format!("The log cannot be read: {why}"),
        ShownLines::Found(text, _) => format!("No line holds “{text}”."),
        _ if job.summary.began_at().is_none() => "The job has not started.".to_owned(),
        _ if job.summary.ended_at.is_none() => "Nothing was written yet.".to_owned(),
        _ => "Nothing was written.".to_owned(),
    }
}

fn line(line: &LogPageLine) -> Markup {
    let class = if line.stream == "stderr" { "line err" } else { "line" };
    html! {
        div class=(class) id={ "L" (line.line) } {
            // Not a stop of the tabulator: there are thousands. The form above goes to a line as well.
            a href={ "#L" (line.line) } tabindex="-1" data-n=(line.line) aria-label={ "line " (line.line) } title=(line.at) {}
            span { (LogText(&line.text)) @if line.cut { " …" } }
        }
    }
}

/// The address of the job with this in the query.
fn with(frame: &Frame<'_>, job: &JobResource, log: &JobLog, query: &str) -> String {
    format!("{}?attempt={}&{query}#log", frame.site.at("/jobs", &[&job.summary.id]), log.attempt)
}

fn search(frame: &Frame<'_>, job: &JobResource, log: &JobLog) -> Markup {
    let text = frame.asked("search").unwrap_or_default();
    html! {
        form.filter role="search" method="get" action={ (frame.site.at("/jobs", &[&job.summary.id])) "#log" } {
            input type="hidden" name="attempt" value=(log.attempt);
            label { "Search the log" input type="search" name="search" value=(text); }
            label { "or from line" input type="text" inputmode="numeric" name="from_line" size="8" value=(frame.asked("from_line").unwrap_or_default()); }
            button type="submit" { "Show" }
        }
    }
}

fn windows(frame: &Frame<'_>, job: &JobResource, log: &JobLog) -> Markup {
    let first = log.lines.first().map_or(1, |line| line.line);
    let count = log.lines.len() as u64;
    let to = |query: String| with(frame, job, log, &query);
    html! {
        p.pages {
            @match &log.shown {
                ShownLines::Whole | ShownLines::Unreadable(_) => {}
                ShownLines::End => {
                    span { "The last " (counted(log.lines.len(), "line")) "." }
                    a href=(to("from_line=1".to_owned())) { "From the beginning" }
                }
                ShownLines::Window(next) => {
                    @if first > 1 { a href=(to(format!("from_line={}", first.saturating_sub(count.max(1)).max(1)))) { "Earlier" } }
                    @if let Some(next) = next { a href=(to(format!("from_line={next}"))) { "Later" } }
                    a href=(to(String::new())) { "The end" }
                }
                ShownLines::Found(text, next) => {
                    span { (counted(log.lines.len(), "line")) " with “" bdi { (text) } "”." }
                    @if let Some(found) = log.lines.first() { a href={ (with(frame, job, log, &format!("from_line={}", found.line)).replace("#log", "")) "#L" (found.line) } { "Around the first" } }
                    @if let Some(next) = next { a href=(to(format!("search={}&from_line={next}", encode(text)))) { "Search on" } }
                    a href=(to(String::new())) { "The end" }
                }
            }
            a href={ (frame.site.at("/v1/jobs", &[&job.summary.id, "log"])) "?attempt=" (log.attempt) } { "As text" }
        }
    }
}
