//! Which users file a configuration names.

use std::path::{Path, PathBuf};

use herald_config::file::ReadError;
use herald_config::include;
use herald_config::problem;

/// The configuration names no users file.
#[derive(Debug, thiserror::Error)]
pub enum NoUsersFile {
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ReadError),
    /// It has none.
    #[error("{} has no users file; write  access: {{users: /etc/heraldd/users}}  there, or name the file with --file", .0.display())]
    Unnamed(PathBuf),
}

/// The path under `access.users`; a relative one begins at the folder of the file that has it.
///
/// # Errors
/// [`NoUsersFile`].
pub fn of_config(config: &Path) -> Result<PathBuf, NoUsersFile> {
    let read = include::read(config)?;
    let users = read.value().get("access").and_then(|access| access.get("users"));
    let Some(users) = users.and_then(|users| users.as_str()) else {
        return Err(NoUsersFile::Unnamed(config.to_owned()));
    };
    match (users.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => Ok(home.join(rest)),
        _ => Ok(read.folders().of(&problem::Path::top().key("access").key("users")).join(users)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_that_of_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("heraldd.yml");
        let named = |text: &str| {
            std::fs::write(&config, text).unwrap();
            of_config(&config)
        };
        assert_eq!(named("access: {users: /etc/x}").unwrap(), Path::new("/etc/x"));
        assert_eq!(named("access: {users: x}").unwrap(), folder.path().join("x"));
        for text in ["a: b", "access: {}", "access: {users: 7}"] {
            assert!(matches!(named(text), Err(NoUsersFile::Unnamed(_))), "{text}");
        }
        assert!(matches!(named("a: ["), Err(NoUsersFile::Config(_))));
    }
}
