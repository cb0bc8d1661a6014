//! Files that are too large to be held in memory: the program `git` writes them piece by piece.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use git2::Oid;
use herald_base::output::{Output, Stream};
use herald_base::stop::Stop;
use tokio::time::Instant;

use super::git_program;

/// The largest file that libgit2, which holds it in memory, may read.
pub(super) const LARGEST_IN_MEMORY: usize = 64 << 20;

/// A file of a commit that is there, and empty so far.
#[derive(Debug)]
pub(crate) struct LargeBlob {
    pub(super) id: Oid,
    /// In bytes.
    pub(super) size: usize,
    /// Where the file is.
    pub(super) path: PathBuf,
    pub(super) file: File,
}

/// Why a large file could not be written: one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct LargeBlobError(String);

/// Writes standard output into a file. The first failure stays.
struct FileOutput(Arc<Mutex<std::io::Result<File>>>);

#[async_trait]
impl Output for FileOutput {
    async fn write(&self, stream: Stream, bytes: &[u8]) {
        if stream != Stream::Stdout {
            return;
        }
        let (state, bytes) = (self.0.clone(), bytes.to_owned());
        let written = tokio::task::spawn_blocking(move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok(file) = &mut *state
                && let Err(error) = file.write_all(&bytes)
            {
                *state = Err(error);
            }
        });
        let _ = written.await;
    }
}

/// Has the program `git` write them, one after the other. Dropping the future ends it.
pub(super) async fn write(
    blobs: Vec<LargeBlob>,
    mirror: &Path,
    root: &Path,
    deadline: Instant,
) -> Result<(), LargeBlobError> {
    for blob in blobs {
        let shown = blob.path.strip_prefix(root).unwrap_or(&blob.path).display().to_string();
        let large = format!("the file {shown} has {} bytes, too many for memory", blob.size);
        let arguments = ["cat-file".into(), "blob".into(), blob.id.to_string().into()];
        let program =
            git_program::of(mirror, Path::new("/dev/null"), arguments, deadline).map_err(|error| {
                LargeBlobError(format!(
                    "{large}, and the program `git`, which could write it, is missing: {error}"
                ))
            })?;
        let state = Arc::new(Mutex::new(Ok(blob.file)));
        let finished = program.run_with_output(&Stop::new(), &FileOutput(state.clone())).await;
        let finished = finished.map_err(|error| LargeBlobError(format!("{large}, and {error}")))?;
        if let Err(error) = &*state.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(LargeBlobError(format!("{shown} cannot be written: {error}")));
        }
        // A disk may have been too slow for the last of it.
        let written = std::fs::symlink_metadata(&blob.path).map_or(0, |file| file.len());
        if !finished.ending.is_success() || written != blob.size as u64 {
            let said = String::from_utf8_lossy(&finished.stderr.bytes).trim().to_owned();
            return Err(LargeBlobError(format!(
                "{large}, and `git cat-file` wrote {written} of them: {said}"
            )));
        }
    }
    Ok(())
}
