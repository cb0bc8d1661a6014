//! The selectors of the daemon, a file each, and what those have in common that look at one key.

use herald_config::secret::shown;
use herald_core::param::same;
use herald_core::selector::Answer;
use herald_core::spec::CheckError;
use serde_json::Value;

pub mod all;
pub mod changed;
pub mod except_map;
pub mod expr;
pub mod external;
pub mod match_map;
pub mod skip;

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
