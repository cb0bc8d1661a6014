//! Locks that the kernel holds, and that end with the process.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use herald_base::private_file::open_private;
use tokio::time::{Instant, sleep};

use crate::command::StepRun;
use crate::error::DeployError;

/// How often a lock that another process holds is tried.
const TRY: Duration = Duration::from_millis(50);

/// A lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct KernelLock {
    _file: File,
}

impl KernelLock {
    /// Takes it, or says which process holds it.
    pub(crate) fn take(file: &Path, path: &Path) -> Result<Self, DeployError> {
        let failed = |error| DeployError::io("lock", file, error);
        let mut opened = open_private(file).map_err(failed)?;
        match opened.try_lock() {
            Ok(()) => {
                let written = opened.set_len(0).and_then(|()| opened.rewind());
                written.and_then(|()| write!(opened, "{}", std::process::id())).map_err(failed)?;
                Ok(Self { _file: opened })
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = opened.take(32).read_to_string(&mut holder);
                Err(DeployError::Locked { path: path.to_owned(), holder })
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Waits for it, as long as the step may take.
    pub(crate) async fn wait(file: &Path, run: &StepRun<'_>) -> Result<Self, DeployError> {
        loop {
            match Self::take(file, file) {
                Err(DeployError::Locked { .. }) if run.stop.is_asked() => {
                    return Err(DeployError::Cancelled("waiting for a lock".to_owned()));
                }
                Err(DeployError::Locked { .. }) if Instant::now() < run.deadline => sleep(TRY).await,
                other => return other,
            }
        }
    }
}
