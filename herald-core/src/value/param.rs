//! Parameters: the JSON objects that triggers give, routers add and executors receive.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// A JSON object: `trigger_param`, `select_param`, `job_param`, or a result.
pub use herald_base::value::dotted;
pub use herald_config::Params;

/// Finds the value at a path such as `a/b/c`; a number in the path picks an element of a list.
///
/// An empty path finds nothing.
#[must_use]
pub fn lookup<'a>(params: &'a Params, path: &str) -> Option<&'a Value> {
    match path.split_once('/') {
        None => params.get(path),
        Some((key, rest)) => within(params.get(key)?, rest),
    }
}

/// As [`lookup`], from a value on.
#[must_use]
pub(crate) fn within<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut at = value;
    for step in path.split('/') {
        at = match at {
            Value::Object(map) => map.get(step)?,
            Value::Array(list) => list.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(at)
}

/// What a key or a value takes in memory beside its text, roughly.
pub(crate) const NODE: usize = 80;

/// What these parameters take in memory, roughly.
#[must_use]
pub fn rough_size(params: &Params) -> usize {
    params.iter().map(|(key, value)| NODE + key.len() + value_size(value)).sum()
}

/// What this value takes in memory, roughly.
#[must_use]
pub fn value_size(value: &Value) -> usize {
    let (mut open, mut size) = (vec![value], 0);
    while let Some(value) = open.pop() {
        size += NODE;
        match value {
            Value::String(text) => size += text.len(),
            Value::Array(list) => open.extend(list),
            Value::Object(map) => {
                for (key, value) in map {
                    size += NODE + key.len();
                    open.push(value);
                }
            }
            Value::Number(number) => size += number.as_str().len(),
            Value::Null | Value::Bool(_) => {}
        }
    }
    size
}

/// Equality on values: 5 equals 5.0 and 5e0; lists and maps compare whole.
///
/// The cost is linear in the size of the texts, whatever exponent a number bears, and the stack does not grow
/// with the depth of the values.
#[must_use]
pub fn same(left: &Value, right: &Value) -> bool {
    let mut open = vec![(left, right)];
    while let Some(pair) = open.pop() {
        match pair {
            (Value::Number(a), Value::Number(b)) => {
                if !same_number(a, b) {
                    return false;
                }
            }
            (Value::Array(a), Value::Array(b)) => {
                if a.len() != b.len() {
                    return false;
                }
                open.extend(a.iter().zip(b));
            }
            (Value::Object(a), Value::Object(b)) => {
                if a.len() != b.len() {
                    return false;
                }
                for (key, value) in a {
                    match b.get(key) {
                        Some(other) => open.push((value, other)),
                        None => return false,
                    }
                }
            }
            (a, b) => {
                if a != b {
                    return false;
                }
            }
        }
    }
    true
}

fn same_number(a: &Number, b: &Number) -> bool {
    a == b || Decimal::of(a).cmp_eq(&Decimal::of(b))
}

/// The same text for values that are the same by [`same`], and only for them: JSON with one form of each number, and
/// with the keys of maps in order.
#[must_use]
pub fn value_key(value: &Value) -> String {
    let mut key = String::new();
    write_key(value, &mut key);
    key
}

fn write_key(value: &Value, key: &mut String) {
    let begin = |key: &mut String, n: usize, mark: char| key.push(if n == 0 { mark } else { ',' });
    match value {
        Value::Number(number) => key.push_str(&number_key(number)),
        Value::Array(list) => {
            for (n, value) in list.iter().enumerate() {
                begin(key, n, '[');
                write_key(value, key);
            }
            key.push_str(if list.is_empty() { "[]" } else { "]" });
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(name, _)| *name);
            for (n, (name, value)) in entries.into_iter().enumerate() {
                begin(key, n, '{');
                key.push_str(&Value::from(name.as_str()).to_string());
                key.push(':');
                write_key(value, key);
            }
            key.push_str(if map.is_empty() { "{}" } else { "}" });
        }
        Value::Null | Value::Bool(_) | Value::String(_) => key.push_str(&value.to_string()),
    }
}

/// The same text for numbers that are the same by [`same`], and only for them: `7` for 7.0 and 7e0.
#[must_use]
pub fn number_key(number: &Number) -> String {
    let Decimal { negative, digits, exponent, text } = Decimal::of(number);
    let Some(exponent) = exponent else { return text };
    if digits.is_empty() {
        return "0".to_owned();
    }
    let sign = if negative { "-" } else { "" };
    let shift = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
    if shift > MOST_ZEROS {
        return format!("{sign}{digits}e{exponent}");
    }
    match exponent {
        0.. => format!("{sign}{digits}{}", "0".repeat(shift)),
        _ => {
            let digits = format!("{digits:0>width$}", width = shift + 1);
            let (whole, fraction) = digits.split_at(digits.len() - shift);
            format!("{sign}{whole}.{fraction}")
        }
    }
}

