//! Durations and sizes as people write them.
//!
//! ```
//! use std::time::Duration;
//! use herald_base::unit;
//!
//! assert_eq!(unit::duration(&"1m30s".into()), Ok(Duration::from_secs(90)));
//! assert_eq!(unit::text(Duration::from_secs(90)), "1m30s");
//! assert_eq!(unit::size(&"16MiB".into()), Ok(16 << 20));
//! ```

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

use crate::value::kind_of;

/// The longest duration: a hundred years. What is longer is a slip of the pen, and clocks overflow somewhere above.
pub const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);

const NANOS: [(&str, u128); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
    ("d", 86_400 * 1_000_000_000),
    ("w", 7 * 86_400 * 1_000_000_000),
];

const BYTES: [(&str, u128); 13] = [
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// Why a value is not a duration or a size. It shows the value, cut to a length that fits a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not of a kind that can be one: a list, say.
    #[error("expected a {expected}, found {found}")]
    WrongKind {
        /// `duration` or `size`.
        expected: &'static str,
        /// The kind of the value.
        found: &'static str,
    },
    /// Not written as a duration.
    #[error("`{0}` is not a valid duration; {DURATION_HELP}")]
    NotADuration(String),
    /// Not written as a duration, where nothing at all is one, too.
    #[error("`{0}` is not a valid duration; {DURATION_OR_ZERO_HELP}")]
    NotADurationOrZero(String),
    /// A duration of nothing, where that means nothing.
    #[error("a duration must be more than zero, and `{0}` is not")]
    Zero(String),
    /// Longer than [`LONGEST`].
    #[error("`{0}` is longer than the longest duration, 36500d")]
    TooLong(String),
    /// Not written as a size.
    #[error("`{0}` is not a valid size; {SIZE_HELP}")]
    NotASize(String),
    /// More bytes than a 64-bit number holds.
    #[error("`{0}` is larger than the largest size, 16777215TiB")]
    TooLarge(String),
}

const DURATION_HELP: &str = "write seconds as a number, or a duration such as `500ms`, `1m30s` or `30d`";
const DURATION_OR_ZERO_HELP: &str =
    "write seconds as a number, or a duration such as `500ms`, `1m30s` or `30d`; `0` is none";
const SIZE_HELP: &str = "write bytes as a number, or a size such as `64KiB` or `1MB`";

impl UnitError {
    /// What is wrong, without [`Self::help`].
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::NotADuration(shown) | Self::NotADurationOrZero(shown) => {
                format!("`{shown}` is not a valid duration")
            }
            Self::NotASize(shown) => format!("`{shown}` is not a valid size"),
            other => other.to_string(),
        }
    }

    /// What to write instead.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::NotADuration(_) => Some(DURATION_HELP),
            Self::NotADurationOrZero(_) => Some(DURATION_OR_ZERO_HELP),
            Self::NotASize(_) => Some(SIZE_HELP),
            _ => None,
        }
    }
}

/// Seconds as a number, or a duration such as `1m30s`, `500ms`, `2h`, `30d`, `1.5h`, `1w`. More than zero, at most
/// [`LONGEST`].
///
/// # Errors
/// [`UnitError`] says what is wrong with it.
pub fn duration(value: &Value) -> Result<Duration, UnitError> {
    let duration = duration_or_zero(value).map_err(|error| match error {
        UnitError::NotADurationOrZero(shown) => UnitError::NotADuration(shown),
        other => other,
    })?;
    if duration.is_zero() { Err(UnitError::Zero(shown(value))) } else { Ok(duration) }
}

/// As [`duration`], or nothing at all: `0`, `0s`.
///
/// # Errors
/// [`UnitError`] says what is wrong with it.
pub fn duration_or_zero(value: &Value) -> Result<Duration, UnitError> {
    let nanos = match value {
        Value::Number(number) => nanos_of_seconds(&number.to_string()),
        Value::String(text) => match bare(text) {
            Some(number) => nanos_of_seconds(number),
            None => sum(text, &NANOS, false),
        },
        other => return Err(UnitError::WrongKind { expected: "duration", found: kind_of(other) }),
    };
    let nanos = nanos.ok_or_else(|| UnitError::NotADurationOrZero(shown(value)))?;
    if nanos > LONGEST.as_nanos() {
        return Err(UnitError::TooLong(shown(value)));
    }
    // The bound above fits 64 bits.
    Ok(Duration::from_nanos_u128(nanos))
}

