//! Parts of screens: times, states, links, forms, commands.

use herald_access::Role;
use herald_control::model::{DaemonInfo, JobSummary, RecordedActor};
use herald_terminal::human_time;
use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::frame::Frame;

/// The characters of an id that lists show: they are enough to find it.
const SHORT_ID: usize = 8;

/// The most characters of why a reload failed.
const LONGEST_REASON: usize = 500;

/// A part of a screen cannot be shown now, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PartUnavailable(pub String);

/// A time: local with its offset, and how long ago it was. Scripts show it in the zone of the reader.
#[must_use]
pub fn time(frame: &Frame<'_>, at: &str) -> Markup {
    let Ok(moment) = at.parse::<Timestamp>() else { return html! { (at) } };
    let local = local(frame, at);
    let distance = if moment > frame.now {
        human_time::until(moment.duration_since(frame.now))
    } else {
        human_time::short_ago_of(at, frame.now)
    };
    html! { time datetime=(at) title=(local) { (local) } " " span.ago { "(" (distance) ")" } }
}

/// A time in a sentence, in the zone of the page; the text itself where it is none.
#[must_use]
pub fn local(frame: &Frame<'_>, at: &str) -> String {
    let moment = at.parse::<Timestamp>().map(|moment| moment.to_zoned(frame.zone.clone()));
    moment.map_or_else(|_| at.to_owned(), |moment| moment.strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
}

/// A time, where there may be none.
#[must_use]
pub fn time_or_none(frame: &Frame<'_>, at: Option<&str>) -> Markup {
    match at {
        Some(at) => time(frame, at),
        None => html! { "–" },
    }
}

/// The shape and the colour of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusLook {
    /// A character.
    pub shape: &'static str,
    /// The class that gives the colour.
    pub kind: &'static str,
}

/// How a status looks.
#[must_use]
pub fn status_look(word: &str) -> StatusLook {
    let (shape, kind) = match word {
        "succeeded" | "online" | "in_sync" | "accepted" | "yes" | "ok" => ("✓", "good"),
        "failed" | "timed_out" | "lost" | "offline" | "rejected" | "broken" | "refused" | "error"
        | "partial" | "alert" => ("✕", "bad"),
        "running" | "publishing" => ("▶", "busy"),
        "queued" | "pending" => ("◌", "wait"),
        "drifted" | "reverted" | "outdated" | "held" | "paused" | "warn" => ("▲", "odd"),
        _ => ("○", "none"),
    };
    StatusLook { shape, kind }
}

/// A status as shape, word and colour.
#[must_use]
pub fn status(word: &str) -> Markup {
    let StatusLook { shape, kind } = status_look(word);
    let word = word.replace('_', " ");
    html! { span class={ "status " (kind) } { span aria-hidden="true" { (shape) } " " (word) } }
}

/// The shape of a kind of status, for the beginning of a sentence that says it in words.
#[must_use]
pub fn sign(kind: &str) -> Markup {
    let shape = match kind {
        "good" => "✓",
        "busy" => "▶",
        "odd" => "▲",
        _ => "✕",
    };
    html! { span class=(kind) aria-hidden="true" { (shape) } " " }
}

/// How long a job ran, or has been running.
#[must_use]
pub fn duration(frame: &Frame<'_>, from: Option<&str>, to: Option<&str>) -> String {
    let moment = |text: Option<&str>| text.and_then(|text| text.parse::<Timestamp>().ok());
    match (moment(from), moment(to)) {
        (Some(from), Some(to)) => human_time::span(to.duration_since(from)),
        (Some(from), None) => human_time::span(frame.now.duration_since(from)),
        _ => "–".to_owned(),
    }
}

/// The part of an id that is shown: its end, which differs between ids of one time.
#[must_use]
pub fn short(id: &str) -> &str {
    id.len().checked_sub(SHORT_ID).and_then(|at| id.get(at..)).unwrap_or(id)
}

/// As a value of a query.
#[must_use]
pub fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A link to a job.
#[must_use]
pub fn job_link(frame: &Frame<'_>, id: &str) -> Markup {
    html! { a.id href=(frame.site.at("/jobs", &[id])) { (short(id)) } }
}

/// A link to an event.
#[must_use]
pub fn event_link(frame: &Frame<'_>, id: &str) -> Markup {
    html! { a.id href=(frame.site.at("/events", &[id])) { (short(id)) } }
}

/// The command lines that do the same, four spaces between them.
#[must_use]
pub fn command(lines: &str) -> Markup {
    html! { p.command { span { "On the command line: " } @for line in lines.split("    ") { code { (line) } " " } } }
}

/// A word of a command line, quoted for a shell where it must be.
#[must_use]
pub fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=,+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Who or what caused something, in words.
#[must_use]
pub fn actor(by: &RecordedActor) -> Markup {
    html! {
        bdi { (by.user.as_deref().unwrap_or("somebody")) } " via " bdi { (by.via) }
        @if let Some(address) = &by.address { " from " bdi { (address) } }
        @if let Some(reason) = &by.reason { ": “" bdi { (reason) } "”" }
    }
}

/// That the last reload failed, why, and what to do; nothing where it did not.
#[must_use]
pub fn failed_reload(frame: &Frame<'_>, info: &DaemonInfo) -> Option<Markup> {
    let failed = info.failed_reload.as_ref()?;
    let here = frame.path() == "/config";
    Some(html! {
        (sign("bad")) "The reload of " (time(frame, &failed.at)) " failed, and the configuration before it runs on: "
        bdi { (cut(&failed.summary(), LONGEST_REASON)) }
        " · Correct the file and reload it"
        @if !here { ": " a href=(frame.site.to("/config")) { "Configuration" } }
    })
}

