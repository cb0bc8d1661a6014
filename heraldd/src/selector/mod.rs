//! The selectors of the daemon, a file each; what those have in common that look at one key, and how reasons show
//! values.

use herald_core::param::same;
use herald_core::secret::{MASKED, Mask, is_secret_name};
use herald_core::selector::Answer;
use herald_core::spec::CheckError;
use serde_json::Value;

pub mod all;
pub mod except_map;
pub mod expr;
pub mod external;
pub mod match_map;
pub mod skip;

/// How many characters of a value a reason shows.
const MAX_SHOWN: usize = 60;

/// A value for the reason of a selector: as JSON, cut to 60 characters, hidden where a step of its path is a secret
/// name. Values of the configuration's secrets are masked by the dispatcher.
fn shown<'a>(mut path: impl Iterator<Item = &'a str>, value: &Value) -> String {
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

/// The check of an option that names a key.
fn key_is_given(key: &Value) -> Result<(), CheckError> {
    match key.as_str() {
        Some("") => Err(CheckError::new("the key must not be empty")),
        _ => Ok(()),
    }
}

/// Whether there is a value at this key and, where one is expected, that value. `find`: the value at a path.
fn has_value<'a>(
    find: impl FnOnce(&str) -> Option<&'a Value>,
    key: &str,
    expected: Option<&Value>,
) -> Answer {
    match (find(key), expected) {
        (None, _) => Answer::no(format!("key \"{key}\" is missing")),
        (Some(_), None) => Answer::yes(format!("key \"{key}\" is there")),
        (Some(found), Some(expected)) => {
            let shown = |value| shown(key.split('/'), value);
            if same(found, expected) {
                Answer::yes(format!("{key} is {}", shown(found)))
            } else {
                Answer::no(format!("{key} is {}, not {}", shown(found), shown(expected)))
            }
        }
    }
}
