//! Which status codes of a response count as a success.

use std::fmt;
use std::ops::RangeInclusive;

use http::StatusCode;
use serde_json::Value;

use super::invalid_request::InvalidRequest;

/// Status codes and ranges of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedStatus(Vec<RangeInclusive<u16>>);

impl Default for ExpectedStatus {
    /// 200-299.
    fn default() -> Self {
        Self(vec![200..=299])
    }
}

impl ExpectedStatus {
    /// Reads `404`, `"200-299"`, or a list of these.
    ///
    /// # Errors
    /// What is not a status code or a range.
    pub fn read(value: &Value) -> Result<Self, InvalidRequest> {
        let list = match value {
            Value::Array(list) => list.iter().collect(),
            one => vec![one],
        };
        if list.is_empty() {
            return Err(InvalidRequest::new("expect", "the list is empty: no response could succeed"));
        }
        list.into_iter().map(range).collect::<Result<_, _>>().map(Self)
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn contains(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}

/// As in the configuration: `200-299, 404`.
impl fmt::Display for ExpectedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.0.iter().enumerate() {
            let (start, end) = (range.start(), range.end());
            f.write_str(if n > 0 { ", " } else { "" })?;
            write!(f, "{start}")?;
            if start != end {
                write!(f, "-{end}")?;
            }
        }
        Ok(())
    }
}

fn range(value: &Value) -> Result<RangeInclusive<u16>, InvalidRequest> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let code = |text: &str| text.trim().parse::<u16>().ok().filter(|code| (100..=599).contains(code));
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    match (code(first), code(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => {
            let shown: String = text.chars().take(40).collect();
            let why = format!("`{shown}` is not a status code from 100 to 599, nor a range such as 200-299");
            Err(InvalidRequest::new("expect", why))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn codes_and_ranges() {
        for (value, shown, expected, other) in [
            (json!(404), "404", 404, 200),
            (json!("204"), "204", 204, 200),
            (json!("200-299"), "200-299", 299, 300),
            (json!([200, "300 - 308", "404"]), "200, 300-308, 404", 304, 201),
        ] {
            let read = ExpectedStatus::read(&value).unwrap();
            assert_eq!(read.to_string(), shown);
            let holds = |code: u16| read.contains(StatusCode::from_u16(code).unwrap());
            assert!(holds(expected) && !holds(other), "{value}");
        }
        for wrong in
            [json!([]), json!("2xx"), json!(99), json!("300-200"), json!(null), json!("200-"), json!([{}])]
        {
            let error = ExpectedStatus::read(&wrong).unwrap_err().to_string();
            assert!(error.starts_with("expect: "), "{wrong}: {error}");
        }
        assert_eq!(ExpectedStatus::default().to_string(), "200-299");
    }
}
