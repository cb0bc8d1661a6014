//! Where a daemon keeps its state, and so its control socket: the daemon and its commands must agree on it.

use std::path::{Path, PathBuf};

use herald_config::file::ReadError;
use herald_config::include;

/// `$STATE_DIRECTORY`, else `/var/lib/heraldd` for root, else `$XDG_STATE_HOME/heraldd` (`~/.local/state/heraldd`).
/// `None`: there is neither a `$STATE_DIRECTORY` nor a home directory.
#[must_use]
pub fn default() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    // systemd gives a list when a unit has several state directories.
    if let Some(state) = set("STATE_DIRECTORY").and_then(|list| std::env::split_paths(&list).next()) {
        return Some(state);
    }
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/heraldd"));
    }
    let state = set("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
    state.map(|state| state.join("heraldd"))
}

/// A `state_dir` as a configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrittenStateDir {
    /// `none`: the state is in memory.
    Memory,
    /// A folder, as an absolute path.
    Folder(PathBuf),
}

impl WrittenStateDir {
    /// As it is written in a file of this folder, where a relative one begins: the daemon and its commands agree on it,
    /// wherever they are started.
    #[must_use]
    pub fn of(folder: &Path, written: &str) -> Self {
        if written == "none" {
            return Self::Memory;
        }
        let in_home = written.strip_prefix("~/").and_then(|rest| Some(std::env::home_dir()?.join(rest)));
        Self::Folder(absolute(&in_home.unwrap_or_else(|| folder.join(written))))
    }
}

/// Where the state is that a daemon would leave behind when it goes by this `state_dir`, which became `folder`: until
/// version 1.0 a relative one began at the current directory. `None`: there is none, or `folder` has one itself.
#[must_use]
pub fn left_behind(written: &str, folder: &Path) -> Option<PathBuf> {
    let before = absolute(written.as_ref());
    let has_state = |folder: &Path| folder.join("journal.db").exists();
    (before != folder && !has_state(folder) && has_state(&before)).then_some(before)
}

/// A folder, whatever the current directory is later.
#[must_use]
pub fn absolute(folder: &Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}

/// The `state_dir` of this configuration; `None`: it has none.
///
/// # Errors
/// When the file cannot be read, is not text, or is not YAML.
pub fn written(config: &Path) -> Result<Option<WrittenStateDir>, ReadError> {
    let file = include::read(config)?;
    let written = file.value().get("state_dir").and_then(|folder| folder.as_str());
    let place = herald_config::problem::Path::top().key("state_dir");
    Ok(written.map(|written| WrittenStateDir::of(file.folders().of(&place), written)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_one_begins_at_the_folder_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("heraldd.yml");
        let home = std::env::home_dir().unwrap();
        for (text, expected) in [
            ("state_dir: state", Some(WrittenStateDir::Folder(folder.path().join("state")))),
            ("state_dir: ./a/b", Some(WrittenStateDir::Folder(folder.path().join("a/b")))),
            ("state_dir: /var/x", Some(WrittenStateDir::Folder("/var/x".into()))),
            ("state_dir: ~/x", Some(WrittenStateDir::Folder(home.join("x")))),
            ("state_dir: none", Some(WrittenStateDir::Memory)),
            ("max_jobs: 1", None),
        ] {
            std::fs::write(&config, text).unwrap();
            assert_eq!(written(&config).unwrap(), expected, "{text}");
        }
    }
}
