//! JSON values: objects of parameters, and what kind a value is of.

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