/// Up to so far from the decimal point, a number is written without an exponent in a key.
const MOST_ZEROS: usize = 40;

/// A number's significant digits and the power of ten of the last one: never expanded, so that `1e999999999`
/// costs no more than its text.
struct Decimal {
    negative: bool,
    digits: String,
    /// `None` when the exponent itself is beyond 64 bits: such numbers are equal only when their texts are.
    exponent: Option<i64>,
    text: String,
}

impl Decimal {
    fn of(number: &Number) -> Self {
        let text = number.to_string();
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.as_str()),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()),
            None => (rest, Some(0)),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let kept = all.trim_end_matches('0');
        let dropped = all.len() - kept.len();
        let shift = i64::try_from(dropped).ok().zip(i64::try_from(fraction.len()).ok());
        let exponent = exponent.zip(shift).and_then(|(e, (dropped, fraction))| {
            e.checked_add(dropped).and_then(|e| e.checked_sub(fraction))
        });
        let digits = kept.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Self { negative: false, digits, exponent: Some(0), text };
        }
        Self { negative, digits, exponent, text }
    }

    fn cmp_eq(&self, other: &Self) -> bool {
        match (self.exponent, other.exponent) {
            (Some(a), Some(b)) => {
                self.negative == other.negative && a.cmp(&b) == Ordering::Equal && self.digits == other.digits
            }
            _ => self.text == other.text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn equality_is_on_values() {
        for (left, right, equal) in [
            ("5", "5.0", true),
            ("5", "5e0", true),
            ("50", "5e1", true),
            ("0.50", "5E-1", true),
            ("0", "-0", true),
            ("0", "0.0", true),
            ("0e5", "0", true),
            ("-5", "5", false),
            ("5", "\"5\"", false),
            ("9007199254740993", "9007199254740992", false),
            ("9007199254740993", "9007199254740993.0", true),
            ("123456789012345678901234567890", "123456789012345678901234567890.00", true),
            ("123456789012345678901234567890", "123456789012345678901234567891", false),
            ("1e999999999", "1e999999998", false),
            ("1e999999999", "10e999999998", true),
            ("1e99999999999999999999999999", "1e99999999999999999999999999", true),
            ("true", "1", false),
            ("null", "null", true),
            ("[1,2]", "[1.0,2]", true),
            ("[1,2]", "[2,1]", false),
            ("[1,2]", "[1,2,3]", false),
            (r#"{"a":1,"b":[{"c":2}]}"#, r#"{"b":[{"c":2.0}],"a":1}"#, true),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#, false),
            ("\"a\"", "\"a\"", true),
        ] {
            assert_eq!(same(&json(left), &json(right)), equal, "{left} and {right}");
            assert_eq!(value_key(&json(left)) == value_key(&json(right)), equal, "{left} and {right}");
        }
    }

    #[test]
    fn keys_of_values() {
        for (value, key) in [
            ("7.0", "7"),
            ("-7e0", "-7"),
            ("-0.0", "0"),
            ("1e20", "100000000000000000000"),
            ("0.50", "0.5"),
            ("-12.345e1", "-123.45"),
            ("5e-3", "0.005"),
            ("1.5e42", "15e41"),
            ("1.5e400", "15e399"),
            ("\"7\"", "\"7\""),
            ("[]", "[]"),
            ("{}", "{}"),
            (r#"{"b":[1.0,{}],"a\"":null}"#, r#"{"a\"":null,"b":[1,{}]}"#),
        ] {
            assert_eq!(value_key(&json(value)), key, "{value}");
        }
    }

    #[test]
    fn dots_in_keys_and_between_them() {
        let params = json(r#"{"a":{"b":{"c":1},"b.c":2},"l":[{"x.y":3}],"a.l":4,"p/q":5,"":6}"#);
        for (path, found) in [
            ("a.b", Some(r#"{"c":1}"#)),
            ("a.b.c", Some("2")),
            ("l.0.x.y", Some("3")),
            ("a.l", Some("4")),
            ("p/q", Some("5")),
            ("", Some("6")),
            ("l.1.x", None),
            ("l.x", None),
            ("a.b.c.d", None),
            ("a..b", None),
        ] {
            assert_eq!(dotted(&params, path).map(ToString::to_string).as_deref(), found, "{path}");
        }
    }

    #[test]
    fn lookup_follows_paths() {
        let params = json(r#"{"a":{"b":{"c":1}},"l":[{"x":2}],"n":null,"s":"t"}"#);
        let params = params.as_object().unwrap();
        for (path, found) in [
            ("a/b/c", Some("1")),
            ("l/0/x", Some("2")),
            ("n", Some("null")),
            ("a/b/d", None),
            ("l/1/x", None),
            ("l/x", None),
            ("s/0", None),
            ("", None),
            ("a//c", None),
        ] {
            assert_eq!(lookup(params, path).map(ToString::to_string).as_deref(), found, "{path}");
        }
    }
}
