//! What makes a text a template.

use serde_json::Value;

/// Whether a text is a template.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// Whether a template is anywhere in it.
#[must_use]
pub fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => is_template(text),
        Value::Array(list) => list.iter().any(holds_template),
        Value::Object(map) => map.values().any(holds_template),
        _ => false,
    }
}
