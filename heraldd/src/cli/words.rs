//! Lengths of time in words.

use jiff::{SignedDuration, Timestamp};

/// How far away something is that is yet to come: its two largest units, rounded down.
pub(super) fn until(left: SignedDuration) -> String {
    match length(left, 2) {
        Some(length) => format!("in {length}"),
        None => "in less than a second".to_owned(),
    }
}

/// How long ago something was: its largest unit, rounded down.
pub(super) fn ago(past: SignedDuration) -> String {
    match length(past, 1) {
        Some(length) => format!("{length} ago"),
        None => "just now".to_owned(),
    }
}

/// How long ago a time of the API was; the text itself where it is none.
pub(super) fn ago_of(at: &str, now: Timestamp) -> String {
    at.parse::<Timestamp>().map_or_else(|_| at.to_owned(), |at| ago(now.duration_since(at)))
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
pub(super) fn every(period: std::time::Duration) -> String {
    let period = SignedDuration::try_from(period).unwrap_or(SignedDuration::MAX);
    format!("every {period:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for (millis, words) in [(2000, "every 2s"), (90_000, "every 1m 30s"), (1, "every 1ms")] {
            assert_eq!(every(std::time::Duration::from_millis(millis)), words);
        }
    }
}
