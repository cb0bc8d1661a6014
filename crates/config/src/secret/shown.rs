//! How reasons show values.

use herald_base::secret_name::{MASKED, is_secret_name};
use serde_json::Value;

use super::mask::Mask;

/// How many characters of a value a reason shows.
const MAX_SHOWN: usize = 60;

/// A value for the reason of a selector: as JSON, cut to 60 characters, hidden where a step of its path is a secret
/// name. Values of the configuration's secrets are masked by the dispatcher.
#[must_use]
pub fn shown<'a>(mut path: impl Iterator<Item = &'a str>, value: &Value) -> String {
    if path.any(is_secret_name) {
        return MASKED.to_owned();
    }
    let text = match value {
        Value::Array(_) | Value::Object(_) => Mask::new().value(value).to_string(),
        // What would be cut anyway is not copied first.
        Value::String(text) => Value::String(text.chars().take(MAX_SHOWN + 1).collect()).to_string(),
        value => value.to_string(),
    };
    match text.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
