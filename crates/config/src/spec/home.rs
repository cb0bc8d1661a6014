//! `~/` at the beginning of a path.

use std::path::PathBuf;

use serde_json::Value;

use super::value_error::ValueError;

/// A path below the home folder; `None` when HOME is not set.
pub(crate) fn in_home(rest: &str) -> Option<PathBuf> {
    let home = std::env::home_dir().filter(|home| home.is_absolute())?;
    Some(home.join(rest))
}

/// The same as a value of an option.
pub(super) fn value_in_home(rest: &str) -> Result<Value, ValueError> {
    let path = in_home(rest).ok_or_else(|| ValueError::says("`~` is not known: HOME is not set"))?;
    Ok(Value::String(path.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_folder_is_put_in_front() {
        let home = std::env::home_dir().unwrap();
        assert_eq!(in_home("a/b"), Some(home.join("a/b")));
    }
}
