//! The `data_dir`, off the async threads, and what daemons that were killed left behind in it.

use std::fs::DirEntry;
use std::io;
use std::path::Path;

/// Does something to files.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Shows `remove` what is called like this; it removes what is not in use. `what` is said of it when that fails.
pub(super) async fn sweep(
    data_dir: &Path,
    (prefix, what): (&'static str, &str),
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
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                remove(&entry)?;
            }
        }
        Ok(())
    });
    if let Err(error) = swept.await {
        tracing::warn!(%error, "{what} could not be removed");
    }
}
