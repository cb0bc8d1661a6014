//! JSON values: objects of parameters, and what kind a value is of.

pub mod depth;

use serde_json::{Map, Value};

/// A JSON object: parameters, options, or a result.
pub type Params = Map<String, Value>;

/// What a value is, for people.
#[must_use]
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// The value at a path such as `commits.0.id`. A key that holds dots itself counts before what they could mean.
#[must_use]
pub fn dotted<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let (mut at, mut path) = (value, path);
    loop {
        if let Some(found) = at.as_object().and_then(|map| map.get(path)) {
            return Some(found);
        }
        let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
        at = match at {
            Value::Object(map) => map.get(step)?,
            Value::Array(list) => list.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
        match rest {
            None => return Some(at),
            Some(rest) => path = rest,
        }
    }
}