/// Bytes as a number, or a size such as `512`, `1MB` (a million bytes) or `16MiB` (so many times 1024 times 1024);
/// `K`, `M`, `G` and `T` alone count in 1024s.
///
/// # Errors
/// [`UnitError`] says what is wrong with it.
pub fn size(value: &Value) -> Result<u64, UnitError> {
    let bytes = match value {
        Value::Number(number) => amount(&number.to_string(), 1, true),
        Value::String(text) => match bare(text) {
            Some(number) => amount(number, 1, true),
            None => sum(&text.to_lowercase(), &BYTES, true),
        },
        other => return Err(UnitError::WrongKind { expected: "size", found: kind_of(other) }),
    };
    let bytes = bytes.ok_or_else(|| UnitError::NotASize(shown(value)))?;
    u64::try_from(bytes).map_err(|_| UnitError::TooLarge(shown(value)))
}

/// A duration as [`duration`] reads it, in the largest units: `1m30s`, `500ms`.
#[must_use]
pub fn text(duration: Duration) -> String {
    const SHOWN: [&str; 7] = ["d", "h", "m", "s", "ms", "us", "ns"];
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for name in SHOWN {
        let unit = NANOS.iter().find(|(known, _)| *known == name).map_or(1, |(_, unit)| *unit);
        if rest >= unit {
            text.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// For `#[serde(deserialize_with = "unit::de_duration")]`.
///
/// # Errors
/// As [`duration`].
pub fn de_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    duration(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// For `#[serde(default, deserialize_with = "unit::de_optional_duration")]`.
///
/// # Errors
/// As [`duration`]; null is none.
pub fn de_optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        value => duration(&value).map(Some).map_err(D::Error::custom),
    }
}

/// For `#[serde(deserialize_with = "unit::de_size")]`: bytes.
///
/// # Errors
/// As [`size`].
pub fn de_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    size(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// For `#[serde(default, deserialize_with = "unit::de_optional_size")]`: bytes.
///
/// # Errors
/// As [`size`]; null is none.
pub fn de_optional_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        value => size(&value).map(Some).map_err(D::Error::custom),
    }
}

/// A text that is a number without a unit.
fn bare(text: &str) -> Option<&str> {
    let text = text.trim();
    text.bytes().all(|b| b.is_ascii_digit() || b == b'.').then_some(text)
}

/// Seconds, as JSON writes numbers.
fn nanos_of_seconds(number: &str) -> Option<u128> {
    match number.split_once(['e', 'E']) {
        None => amount(number, NANOS[4].1, false),
        // A number with an exponent is not counted in nanoseconds.
        Some(_) => Duration::try_from_secs_f64(number.parse().ok()?).ok().map(|d| d.as_nanos()),
    }
}

/// `1h 30m`: numbers, each with its unit.
fn sum(text: &str, units: &[(&str, u128)], exact: bool) -> Option<u128> {
    let mut rest = text.trim();
    let mut total: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(unit_at);
        let after = after.trim_start();
        let next = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(next);
        let unit = units.iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(amount(number, unit, exact)?)?;
        rest = after.trim_start();
    }
    Some(total)
}

/// A decimal number of units, without losing digits; `exact` refuses parts of the smallest unit.
fn amount(number: &str, unit: u128, exact: bool) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u128>().ok()? };
    // More than 18 digits after the point are below every smallest unit.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    let part = fraction.checked_mul(unit)?;
    if exact && part % scale != 0 {
        return None;
    }
    whole.checked_mul(unit)?.checked_add(part / scale)
}

