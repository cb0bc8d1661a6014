//! When nothing is deployed: by day of the week, or by date.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

/// A time in which nothing is deployed.
#[derive(Debug, Clone, PartialEq)]
pub struct FreezeWindow {
    bounds: FreezeBounds,
    zone: TimeZone,
    /// As it is configured, for messages.
    pub described: String,
}

#[derive(Debug, Clone, PartialEq)]
enum FreezeBounds {
    /// Minutes since Monday, 00:00.
    Weekly {
        from: i64,
        to: i64,
    },
    Dated {
        from: DateTime,
        to: DateTime,
    },
}

/// What is wrong with a window, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FreezeError(String);

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];
const MINUTES_A_DAY: i64 = 24 * 60;

impl FreezeWindow {
    /// Of `{from, to, time_zone}`.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn read(given: &Value) -> Result<Self, FreezeError> {
        let wrong = |what: String| Err(FreezeError(what));
        let Some(map) = given.as_object() else {
            return wrong("expected a map {from, to, time_zone}".to_owned());
        };
        if let Some(key) = map.keys().find(|key| !matches!(key.as_str(), "from" | "to" | "time_zone")) {
            return wrong(format!("unknown key `{key}`; expected from, to or time_zone"));
        }
        let text = |name: &str| map.get(name).and_then(Value::as_str).map(str::trim);
        let (Some(from), Some(to)) = (text("from"), text("to")) else {
            return wrong("expected `from` and `to`, such as `fri 16:00` or `2026-12-20`".to_owned());
        };
        let zone = match text("time_zone") {
            None => TimeZone::system(),
            Some(name) => TimeZone::get(name).map_err(|_| {
                FreezeError(format!("there is no time zone `{name}`; write one such as Europe/Berlin"))
            })?,
        };
        let bounds = match (weekly(from), weekly(to)) {
            (Some(from), Some(to)) if from != to => FreezeBounds::Weekly { from, to },
            (Some(_), Some(_)) => return wrong("`from` and `to` are the same moment".to_owned()),
            _ => match (dated(from), dated(to)) {
                (Some(from), Some(to)) if from < to => FreezeBounds::Dated { from, to },
                (Some(_), Some(_)) => return wrong("`to` is before `from`".to_owned()),
                _ => {
                    let what = "expected both as a day and a time, such as `fri 16:00`, or both as a date, such as `2026-12-20`";
                    return wrong(what.to_owned());
                }
            },
        };
        Ok(Self { bounds, zone, described: format!("{from} to {to}") })
    }

    /// Whether this moment is in it.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        let local = now.to_zoned(self.zone.clone()).datetime();
        match &self.bounds {
            FreezeBounds::Weekly { from, to } => {
                let day = i64::from(local.weekday().to_monday_zero_offset());
                let at = day * MINUTES_A_DAY + i64::from(local.hour()) * 60 + i64::from(local.minute());
                // From Friday to Monday goes over the end of the week.
                if from < to { (*from..*to).contains(&at) } else { at >= *from || at < *to }
            }
            FreezeBounds::Dated { from, to } => *from <= local && local < *to,
        }
    }
}

/// `fri 16:00` as minutes since Monday; a day alone is its beginning.
fn weekly(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let (day, time) = lower.split_once(' ').unwrap_or((&lower, "00:00"));
    let day = DAYS.iter().find(|(short, _)| day.len() >= 3 && is_day(day, short))?.1;
    let (hour, minute) = match time.trim() {
        "24:00" => (24, 0),
        time => {
            let time = clock(time)?;
            (i64::from(time.hour()), i64::from(time.minute()))
        }
    };
    let at = i64::from(day.to_monday_zero_offset()) * MINUTES_A_DAY + hour * 60 + minute;
    Some(at % (7 * MINUTES_A_DAY))
}

fn is_day(given: &str, short: &str) -> bool {
    let whole = match short {
        "mon" => "monday",
        "tue" => "tuesday",
        "wed" => "wednesday",
        "thu" => "thursday",
        "fri" => "friday",
        "sat" => "saturday",
        _ => "sunday",
    };
    given == short || given == whole
}

fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

/// `2026-12-20`, or with a time: `2026-12-20 16:00`.
fn dated(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let date: Date = date.parse().ok()?;
    match time {
        "24:00" => date.checked_add(1.day()).ok().map(|next| next.to_datetime(Time::midnight())),
        time => Some(date.to_datetime(clock(time)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn moments_inside_and_outside() {
        let weekend = json!({"from": "fri 16:00", "to": "mon 08:00", "time_zone": "Europe/Berlin"});
        let day = json!({"from": "tue", "to": "Tuesday 24:00", "time_zone": "UTC"});
        let dates = json!({"from": "2026-12-20", "to": "2027-01-04 12:00", "time_zone": "UTC"});
        for (window, at, holds) in [
            (&weekend, "2026-11-27T14:59:00Z", false),
            (&weekend, "2026-11-27T15:00:00Z", true),
            (&weekend, "2026-11-29T12:00:00Z", true),
            (&weekend, "2026-11-30T06:59:00Z", true),
            (&weekend, "2026-11-30T07:00:00Z", false),
            // An hour earlier in summer.
            (&weekend, "2026-07-03T14:00:00Z", true),
            (&day, "2026-12-01T00:00:00Z", true),
            (&day, "2026-12-01T23:59:59Z", true),
            (&day, "2026-12-02T00:00:00Z", false),
            (&dates, "2026-12-19T23:59:59Z", false),
            (&dates, "2026-12-20T00:00:00Z", true),
            (&dates, "2027-01-04T11:59:00Z", true),
            (&dates, "2027-01-04T12:00:00Z", false),
        ] {
            let window = FreezeWindow::read(window).unwrap();
            assert_eq!(window.holds(at.parse().unwrap()), holds, "{} {at}", window.described);
        }
    }

    #[test]
    fn what_is_wrong() {
        for (given, what) in [
            (json!("fri"), "expected a map"),
            (json!({"from": "fri 16:00"}), "expected `from` and `to`"),
            (json!({"from": "fri 16:00", "to": "2026-12-20"}), "expected both"),
            (json!({"from": "fri 16:00", "to": "fri 16:00"}), "same moment"),
            (json!({"from": "friday the 13th", "to": "mon"}), "expected both"),
            (json!({"from": "fri 25:00", "to": "mon"}), "expected both"),
            (json!({"from": "2027-01-01", "to": "2026-01-01"}), "before"),
            (json!({"from": "fri", "to": "mon", "time_zone": "Berlin"}), "no time zone"),
            (json!({"from": "fri", "to": "mon", "zone": "UTC"}), "unknown key"),
        ] {
            let error = FreezeWindow::read(&given).unwrap_err().to_string();
            assert!(error.contains(what), "{given}: {error}");
        }
    }
}
