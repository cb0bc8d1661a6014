//! Where state is kept when nobody says where.

use std::path::{Path, PathBuf};

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

/// Where state is kept, for components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFolder(pub PathBuf);

impl StateFolder {
    /// Of a process that keeps its state in memory, for what must be in files all the same: forgotten with it.
    #[must_use]
    pub fn of_process() -> PathBuf {
        std::env::temp_dir().join(format!("heraldd-{}", std::process::id()))
    }
}

/// A folder as it is written in a configuration, whatever the current directory is later.
#[must_use]
pub fn absolute(folder: &Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}
