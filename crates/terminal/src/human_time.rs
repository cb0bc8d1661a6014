//! Times for people: lengths in words, points in time in the zone of the machine.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A time of the API in the zone of this machine, with its offset: `2026-11-30T07:00:00+05:30`; the text itself where
/// it is none.
#[must_use]
pub fn local(at: &str) -> String {
    in_zone(at, TimeZone::system())
}

fn in_zone(at: &str, zone: TimeZone) -> String {
    let parsed = at.parse::<Timestamp>();
    parsed.map_or_else(|_| at.to_owned(), |at| at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

/// How far away something is that is yet to come: its two largest units, rounded down.
#[must_use]
pub fn until(left: SignedDuration) -> String {
    match length(left, 2) {
        Some(length) => format!("in {length}"),
        None => "in less than a second".to_owned(),
    }
}

/// How long ago something was: its largest unit, rounded down.
#[must_use]
pub fn ago(past: SignedDuration) -> String {
    match length(past, 1) {
        Some(length) => format!("{length} ago"),
        None => "just now".to_owned(),
    }
}

/// How long ago a time of the API was; the text itself where it is none.
#[must_use]
pub fn ago_of(at: &str, now: Timestamp) -> String {
    at.parse::<Timestamp>().map_or_else(|_| at.to_owned(), |at| ago(now.duration_since(at)))
}

/// As [`ago_of`], where there is little room: `21s ago`.
#[must_use]
pub fn short_ago_of(at: &str, now: Timestamp) -> String {
    let Ok(at) = at.parse::<Timestamp>() else { return at.to_owned() };
    let seconds = now.duration_since(at).as_secs();
    match seconds {
        ..1 => "just now".to_owned(),
        1..60 => format!("{seconds}s ago"),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..86_400 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}

/// How long something took: `12 ms`, `3.4 s`, `5m 12s`, `2h 3m`.
#[must_use]
pub fn span(took: SignedDuration) -> String {
    let millis = took.as_millis().max(0);
    match millis {
        ..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis / 100 % 10),
        60_000..3_600_000 => format!("{}m {}s", millis / 60_000, millis / 1000 % 60),
        _ => format!("{}h {}m", millis / 3_600_000, millis / 60_000 % 60),
    }
}

/// By how much a clock is ahead: `+1.2 s`.
#[must_use]
pub fn ahead(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "+" };
    format!("{sign}{}", span(SignedDuration::from_millis(millis.saturating_abs())))
}

/// So many of its largest units; none for less than a second.
fn length(span: SignedDuration, units_shown: usize) -> Option<String> {
    let seconds = span.as_secs().max(0);
    let units = [
        ("day", seconds / 86_400),
        ("hour", seconds / 3600 % 24),
        ("minute", seconds / 60 % 60),
        ("second", seconds % 60),
    ];
    let first = units.iter().position(|(_, count)| *count > 0)?;
    let shown = units[first..].iter().take(units_shown).filter(|(_, count)| *count > 0);
    let shown = shown.map(|(unit, count)| format!("{count} {unit}{}", if *count == 1 { "" } else { "s" }));
    Some(shown.collect::<Vec<_>>().join(" "))
}

/// How often something comes: `every 1m 30s`.
#[must_use]
pub fn every(period: std::time::Duration) -> String {
    let period = SignedDuration::try_from(period).unwrap_or(SignedDuration::MAX);
    format!("every {period:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_have_a_zone() {
        for (at, zone, shown) in [
            ("2026-11-30T01:30:00.25Z", TimeZone::UTC, "2026-11-30T01:30:00+00:00"),
            ("2026-11-30T01:30:00Z", TimeZone::get("Asia/Kolkata").unwrap(), "2026-11-30T07:00:00+05:30"),
            ("soon", TimeZone::UTC, "soon"),
        ] {
            assert_eq!(in_zone(at, zone), shown);
        }
    }

    #[test]
    fn lengths_of_time() {
        for (seconds, words) in [
            (-1, "in less than a second"),
            (0, "in less than a second"),
            (1, "in 1 second"),
            (59, "in 59 seconds"),
            (60, "in 1 minute"),
            (61, "in 1 minute 1 second"),
            (3600, "in 1 hour"),
            (3605, "in 1 hour"),
            (7380, "in 2 hours 3 minutes"),
            (86_400 + 59 * 60, "in 1 day"),
            (400 * 86_400 + 3 * 3600, "in 400 days 3 hours"),
        ] {
            assert_eq!(until(SignedDuration::from_secs(seconds)), words, "{seconds}");
        }
        for (seconds, words) in [
            (-5, "just now"),
            (0, "just now"),
            (59, "59s ago"),
            (61, "1m ago"),
            (7200, "2h ago"),
            (90_000, "1d ago"),
        ] {
            let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
            assert_eq!(short_ago_of("1970-01-01T00:00:00Z", now), words, "{seconds}");
        }
        for (millis, words) in [
            (-1, "0 ms"),
            (999, "999 ms"),
            (1000, "1.0 s"),
            (59_999, "59.9 s"),
            (312_000, "5m 12s"),
            (7_380_000, "2h 3m"),
        ] {
            assert_eq!(span(SignedDuration::from_millis(millis)), words);
        }
        for (millis, words) in [(2000, "every 2s"), (90_000, "every 1m 30s"), (1, "every 1ms")] {
            assert_eq!(every(std::time::Duration::from_millis(millis)), words);
        }
    }
}