/// Values as JSON that is folded away; nothing where there are none.
#[must_use]
pub fn values(name: &str, values: &Map<String, Value>) -> Markup {
    let text = serde_json::to_string_pretty(values).unwrap_or_default();
    html! { @if !values.is_empty() { details { summary { (name) } pre.json { (text) } } } }
}

/// The field with the one-time key of a form.
pub const FORM_KEY: &str = "idempotency_key";

/// The one-time key of a form: sent twice, it acts once.
#[must_use]
pub fn form_key(frame: &Frame<'_>) -> Markup {
    html! { input type="hidden" name=(FORM_KEY) value=(frame.form_key); }
}

/// The fields of a form with one button.
pub struct ActButton<'a> {
    /// Where it is sent, below the base.
    pub to: String,
    /// What the button says.
    pub label: &'a str,
    /// What happens, in a sentence.
    pub means: &'a str,
    /// Values that are sent with it.
    pub fields: Vec<(&'a str, String)>,
    /// Whether it asks why.
    pub asks_reason: bool,
    /// Whether it is shown as dangerous.
    pub is_dangerous: bool,
}

impl<'a> ActButton<'a> {
    /// A button that asks why.
    #[must_use]
    pub fn new(to: String, label: &'a str, means: &'a str) -> Self {
        Self { to, label, means, fields: Vec::new(), asks_reason: true, is_dangerous: false }
    }

    /// The form.
    #[must_use]
    pub fn form(&self, frame: &Frame<'_>) -> Markup {
        html! {
            form.act method="post" action=(self.to) {
                (form_key(frame))
                @for (name, value) in &self.fields { input type="hidden" name=(name) value=(value); }
                p { (self.means) }
                @if self.asks_reason {
                    label { "Why " input type="text" name="reason" maxlength="500" placeholder="optional"; }
                }
                button type="submit" class=[self.is_dangerous.then_some("danger")] { (self.label) }
            }
        }
    }
}

/// Forms that are folded away behind their names, where the reader may use them.
#[must_use]
pub fn acts(frame: &Frame<'_>, allowed: bool, acts: &[ActButton<'_>]) -> Markup {
    html! {
        @if allowed {
            div.acts { @for act in acts { details { summary { (act.label) " …" } (act.form(frame)) } } }
        }
    }
}

/// This address with another value of a key in its query.
#[must_use]
pub fn with(frame: &Frame<'_>, key: &str, value: &str) -> String {
    let (path, query) = frame.address.split_once('?').unwrap_or((frame.address, ""));
    let mut changed = form_urlencoded::Serializer::new(String::new());
    let kept = form_urlencoded::parse(query.as_bytes());
    changed.extend_pairs(kept.filter(|(name, value)| name != key && name != "done" && !value.is_empty()));
    changed.append_pair(key, value);
    format!("{}?{}", frame.site.to(path), changed.finish())
}

/// The link to the next page of a list; `key` is what its cursor is called.
#[must_use]
pub fn next_page(frame: &Frame<'_>, key: &str, cursor: Option<&str>) -> Markup {
    let path = frame.path();
    let next = cursor.map(|cursor| with(frame, key, cursor));
    let is_first = frame.asked(key).is_none();
    html! {
        @if next.is_some() || !is_first {
            nav.pages aria-label="Pages" {
                @if !is_first { a href=(frame.site.to(path)) { "Newest" } }
                @if let Some(next) = next { a rel="next" href=(next) { "Older" } }
            }
        }
    }
}

/// In place of a list without entries: what is so where it is filtered, and what where it is not.
#[must_use]
pub fn empty_list(frame: &Frame<'_>, path: &str, filtered: &str, unfiltered: &str) -> Markup {
    html! {
        p.empty {
            @if frame.address.contains('?') { (filtered) " " a href=(frame.site.to(path)) { "Show all" } }
            @else { (unfiltered) }
        }
    }
}

/// A count with its noun.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A table of jobs.
#[must_use]
pub fn jobs_table(frame: &Frame<'_>, jobs: &[JobSummary]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Jobs" {
            table.cards {
                thead { tr { th { "Job" } th { "Status" } th { "Router" } th { "Task" } th { "Created" } th { "Duration" } th { "Error" } } }
                tbody {
                    @for job in jobs {
                        tr {
                            td { (job_link(frame, &job.id)) }
                            td.mark { (status(&job.status)) @if job.attempt > 1 { " ×" (job.attempt) } }
                            td.name.lead { bdi { (job.router) } }
                            td.name { bdi { (job.task) } }
                            td { (time(frame, &job.queued_at)) }
                            td { (duration(frame, job.began_at(), job.ended_at.as_deref())) }
                            td.text { bdi { (cut(&job.remark(|at| local(frame, at)), 200)) } }
                        }
                    }
                }
            }
        }
    }
}

/// The beginning of a text.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    let mut cut: String = text.chars().take(most).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// The role that acts on routers and apps need.
pub const ACTS: Role = Role::Operator;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell() {
        for (text, expected) in
            [("abc-1", "abc-1"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("$(rm)", "'$(rm)'")]
        {
            assert_eq!(word(text), expected);
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(short("0190"), "0190");
        assert_eq!(short("01900000-0000-7000-8000-0000deadbeef"), "deadbeef");
    }
}