/// The value for an error text; cut, since it comes from the user.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(40) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn durations() {
        let ms = Duration::from_millis;
        for (text, expected) in [
            ("2", Some(ms(2000))),
            ("0.5", Some(ms(500))),
            ("0.25", Some(ms(250))),
            ("1e3", Some(ms(1_000_000))),
            ("1e-3", Some(ms(1))),
            (r#""90""#, Some(ms(90_000))),
            (r#""1.5""#, Some(ms(1500))),
            (r#""1m30s""#, Some(ms(90_000))),
            (r#""1m 30s""#, Some(ms(90_000))),
            (r#"" 2 h ""#, Some(ms(7_200_000))),
            (r#""500ms""#, Some(ms(500))),
            (r#""1.5h""#, Some(ms(5_400_000))),
            (r#"".5s""#, Some(ms(500))),
            (r#""2d""#, Some(ms(2 * 86_400_000))),
            (r#""30d""#, Some(ms(30 * 86_400_000))),
            (r#""1w""#, Some(ms(7 * 86_400_000))),
            (r#""1µs""#, Some(Duration::from_micros(1))),
            (r#""1us1ns""#, Some(Duration::from_nanos(1001))),
            (r#""36500d""#, Some(LONGEST)),
            ("0", None),
            ("-1", None),
            ("-1e3", None),
            ("1e999999999", None),
            ("1e-999999999", None),
            ("99999999999999999999999999999999999999999999", None),
            (r#""36501d""#, None),
            (r#""99999999999999999999999999999999999999w""#, None),
            (r#""0s""#, None),
            (r#""0.1ns""#, None),
            (r#""-5s""#, None),
            (r#""-1s""#, None),
            (r#""""#, None),
            (r#"" ""#, None),
            (r#"".""#, None),
            (r#""s""#, None),
            (r#"".s""#, None),
            (r#""5 parsecs""#, None),
            (r#""1M""#, None),
            (r#""1m30""#, None),
            (r#""1.2.3s""#, None),
            (r#""1..5s""#, None),
            (r#""1x""#, None),
            ("1e300", None),
            (r#""9999999999999999999d""#, None),
            (r#""NaN""#, None),
            (r#""1e3s""#, None),
            ("null", None),
            ("true", None),
            ("[1]", None),
            ("{}", None),
        ] {
            assert_eq!(duration(&json(text)).ok(), expected, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("512", Some(512)),
            ("0", Some(0)),
            (r#""512""#, Some(512)),
            (r#""512B""#, Some(512)),
            (r#""1kB""#, Some(1000)),
            (r#""1KB""#, Some(1000)),
            (r#""1KiB""#, Some(1024)),
            (r#""1k""#, Some(1024)),
            (r#""16MiB""#, Some(16 << 20)),
            (r#""16 m""#, Some(16 << 20)),
            (r#""1GB""#, Some(1_000_000_000)),
            (r#""1 MB""#, Some(1_000_000)),
            (r#""1.5KiB""#, Some(1536)),
            (r#""2TiB""#, Some(2 << 40)),
            ("1.0", Some(1)),
            ("1.5", None),
            (r#""0.3B""#, None),
            ("-1", None),
            ("1e3", None),
            ("99999999999999999999", None),
            (r#""99999999999TiB""#, None),
            (r#""99999999999999999999""#, None),
            (r#""18446744073709551615k""#, None),
            (r#""1XB""#, None),
            (r#""MiB""#, None),
            (r#""""#, None),
            ("null", None),
        ] {
            assert_eq!(size(&json(text)).ok(), expected, "{text}");
        }
    }

    #[test]
    fn errors_say_what_to_write() {
        let error = duration(&json(r#""5 parsecs""#)).unwrap_err();
        assert_eq!(error.message(), "`5 parsecs` is not a valid duration");
        assert_eq!(error.help(), Some(DURATION_HELP));
        let error = size(&json(r#""1XB""#)).unwrap_err();
        assert_eq!(error.to_string(), format!("{}; {SIZE_HELP}", error.message()));
        for (error, message) in [
            (duration(&json("[]")).unwrap_err(), "expected a duration, found a list"),
            (duration(&json("0")).unwrap_err(), "a duration must be more than zero, and `0` is not"),
            (
                duration(&json(r#""36501d""#)).unwrap_err(),
                "`36501d` is longer than the longest duration, 36500d",
            ),
            (
                size(&json(r#""16777216TiB""#)).unwrap_err(),
                "`16777216TiB` is larger than the largest size, 16777215TiB",
            ),
        ] {
            assert_eq!((error.to_string(), error.help()), (message.to_owned(), None));
        }
        assert!(size(&Value::from("x".repeat(1000))).unwrap_err().to_string().len() < 200);
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for (nanos, expected) in [
            (0, "0s"),
            (1, "1ns"),
            (100_000_000, "100ms"),
            (1_500_000_000, "1s500ms"),
            (90_000_000_000, "1m30s"),
            (86_400_000_000_000, "1d"),
            (7 * 86_400_000_000_000 + 3_600_000_000_000, "7d1h"),
        ] {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(text(duration), expected);
            assert_eq!(duration_or_zero(&Value::from(expected)), Ok(duration));
        }
        assert_eq!(text(LONGEST), "36500d");
    }

    #[test]
    fn as_fields() {
        #[derive(serde::Deserialize, Debug, PartialEq)]
        struct Fields {
            #[serde(deserialize_with = "de_duration")]
            interval: Duration,
            #[serde(default, deserialize_with = "de_optional_duration")]
            timeout: Option<Duration>,
            #[serde(deserialize_with = "de_size")]
            most: u64,
            #[serde(default, deserialize_with = "de_optional_size")]
            limit: Option<u64>,
        }
        let read = |text: &str| serde_json::from_value::<Fields>(json(text));
        let fields = read(r#"{"interval": 1.5, "most": "1KiB", "limit": "2k"}"#).unwrap();
        let expected =
            Fields { interval: Duration::from_millis(1500), timeout: None, most: 1024, limit: Some(2048) };
        assert_eq!(fields, expected);
        assert!(read(r#"{"interval": 0, "most": 1}"#).is_err());
        assert!(read(r#"{"interval": 1, "timeout": "x", "most": 1}"#).is_err());
    }
}
