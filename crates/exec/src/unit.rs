//! Durations and sizes in `job_param`.

use std::time::Duration;

use serde_json::Value;

/// The longest duration that is taken: a hundred years, so that adding it to a clock cannot overflow.
const LONGEST: f64 = 36_500.0 * 86_400.0;

/// Reads seconds as a number, or a text such as `90`, `1m30s`, `1.5h`, `500ms`, `2d`; more than zero.
///
/// # Errors
/// A sentence that says what is expected.
pub(crate) fn duration(value: &Value) -> Result<Duration, String> {
    let seconds = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => seconds(text.trim()),
        _ => None,
    };
    match seconds {
        Some(s) if s > 0.0 && s <= LONGEST => Ok(Duration::from_secs_f64(s).max(Duration::from_nanos(1))),
        Some(s) if s <= 0.0 => Err("must be more than zero".to_owned()),
        Some(_) => Err("is too long: a hundred years is the most".to_owned()),
        None => Err("expected seconds as a number, or a duration such as 1m30s".to_owned()),
    }
}

fn seconds(text: &str) -> Option<f64> {
    if text.is_empty() {
        return None;
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return text.parse().ok();
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let letters = rest[digits..].find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len() - digits);
        let unit = match &rest[digits..digits + letters] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        total += number * unit;
        rest = &rest[digits + letters..];
    }
    Some(total)
}

/// Reads bytes as a whole number, or a text such as `16MiB`, `64k`, `1GB`.
///
/// # Errors
/// A sentence that says what is expected.
pub(crate) fn size(value: &Value) -> Result<u64, String> {
    let bytes = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => bytes(text.trim()),
        _ => None,
    };
    bytes.ok_or_else(|| "expected bytes as a whole number, or a size such as 16MiB".to_owned())
}

fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let factor: u64 = match text[digits..].trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "t" | "tib" => 1 << 40,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations() {
        for (value, expected) in [
            (json!(2), Some(2_000)),
            (json!(0.25), Some(250)),
            (json!("90"), Some(90_000)),
            (json!("1m30s"), Some(90_000)),
            (json!("1.5h"), Some(5_400_000)),
            (json!("500ms"), Some(500)),
            (json!("2d"), Some(172_800_000)),
            (json!(0), None),
            (json!(-1), None),
            (json!("-1s"), None),
            (json!(""), None),
            (json!("1x"), None),
            (json!("s"), None),
            (json!("1m30"), None),
            (json!("1..5s"), None),
            (json!(1e300), None),
            (json!("9999999999999999999d"), None),
            (json!(true), None),
            (json!([1]), None),
        ] {
            assert_eq!(duration(&value).ok().map(|d| d.as_millis()), expected, "{value}");
        }
    }

    #[test]
    fn sizes() {
        for (value, expected) in [
            (json!(0), Some(0)),
            (json!(10), Some(10)),
            (json!("10"), Some(10)),
            (json!("16MiB"), Some(16 << 20)),
            (json!("16 m"), Some(16 << 20)),
            (json!("1GB"), Some(1_000_000_000)),
            (json!("1XB"), None),
            (json!("99999999999999999999"), None),
            (json!("18446744073709551615k"), None),
            (json!(-1), None),
            (json!(1.5), None),
            (json!("MiB"), None),
        ] {
            assert_eq!(size(&value).ok(), expected, "{value}");
        }
    }
}
