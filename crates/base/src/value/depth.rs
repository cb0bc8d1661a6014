//! How deep values may be nested. Readers of JSON stop at 128 levels, and Herald wraps what it is given: in events, in
//! jobs, in the events of chains, in messages and in answers. All of these must stay readable.

use serde_json::{Map, Value};

/// The deepest nesting of lists and maps in what comes from outside: configuration, events, requests, messages, outputs
/// of jobs, filled in parameters. An object with plain values is one level.
pub const DEEPEST: usize = 100;
/// The deepest nesting of the result of a job, which executors made of outputs: that of a job on many nodes holds those
/// of its nodes. In an event of a chain of jobs it is at most 9 levels deeper, in the job of such an event, its
/// message and its answer 4 more.
pub const DEEPEST_RESULT: usize = DEEPEST + 8;

/// What a note says of an output that could have been the result of its job.
pub const NOT_THE_RESULT: &str = "so that it is not the result";

/// Something is nested deeper than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nested {depth} levels deep; the limit is {limit}")]
pub struct TooDeep {
    /// How deep it is nested.
    pub depth: usize,
    /// How deep it may be.
    pub limit: usize,
}

impl TooDeep {
    /// What is said beside an output that stays a text.
    #[must_use]
    pub fn note(self) -> String {
        format!("the output is JSON {self}, {NOT_THE_RESULT}")
    }

    /// Checks what has this depth.
    ///
    /// # Errors
    /// When it is deeper than [`DEEPEST`].
    pub fn check(depth: usize) -> Result<(), Self> {
        if depth > DEEPEST { Err(Self { depth, limit: DEEPEST }) } else { Ok(()) }
    }
}

/// How deep lists and maps are nested in these parameters, which are one level themselves.
#[must_use]
pub fn of_params(params: &Map<String, Value>) -> usize {
    1 + params.values().map(of_value).max().unwrap_or(0)
}

/// How deep lists and maps are nested in a value: 0 for a text or a number. The stack does not grow with it.
#[must_use]
pub fn of_value(value: &Value) -> usize {
    let mut deepest = 0;
    let mut open = vec![(value, 0)];
    while let Some((value, above)) = open.pop() {
        let level = above + 1;
        match value {
            Value::Array(list) => {
                deepest = deepest.max(level);
                open.extend(list.iter().filter(|inner| is_collection(inner)).map(|inner| (inner, level)));
            }
            Value::Object(map) => {
                deepest = deepest.max(level);
                open.extend(map.values().filter(|inner| is_collection(inner)).map(|inner| (inner, level)));
            }
            _ => {}
        }
    }
    deepest
}

fn is_collection(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Object(_))
}

/// How deep lists and maps are nested in a text, if it is JSON.
#[must_use]
pub fn of_json(json: &[u8]) -> usize {
    let (mut level, mut deepest) = (0_usize, 0);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                level += 1;
                deepest = deepest.max(level);
            }
            b'}' | b']' => level = level.saturating_sub(1),
            b'"' => loop {
                match bytes.next() {
                    Some(b'\\') => drop(bytes.next()),
                    Some(b'"') | None => break,
                    Some(_) => {}
                }
            },
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        let nested = |levels: usize| format!("{}1{}", "{\"a\":[".repeat(levels), "]}".repeat(levels));
        for (json, depth) in [
            ("1", 0),
            ("\"[[{\"", 0),
            ("{}", 1),
            ("[1, \"]\", []]", 2),
            (r#"{"a{": "\"[[", "b": [{}, []], "c": {}}"#, 3),
            (&nested(50), 100),
            (&nested(60), 120),
        ] {
            assert_eq!(of_json(json.as_bytes()), depth, "{json}");
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(of_value(&value), depth, "{json}");
            if let Value::Object(params) = &value {
                assert_eq!(of_params(params), depth, "{json}");
            }
        }
        assert_eq!(of_json(nested(5000).as_bytes()), 10_000);
        assert_eq!(
            TooDeep::check(DEEPEST + 1).unwrap_err().to_string(),
            "nested 101 levels deep; the limit is 100"
        );
    }
}
