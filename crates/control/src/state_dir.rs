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

/// A folder as it is written in a configuration, whatever the current directory is later.
#[must_use]
pub fn absolute(folder: &Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}

/// The `state_dir` as it is written in this configuration; `None`: it is not.
///
/// # Errors
/// When the file cannot be read, is not text, or is not YAML.
pub fn written(config: &Path) -> Result<Option<String>, ReadError> {
    let file = include::read(config)?;
    Ok(file.value().get("state_dir").and_then(|folder| folder.as_str()).map(str::to_owned))
}
