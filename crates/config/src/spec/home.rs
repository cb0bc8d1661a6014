//! `~/` at the beginning of a path.

use std::path::PathBuf;

use serde_json::Value;

use super::value_error::ValueError;

/// The beginning of a path in the home folder.
const HOME: &str = "~/";

/// HOME is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`~` is not known: HOME is not set")]
pub struct NoHome;

/// A path as it is written: one that begins with `~/` is in the home folder of this process.
///
/// # Errors
/// When HOME is not set.
pub fn path(written: &str) -> Result<PathBuf, NoHome> {
    match written.strip_prefix(HOME) {
        Some(rest) => in_home(rest).ok_or(NoHome),
        None => Ok(PathBuf::from(written)),
    }
}

/// A path below the home folder; `None` when HOME is not set.
pub(crate) fn in_home(rest: &str) -> Option<PathBuf> {
    let home = std::env::home_dir().filter(|home| home.is_absolute())?;
    Some(home.join(rest))
}

/// The same as a value of an option.
pub(super) fn value_in_home(rest: &str) -> Result<Value, ValueError> {
    let path = in_home(rest).ok_or_else(|| ValueError::says(NoHome.to_string()))?;
    Ok(Value::String(path.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_folder_is_put_in_front() {
        let home = std::env::home_dir().unwrap();
        for (written, expected) in [
            ("~/a/b", home.join("a/b")),
            ("~a/b", PathBuf::from("~a/b")),
            ("/~/b", PathBuf::from("/~/b")),
            ("a", PathBuf::from("a")),
        ] {
            assert_eq!(path(written), Ok(expected));
        }
    }
}
