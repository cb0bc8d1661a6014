//! Due times as an iCalendar file (RFC 5545), which other calendars subscribe to. All times are UTC, so that no
//! definition of a time zone is needed.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The most octets of a line.
const LINE: usize = 75;

/// Something in a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarEvent {
    /// The same for the same event in every file.
    pub uid: String,
    /// When it begins.
    pub start: Timestamp,
    /// How long it takes, where that is known.
    pub length: Option<Duration>,
    /// What it is.
    pub summary: String,
    /// More about it.
    pub description: String,
}

/// The file: `name` is what the calendar is called, `now` when it is made.
#[must_use]
pub fn file(name: &str, now: Timestamp, events: &[CalendarEvent]) -> String {
    let mut file = String::new();
    let mut line = |name: &str, value: &str| fold(&mut file, &format!("{name}:{value}"));
    for (name, value) in [
        ("BEGIN", "VCALENDAR"),
        ("VERSION", "2.0"),
        ("PRODID", "-//Herald//heraldd//EN"),
        ("CALSCALE", "GREGORIAN"),
        ("METHOD", "PUBLISH"),
    ] {
        line(name, value);
    }
    line("X-WR-CALNAME", &escape(name));
    for event in events {
        line("BEGIN", "VEVENT");
        line("UID", &escape(&event.uid));
        line("DTSTAMP", &time(now));
        line("DTSTART", &time(event.start));
        if let Some(length) = event.length {
            line("DURATION", &format!("PT{}S", length.as_secs().max(1)));
        }
        line("SUMMARY", &escape(&event.summary));
        line("DESCRIPTION", &escape(&event.description));
        // It does not make anybody busy.
        line("TRANSP", "TRANSPARENT");
        line("END", "VEVENT");
    }
    line("END", "VCALENDAR");
    file
}

fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// As a value of the type TEXT.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// Adds a line that is folded where it is too long: never within a character.
fn fold(file: &mut String, line: &str) {
    let mut length = 0;
    for c in line.chars() {
        if length + c.len_utf8() > LINE {
            file.push_str("\r\n ");
            length = 1;
        }
        file.push(c);
        length += c.len_utf8();
    }
    // Writing to a String cannot fail.
    let _ = file.write_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file() {
        let start: Timestamp = "2026-11-29T02:30:00.5Z".parse().unwrap();
        let event = CalendarEvent {
            uid: "nightly-1@herald".to_owned(),
            start,
            length: Some(Duration::from_millis(90_500)),
            summary: "a; b, c\\d\ne\r\u{7}".to_owned(),
            description: "ä".repeat(60),
        };
        let found = file(
            "due",
            start,
            &[
                event,
                CalendarEvent {
                    uid: "x".to_owned(),
                    start,
                    length: None,
                    summary: String::new(),
                    description: String::new(),
                },
            ],
        );
        let expected = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Herald//heraldd//EN\nCALSCALE:GREGORIAN\n\
            METHOD:PUBLISH\nX-WR-CALNAME:due\nBEGIN:VEVENT\nUID:nightly-1@herald\nDTSTAMP:20261129T023000Z\n\
            DTSTART:20261129T023000Z\nDURATION:PT90S\nSUMMARY:a\\; b\\, c\\\\d\\ne\n";
        assert!(found.replace("\r\n", "\n").starts_with(expected), "{found}");
        assert_eq!(found.matches("BEGIN:VEVENT").count(), 2);
        assert_eq!(found.matches("DURATION").count(), 1);
        assert!(found.ends_with("END:VCALENDAR\r\n") && !found.replace("\r\n", "").contains(['\r', '\n']));
        assert!(found.lines().all(|line| line.len() <= LINE), "{found}");
        let unfolded = found.replace("\r\n ", "");
        assert!(unfolded.contains(&format!("DESCRIPTION:{}\r\n", "ä".repeat(60))), "{unfolded}");
    }
}
