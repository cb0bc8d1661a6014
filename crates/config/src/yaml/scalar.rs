//! What a scalar means: YAML 1.2, core schema. Numbers keep their digits.

use std::str::FromStr;

use serde_json::{Number, Value};

use super::syntax::SECRET_TAG;

/// Why a scalar has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScalarError {
    /// Its tag says that it is something that it is not.
    #[error("this is not a valid !!{0}")]
    NotOfItsTag(String),
    /// Its tag is not one of the core schema.
    #[error("unknown tag `{0}`")]
    UnknownTag(String),
    /// A hexadecimal or octal number does not fit into 64 bits.
    #[error("this {0} number is larger than 64 bits")]
    TooLarge(&'static str),
    /// Infinity, or not a number.
    #[error("`{0}` is a number that JSON cannot hold; quote it if a string is meant")]
    NotInJson(String),
    /// The number does not fit into any type of number.
    #[error("`{0}` is not a number that can be kept")]
    NotKept(String),
}

impl ScalarError {
    /// The message where the scalar is secret. Without a value behind it, the secret was taken for a tag.
    pub(super) fn without_value(&self, missing: bool) -> &'static str {
        match self {
            Self::UnknownTag(_) => SECRET_TAG,
            Self::NotOfItsTag(_) if missing => SECRET_TAG,
            _ => "this is not a valid value of its kind",
        }
    }
}

/// What an untagged plain scalar means.
pub(super) fn plain(text: &str) -> Result<Value, ScalarError> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Ok(Value::Null),
        "true" | "True" | "TRUE" => Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => Ok(Value::Bool(false)),
        _ if may_be_number(text) => number(text),
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// What a scalar with a tag such as `!!int` means.
pub(super) fn tagged(text: &str, tag: &str) -> Result<Value, ScalarError> {
    let value = match tag {
        "str" => return Ok(Value::String(text.to_owned())),
        _ => plain(text)?,
    };
    let fits = match (tag, &value) {
        ("null", Value::Null) | ("bool", Value::Bool(_)) | ("float", Value::Number(_)) => true,
        ("int", Value::Number(number)) => !number.to_string().contains(['.', 'e', 'E']),
        _ => false,
    };
    if fits { Ok(value) } else { Err(ScalarError::NotOfItsTag(tag.to_owned())) }
}

fn may_be_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
}

/// A number, or a text when it only looks like one.
fn number(text: &str) -> Result<Value, ScalarError> {
    let as_text = || Ok(Value::String(text.to_owned()));
    for (prefix, radix, name) in [("0x", 16, "hexadecimal"), ("0o", 8, "octal")] {
        if let Some(digits) = text.strip_prefix(prefix) {
            if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
                return as_text();
            }
            return u64::from_str_radix(digits, radix)
                .map(Value::from)
                .map_err(|_| ScalarError::TooLarge(name));
        }
    }
    let (minus, rest) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        _ => ("", text),
    };
    match rest {
        ".inf" | ".Inf" | ".INF" => return Err(ScalarError::NotInJson(text.to_owned())),
        ".nan" | ".NaN" | ".NAN" if rest == text => return Err(ScalarError::NotInJson(text.to_owned())),
        _ => {}
    }
    let Some(parts) = NumberParts::of(rest) else { return as_text() };
    if parts.whole.len() > 1 && parts.whole.starts_with('0') {
        return as_text();
    }
    let whole = if parts.whole.is_empty() { "0" } else { parts.whole };
    let json = match (parts.fraction, parts.exponent) {
        (None, None) => format!("{minus}{whole}"),
        (None, Some(exponent)) => format!("{minus}{whole}e{exponent}"),
        (Some(fraction), exponent) => {
            let fraction = if fraction.is_empty() { "0" } else { fraction };
            let exponent = exponent.map(|e| format!("e{e}")).unwrap_or_default();
            format!("{minus}{whole}.{fraction}{exponent}")
        }
    };
    Number::from_str(&json).map(Value::Number).map_err(|_| ScalarError::NotKept(text.to_owned()))
}

/// `[0-9]* (. [0-9]*)? ([eE] [-+]? [0-9]+)?` with at least one digit before the exponent.
struct NumberParts<'a> {
    whole: &'a str,
    fraction: Option<&'a str>,
    exponent: Option<&'a str>,
}

impl<'a> NumberParts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (text, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        if let Some(exponent) = exponent {
            let bare = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if bare.is_empty() || !digits(bare) {
                return None;
            }
        }
        let some = !whole.is_empty() || fraction.is_some_and(|f| !f.is_empty());
        (some && digits(whole) && digits(fraction.unwrap_or(""))).then_some(Self {
            whole,
            fraction,
            exponent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_schema() {
        for (text, json) in [
            ("", "null"),
            ("~", "null"),
            ("null", "null"),
            ("Null", "null"),
            ("nULL", r#""nULL""#),
            ("true", "true"),
            ("TRUE", "true"),
            ("tRUE", r#""tRUE""#),
            ("yes", r#""yes""#),
            ("No", r#""No""#),
            ("on", r#""on""#),
            ("off", r#""off""#),
            ("y", r#""y""#),
            ("0", "0"),
            ("-0", "-0"),
            ("12", "12"),
            ("+12", "12"),
            ("-12", "-12"),
            ("007", r#""007""#),
            ("0755", r#""0755""#),
            ("-01.5", r#""-01.5""#),
            ("0o755", "493"),
            ("0o8", r#""0o8""#),
            ("0xff", "255"),
            ("0xFF", "255"),
            ("0xfg", r#""0xfg""#),
            ("0x", r#""0x""#),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("9007199254740993", "9007199254740993"),
            ("3.14159265358979323846264338327950288", "3.14159265358979323846264338327950288"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("1e3", "1e+3"),
            ("1.5E-3", "1.5e-3"),
            ("1e+3", "1e+3"),
            ("1e", r#""1e""#),
            ("e3", r#""e3""#),
            (".e3", r#"".e3""#),
            (".", r#"".""#),
            ("-", r#""-""#),
            ("..", r#""..""#),
            ("1_000", r#""1_000""#),
            ("12:30:45", r#""12:30:45""#),
            ("2026-11-20", r#""2026-11-20""#),
            ("1.2.3", r#""1.2.3""#),
            ("-x", r#""-x""#),
            ("1m30s", r#""1m30s""#),
            ("-.nan", r#""-.nan""#),
            ("inf", r#""inf""#),
        ] {
            assert_eq!(plain(text).unwrap().to_string(), json, "{text}");
        }
        for text in [".inf", "-.INF", "+.Inf", ".nan", "0x10000000000000000"] {
            assert!(plain(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tags() {
        for (text, tag, json) in [
            ("5", "str", Some(r#""5""#)),
            ("5", "int", Some("5")),
            ("5.5", "int", None),
            ("5", "float", Some("5")),
            ("x", "float", None),
            ("true", "bool", Some("true")),
            ("yes", "bool", None),
            ("", "null", Some("null")),
            ("x", "map", None),
        ] {
            assert_eq!(tagged(text, tag).ok().map(|v| v.to_string()).as_deref(), json, "{text} {tag}");
        }
    }
}
