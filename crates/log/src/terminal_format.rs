//! Lines for people at a terminal: local time, what happened, to what, and little else.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use herald_base::clock::{Clock, SystemClock};
use herald_base::log_target::PRINT;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Digits of an id that are shown.
const ID_DIGITS: usize = 8;
/// What the line shows elsewhere, or what people can look up by the id of the job.
const NOT_REPEATED: [&str; 7] = ["router", "task", "trigger", "job_id", "event_id", "status", "executor"];

/// Where a message begins, and what follows its first line: behind the time.
const INDENT: usize = 9;
/// Lines of a narrower terminal are not broken.
const NARROWEST: usize = 40;

const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";

/// The format of a log that goes to a terminal.
pub(crate) struct TerminalFormat {
    colours: bool,
    zone: TimeZone,
    /// How many columns the terminal has now, where that is known.
    columns: fn() -> Option<usize>,
    /// The day of the last line: a new one gets a line of its own.
    day: Mutex<Option<Date>>,
}

impl TerminalFormat {
    pub(crate) fn new(colours: bool, columns: fn() -> Option<usize>) -> Self {
        Self { colours, zone: TimeZone::system(), columns, day: Mutex::new(None) }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }

    /// The line of a day, if it is another one than that of the line before.
    fn day(&self, now: &jiff::Zoned) -> Option<String> {
        let mut day = self.day.lock().unwrap_or_else(PoisonError::into_inner);
        if day.replace(now.date()) == Some(now.date()) {
            return None;
        }
        Some(self.paint(DIM, &now.strftime("%A, %Y-%m-%d (UTC%:z)").to_string()))
    }

    /// The lines of an event, with a line break at the end of each.
    fn lines(&self, level: Level, target: &str, fields: &TerminalFields, now: &jiff::Zoned) -> String {
        let day = self.day(now).map(|day| day + "\n").unwrap_or_default();
        let mut text = String::new();
        text.push_str(&self.paint(DIM, &now.strftime("%H:%M:%S").to_string()));
        let word = match level {
            Level::ERROR => self.paint(RED, " ERROR"),
            Level::WARN => self.paint(YELLOW, " WARN"),
            _ => String::new(),
        };
        text.push_str(&word);
        text.push(' ');
        if target == PRINT {
            text.push_str(&self.paint(DIM, &fields.about()));
            text.push('\n');
            text.push_str(&indented(&fields.message));
            text.push('\n');
            return day + &text;
        }
        let message = fields.sentence();
        let message = match fields.get("status") {
            Some("succeeded") => self.paint(GREEN, &message),
            _ => message,
        };
        text.push_str(&message);
        let rest = [fields.about(), fields.others()].into_iter().filter(|part| !part.is_empty());
        for part in rest {
            text.push_str("  ");
            text.push_str(&self.paint(DIM, &part));
        }
        let text = match (self.columns)() {
            Some(columns) => wrapped(&text, columns),
            None => text,
        };
        day + &text + "\n"
    }
}

/// The text in lines of at most so many columns, broken between words; what follows the first line begins below the
/// message. A word that is longer, such as a path, stays whole. Colours take no columns.
fn wrapped(text: &str, columns: usize) -> String {
    if columns < NARROWEST || shown_width(text) <= columns {
        return text.to_owned();
    }
    let (mut lines, mut used) = (String::with_capacity(text.len() + INDENT), 0);
    for (n, word) in text.split(' ').enumerate() {
        let width = shown_width(word);
        if n > 0 && used > INDENT && used + 1 + width > columns {
            lines.truncate(lines.trim_end_matches(' ').len());
            lines.push('\n');
            lines.push_str(&" ".repeat(INDENT));
            used = INDENT;
        } else if n > 0 && used != INDENT {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += width;
    }
    lines
}

/// How many columns a text takes, without its colours.
fn shown_width(text: &str) -> usize {
    let mut is_colour = false;
    let is_shown = |c: &char| {
        let was_colour = is_colour;
        is_colour = *c == '\x1b' || (is_colour && *c != 'm');
        !was_colour && !is_colour
    };
    text.chars().filter(is_shown).count()
}

impl<S, N> FormatEvent<S, N> for TerminalFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = TerminalFields::default();
        event.record(&mut fields);
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let now = SystemClock.now().to_zoned(self.zone.clone());
        out.write_str(&self.lines(level, target, &fields, &now))
    }
}

