//! TileNumber numbers of any length, compared digit by digit: a number of 64 bits would round them.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// A number as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileNumber(String);

/// A number as digits, and where its point is.
struct Scaled {
    is_negative: bool,
    /// Without zeros at the beginning; empty for zero.
    digits: String,
    /// How many of the digits are before the point; negative where zeros follow it.
    point: i64,
}

impl TileNumber {
    /// The number that a value is: a number, or a text that is one, as scripts often write it.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Some(Self(number.to_string())),
            Value::String(text) => {
                let text = text.trim();
                text.parse::<Number>().ok().map(|_| Self(text.to_owned()))
            }
            _ => None,
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Roughly, to draw it; `None` where it is too large for that.
    #[must_use]
    pub fn rough(&self) -> Option<f64> {
        self.0.parse::<f64>().ok().filter(|number| number.is_finite())
    }

    fn scaled(&self) -> Scaled {
        let (is_negative, text) = match self.0.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, self.0.as_str()),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let zeros = all.len() - digits.len();
        // An exponent of more digits than a whole number has is far beyond everything.
        let most = if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
        let exponent =
            exponent.trim_start_matches('+').parse::<i64>().unwrap_or(most).clamp(i64::MIN / 2, i64::MAX / 2);
        let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX / 4);
        let point = length(whole.len()) - length(zeros) + exponent;
        Scaled { is_negative, digits: digits.trim_end_matches('0').to_owned(), point }
    }
}

impl TileNumber {
    /// Which of two is larger; `0.10` and `0.1` are equal.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        let (one, two) = (self.scaled(), other.scaled());
        let sign = |number: &Scaled| match (number.digits.is_empty(), number.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let (first, second) = (sign(&one), sign(&two));
        if first != second || first == 0 {
            return first.cmp(&second);
        }
        let larger = one.point.cmp(&two.point).then_with(|| one.digits.cmp(&two.digits));
        if first > 0 { larger } else { larger.reverse() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decimal(text: &str) -> TileNumber {
        TileNumber::of(&Value::from(text)).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn numbers_are_compared_digit_by_digit() {
        for (one, two, expected) in [
            ("18446744073709551617", "18446744073709551616", Ordering::Greater),
            ("0.10", "0.1", Ordering::Equal),
            ("0.09", "0.1", Ordering::Less),
            ("9", "10", Ordering::Less),
            ("1e3", "1000.0", Ordering::Equal),
            ("1E+3", "999", Ordering::Greater),
            ("12e-1", "1.2", Ordering::Equal),
            ("-2", "-10", Ordering::Greater),
            ("-0.5", "0", Ordering::Less),
            ("-0", "0.0", Ordering::Equal),
            ("0.001", "0.01", Ordering::Less),
            ("1e99999999999999999999", "5", Ordering::Greater),
            ("1e-99999999999999999999", "0", Ordering::Greater),
            ("120", "12", Ordering::Greater),
        ] {
            assert_eq!(decimal(one).compare(&decimal(two)), expected, "{one} {two}");
            assert_eq!(decimal(two).compare(&decimal(one)), expected.reverse(), "{two} {one}");
        }
    }

    #[test]
    fn what_is_a_number() {
        let big: Value = serde_json::from_str("18446744073709551617").unwrap();
        let exact: Value = serde_json::from_str("0.10").unwrap();
        for (value, text) in [
            (big, Some("18446744073709551617")),
            (exact, Some("0.10")),
            (json!(" 7 "), Some("7")),
            (json!("7 MB"), None),
            (json!(""), None),
            (json!("NaN"), None),
            (json!(true), None),
            (json!([1]), None),
        ] {
            assert_eq!(TileNumber::of(&value).as_ref().map(TileNumber::as_str), text, "{value}");
        }
        assert_eq!(decimal("1e999").rough(), None);
        assert_eq!(decimal("0.5").rough(), Some(0.5));
    }
}
