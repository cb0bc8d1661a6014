//! The program of a job inside of a checkout.

use std::io;
use std::path::{Path, PathBuf};

/// Why the command of a job cannot be run from its checkout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckoutCommandError {
    #[error("leads out of the repository")]
    Outside,
    #[error("is not a file")]
    NotAFile,
    #[error("does not exist")]
    Missing,
    #[error("cannot be found: {0}")]
    Io(#[from] io::Error),
}

/// The program inside of a checkout; symbolic links must not lead out of the checkout.
///
/// # Errors
/// [`CheckoutCommandError`], as the end of a sentence that begins with the command.
pub(crate) fn inside(checkout: &Path, cmd: &str) -> Result<PathBuf, CheckoutCommandError> {
    let root = checkout.canonicalize()?;
    let path = root.join(cmd);
    match path.canonicalize() {
        Ok(real) if !real.starts_with(&root) => Err(CheckoutCommandError::Outside),
        Ok(real) if !real.is_file() => Err(CheckoutCommandError::NotAFile),
        // Not the resolved path: programs look at the name under which they were called.
        Ok(_) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(CheckoutCommandError::Missing),
        Err(error) => Err(error.into()),
    }
}
