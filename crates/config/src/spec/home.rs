//! `~/` at the beginning of a path.

use serde_json::Value;

use super::value_error::ValueError;

/// A path below the home folder.
pub(super) fn in_home(rest: &str) -> Result<Value, ValueError> {
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    let home = home.ok_or_else(|| ValueError::says("`~` is not known: HOME is not set"))?;
    Ok(Value::String(home.join(rest).to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_folder_is_put_in_front() {
        let home = std::env::home_dir().unwrap();
        assert_eq!(in_home("a/b").ok(), Some(Value::String(home.join("a/b").to_string_lossy().into_owned())));
    }
}