/// The fields of an event, as text without line breaks or anything that a terminal would obey.
#[derive(Debug, Default)]
struct TerminalFields {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl TerminalFields {
    fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// The message; of the end of a job, with how it ended in place of `ended`.
    fn sentence(&self) -> String {
        match (self.message.strip_prefix("job ended"), self.get("status")) {
            (Some(rest), Some(status)) => format!("job {}{rest}", status.replace('_', " ")),
            _ => self.message.clone(),
        }
    }

    /// Which router and task, which job or event: `backup/run …c8311234`.
    fn about(&self) -> String {
        let mut about = String::new();
        match (self.get("router"), self.get("task")) {
            (Some(router), Some(task)) => about.push_str(&format!("{router}/{task}")),
            (Some(router), None) => about.push_str(router),
            _ => about.push_str(self.get("trigger").unwrap_or_default()),
        }
        if let Some(id) = self.get("job_id").or_else(|| self.get("event_id")) {
            let from = id.char_indices().rev().nth(ID_DIGITS - 1).map_or(0, |(at, _)| at);
            let space = if about.is_empty() { "" } else { " " };
            let _ = write!(about, "{space}{}", &id[from..]);
        }
        about
    }

    /// All that the rest of the line does not show.
    fn others(&self) -> String {
        let rest = self.fields.iter().filter(|(key, _)| !NOT_REPEATED.contains(key));
        rest.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    }
}

impl Visit for TerminalFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = one_line(value);
        if field.name() == "message" {
            self.message = value;
        } else {
            self.fields.push((field.name(), value));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// One line, in which control characters and those that turn the direction are written out.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\t' => line.push(' '),
            c if is_unsafe(c) => line.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => line.push(c),
        }
    }
    line
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON over several lines; anything else as it is.
fn indented(json: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(json) else { return json.to_owned() };
    let Ok(pretty) = serde_json::to_string_pretty(&value) else { return json.to_owned() };
    let mut text = String::with_capacity(pretty.len());
    for c in pretty.chars() {
        match c {
            '\n' => text.push(c),
            // As JSON itself would have it.
            c if is_unsafe(c) => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(
        format: &TerminalFormat,
        level: Level,
        target: &str,
        message: &str,
        fields: &[(&'static str, &str)],
        at: &str,
    ) -> String {
        let fields = TerminalFields {
            message: one_line(message),
            fields: fields.iter().map(|(key, value)| (*key, one_line(value))).collect(),
        };
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at: jiff::Timestamp = at.parse().unwrap();
        format.lines(level, target, &fields, &at.to_zoned(zone))
    }

    #[test]
    fn a_line_is_short_and_in_local_time() {
        let job = [
            ("router", "backup"),
            ("task", "run"),
            ("executor", "sh"),
            ("job_id", "01a228b7-1769-70dc-8446-21ebdda4dd7c"),
        ];
        let ended = |status| [&job[..], &[("status", status)]].concat();
        let format = TerminalFormat::new(false, || None);
        let noon = "2026-11-29T11:00:01Z";
        for (level, target, message, fields, expected) in [
            (
                Level::DEBUG,
                "x",
                "job starts",
                job.to_vec(),
                "Sunday, 2026-11-29 (UTC+01:00)\n12:00:01 job starts  backup/run dda4dd7c\n",
            ),
            (
                Level::INFO,
                "x",
                "job ended",
                ended("succeeded"),
                "12:00:01 job succeeded  backup/run dda4dd7c\n",
            ),
            (
                Level::WARN,
                "x",
                "job ended: exit code 3",
                ended("failed"),
                "12:00:01 WARN job failed: exit code 3  backup/run dda4dd7c\n",
            ),
            (
                Level::WARN,
                "x",
                "job ended: after 2s",
                ended("timed_out"),
                "12:00:01 WARN job timed out: after 2s  backup/run dda4dd7c\n",
            ),
            (
                Level::INFO,
                "x",
                "matched no router",
                vec![("trigger", "push"), ("event_id", "1234567890")],
                "12:00:01 matched no router  push 34567890\n",
            ),
            (
                Level::ERROR,
                "x",
                "a\nb\u{202e}\x1b[31m",
                vec![("why", "c\td")],
                "12:00:01 ERROR a\\nb\\u{202e}\\u{1b}[31m  why=c d\n",
            ),
        ] {
            assert_eq!(lines(&format, level, target, message, &fields, noon), expected, "{message}");
        }
        let next_day = lines(&format, Level::INFO, "x", "y", &[], "2026-11-29T23:00:00Z");
        assert_eq!(next_day, "Monday, 2026-11-30 (UTC+01:00)\n00:00:00 y\n");
    }

    #[test]
    fn lines_are_as_wide_as_the_terminal() {
        let path = format!("/srv/{}", "releases/".repeat(11));
        let message = format!(
            "job ended: exit code 12: rsync: connection closed, 0 bytes received: no space left on {path} of the disk"
        );
        let fields =
            [("router", "deploy_the_shop"), ("task", "copy"), ("job_id", "01234567"), ("status", "failed")];
        for (columns, colours) in [(80, false), (80, true), (120, false), (200, true)] {
            let width: fn() -> Option<usize> = match columns {
                80 => || Some(80),
                120 => || Some(120),
                _ => || Some(200),
            };
            let format = TerminalFormat::new(colours, width);
            let text = lines(&format, Level::WARN, "x", &message, &fields, "2026-11-29T11:00:01Z");
            let shown: Vec<&str> = text.lines().skip(1).collect();
            assert!(shown.len() > 1, "{text}");
            for (n, line) in shown.iter().enumerate() {
                assert!(shown_width(line) <= columns || line.contains(&path), "{columns}:\n{text}");
                assert!(n == 0 || line.starts_with("         ") && !line.starts_with("          "), "{text}");
                assert_eq!(line.trim_end(), *line, "{text}");
            }
            let joined = shown.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
            let plain = TerminalFormat::new(colours, || None);
            let whole = lines(&plain, Level::WARN, "x", &message, &fields, "2026-11-29T11:00:01Z");
            let whole = whole.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(joined, whole, "nothing is lost");
        }
    }

    #[test]
    fn print_shows_json_over_several_lines() {
        let router = [("router", "backup"), ("task", "run")];
        let format = TerminalFormat::new(false, || None);
        let _ = lines(&format, Level::INFO, "x", "the first line of the day", &[], "2026-11-29T11:00:01Z");
        for (message, expected) in [
            (
                "{\"n\":18446744073709551617,\"t\":\"\\u202e\"}",
                "{\n  \"n\": 18446744073709551617,\n  \"t\": \"\\u202e\"\n}\n",
            ),
            ("{\"cut… (cut: 4 of 9 bytes)", "{\"cut… (cut: 4 of 9 bytes)\n"),
        ] {
            let shown = lines(&format, Level::INFO, PRINT, message, &router, "2026-11-29T11:00:01Z");
            assert_eq!(shown, format!("12:00:01 backup/run\n{expected}"));
        }
    }

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let format = TerminalFormat::new(true, || None);
        let text = lines(&format, Level::WARN, "x", "y", &[], "2026-11-29T11:00:01Z");
        assert_eq!(
            text,
            "\x1b[2mSunday, 2026-11-29 (UTC+01:00)\x1b[0m\n\x1b[2m12:00:01\x1b[0m\x1b[33m WARN\x1b[0m y\n"
        );
    }
}
