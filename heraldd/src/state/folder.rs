//! The folder of the state, as components get it.

use std::path::PathBuf;
use std::sync::OnceLock;

/// Where state is kept, for components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFolder(pub PathBuf);

impl StateFolder {
    /// Of a process that keeps its state in memory, for what must be in files all the same: forgotten with it. Nobody
    /// can know its name before.
    #[must_use]
    pub fn of_process() -> PathBuf {
        static FOLDER: OnceLock<PathBuf> = OnceLock::new();
        let made = || {
            let mut random = [0; 8];
            // Without a source of random numbers nothing of heraldd works; the id is unlikely to be there already.
            let _ = getrandom::fill(&mut random);
            std::env::temp_dir().join(format!(
                "heraldd-{}-{:016x}",
                std::process::id(),
                u64::from_be_bytes(random)
            ))
        };
        FOLDER.get_or_init(made).clone()
    }

    /// Removes that folder, at a clean stop. Blocks.
    pub fn forget() {
        let folder = Self::of_process();
        if let Err(error) = std::fs::remove_dir_all(&folder)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %folder.display(), %error, "what was kept for this process cannot be removed");
        }
    }
}
