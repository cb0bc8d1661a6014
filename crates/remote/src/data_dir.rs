//! Work in the `data_dir`, off the async threads, and the removal of what killed processes left there.

use std::fs::{DirBuilder, DirEntry};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Runs blocking work on files.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Makes a folder that only its owner can open, and those above it that are missing. One that exists keeps its mode.
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Entries of the `data_dir` that may be left over.
pub(crate) struct Leftovers {
    /// What their names begin with.
    pub(crate) prefix: &'static str,
    /// What they are, for the log.
    pub(crate) what: &'static str,
}

/// Calls `remove` for each such entry; it removes those that are not in use.
pub(crate) async fn sweep(
    data_dir: &Path,
    leftovers: Leftovers,
    remove: impl Fn(&DirEntry) -> io::Result<()> + Send + 'static,
) {
    let data_dir = data_dir.to_owned();
    let swept = blocking(move || {
        let entries = match std::fs::read_dir(&data_dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(leftovers.prefix) {
                remove(&entry)?;
            }
        }
        Ok(())
    });
    if let Err(error) = swept.await {
        tracing::warn!(%error, "cannot remove {}", leftovers.what);
    }
}
