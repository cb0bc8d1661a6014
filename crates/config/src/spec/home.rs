//! `~/` at the beginning of a path.

use std::path::PathBuf;

/// A path below the home folder; `None` when HOME is not set.
pub(crate) fn in_home(rest: &str) -> Option<PathBuf> {
    let home = std::env::home_dir().filter(|home| home.is_absolute())?;
    Some(home.join(rest))
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
