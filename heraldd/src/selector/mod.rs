//! The selectors of the daemon, a file each, and what those have in common that look at one key.

use herald_config::secret::shown;
use herald_core::param::{Params, same};
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

/// The key that a parameter names.
fn key_at<'p>(select_param: &'p Params, name: &str) -> Result<&'p str, Answer> {
    match select_param.get(name) {
        Some(Value::String(key)) => Ok(key),
        None | Some(Value::Null) => Err(Answer::no(format!("{name} is missing"))),
        Some(other) => {
            Err(Answer::no(format!("{name} is {}, not a string", shown([name].into_iter(), other))))
        }
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
