//! The folder of the state, as components get it.

use std::path::PathBuf;

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
