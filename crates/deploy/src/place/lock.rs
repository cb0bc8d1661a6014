//! Locks that the kernel holds, and that end with the process.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use herald_base::file_lock::FileLock;
use herald_base::private_file::open_private;
use tokio::time::{Instant, sleep};

use crate::command::StepRun;
use crate::error::DeployError;

/// How often a lock that another process holds is tried.
const TRY: Duration = Duration::from_millis(50);

/// A lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct KernelLock {
    _files: Vec<FileLock>,
}

impl KernelLock {
    /// Takes it, or says which process holds it.
    pub(crate) fn take(file: &Path, path: &Path) -> Result<Self, DeployError> {
        Self::take_inside(file, &[], path)
    }

    /// Takes the lock of a path, and shares those of the paths that it lies in: a deployment of one of them and this
    /// one exclude each other, two deployments inside of it do not.
    pub(crate) fn take_inside(file: &Path, above: &[PathBuf], path: &Path) -> Result<Self, DeployError> {
        let opened = open_private(file).map_err(|error| DeployError::io("lock", file, error))?;
        locked(&opened, opened.try_lock(), file, path)?;
        let mut files = vec![FileLock::new(opened)];
        for outer in above {
            // One that this user cannot open belongs to somebody who can protect it.
            let Ok(opened) = open_private(outer) else { continue };
            locked(&opened, opened.try_lock_shared(), outer, path)?;
            files.push(FileLock::new(opened));
        }
        Ok(Self { _files: files })
    }

    /// Takes it together with others that share it.
    pub(crate) fn share(file: &Path, path: &Path) -> Result<Self, DeployError> {
        let opened = open_private(file).map_err(|error| DeployError::io("lock", file, error))?;
        locked(&opened, opened.try_lock_shared(), file, path)?;
        Ok(Self { _files: vec![FileLock::new(opened)] })
    }

    /// Waits for it, as long as the step may take.
    pub(crate) async fn wait(file: &Path, path: &Path, run: &StepRun<'_>) -> Result<Self, DeployError> {
        loop {
            match Self::take(file, path) {
                Err(DeployError::Locked { .. }) if run.stop.is_asked() => {
                    return Err(DeployError::Cancelled("the wait for a lock".to_owned()));
                }
                Err(DeployError::Locked { .. }) if Instant::now() < run.deadline => sleep(TRY).await,
                other => return other,
            }
        }
    }
}

/// The lock was tried: it has the number of this process, or another one has it.
fn locked(
    opened: &File,
    tried: Result<(), TryLockError>,
    file: &Path,
    path: &Path,
) -> Result<(), DeployError> {
    let failed = |error| DeployError::io("lock", file, error);
    let mut opened = opened;
    match tried {
        Ok(()) => {
            let written = opened.set_len(0).and_then(|()| opened.rewind());
            written.and_then(|()| write!(opened, "{}", std::process::id())).map_err(failed)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = opened.take(32).read_to_string(&mut holder);
            Err(DeployError::Locked { path: path.to_owned(), holder })
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
