//! Result files that do not come over a connection to a runner: written aside, checked, and put in place together.

use std::path::Path;

use bytes::Bytes;
use herald_base::os_error;
use herald_wire::manifest::FileSum;
use serde_json::{Map, Value};

use crate::runner::{Staging, sweep};

/// Why result files cannot be stored: a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ResultFilesError(String);

impl ResultFilesError {
    fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// The files of one job. Dropped before [`ResultFiles::commit`], nothing of them remains.
pub struct ResultFiles(Staging);

impl ResultFiles {
    /// None yet.
    ///
    /// # Errors
    /// The `data_dir` cannot be used.
    pub async fn begin(data_dir: &Path) -> Result<Self, ResultFilesError> {
        sweep(data_dir).await;
        let disk = |error: std::io::Error| {
            let (data_dir, error) = (data_dir.display(), os_error::plain(&error.to_string()));
            ResultFilesError::new(format_args!("cannot use the data_dir {data_dir}: {error}"))
        };
        Staging::begin(data_dir).await.map(Self).map_err(disk)
    }

    /// Adds a file with this checksum.
    ///
    /// # Errors
    /// It cannot be written, its names lead elsewhere, or its content has another checksum.
    pub async fn add(
        &mut self,
        name: &str,
        expected: &FileSum,
        content: Bytes,
    ) -> Result<(), ResultFilesError> {
        let mut sink = self.0.file(name, &expected.filename).await.map_err(ResultFilesError::new)?;
        sink.push(content).await.map_err(ResultFilesError::new)?;
        let stored = sink.finish().await.map_err(ResultFilesError::new)?;
        if stored.sum != *expected {
            let wrong = format_args!("the result file {name:?} does not match its checksum");
            return Err(ResultFilesError::new(wrong));
        }
        self.0.add(stored);
        Ok(())
    }

    /// Puts all in place as `<data_dir>/<job_id>/<name>/<filename>`. Returns their paths by name.
    ///
    /// # Errors
    /// They cannot be put there.
    pub async fn commit(self, job_id: &str) -> Result<Map<String, Value>, ResultFilesError> {
        self.0.commit(job_id, None).await.map_err(ResultFilesError::new)
    }
}
