//! The result of a job that came through a queue. Its runner, and everybody who reaches Redis, may be hostile: what is
//! announced is bounded before it is read, and nothing more is read than was announced.

use std::time::Duration;

use bytes::Bytes;
use herald_core::param::Params;
use herald_queue::{FilePieces, PieceName, Queue, RunnerReport};
use herald_remote::{RemoteSettings, ResultFiles};
use herald_wire::manifest::FileSum;
use herald_wire::{MAX_FILES, MAX_RESULT};
use serde_json::{Map, Value};

/// How long to wait before a piece is asked for again of a queue that did not answer.
const AGAIN: Duration = Duration::from_secs(1);
/// The most pieces of a result.
const RESULT_PIECES: usize = MAX_RESULT / PieceName::LARGEST;
/// The most pieces of a file.
const FILE_PIECES: usize = FilePieces::LARGEST as usize / PieceName::LARGEST;

/// A report, and where its pieces are.
pub(super) struct ReportedResult<'a> {
    pub(super) queue: &'a dyn Queue,
    pub(super) message: &'a str,
    pub(super) report: &'a RunnerReport,
}

impl ReportedResult<'_> {
    /// The names of all pieces, also of a report that is refused: as many as one that is accepted can have.
    pub(super) fn pieces(&self) -> Vec<PieceName> {
        let result = self.result_pieces(self.report.result_pieces.min(RESULT_PIECES));
        let files = self.report.files.iter().take(MAX_FILES);
        let files = files.flat_map(|file| self.file_pieces(file, file.pieces.min(FILE_PIECES)));
        result.chain(files).collect()
    }

    fn result_pieces(&self, count: usize) -> impl Iterator<Item = PieceName> {
        (0..count).map(|n| PieceName::result(self.message, n))
    }

    fn file_pieces(&self, file: &FilePieces, count: usize) -> impl Iterator<Item = PieceName> {
        (0..count).map(|n| PieceName::of_file(self.message, &file.name, n))
    }

    /// The result, with the paths of its files here.
    pub(super) async fn read(&self, job_id: &str, settings: &RemoteSettings) -> Result<Params, ViaError> {
        check(self.report, settings.max_files_size)?;
        let whole = match &self.report.result {
            Some(result) => result.clone(),
            None => {
                let bytes = self.fetch(self.result_pieces(self.report.result_pieces), MAX_RESULT).await?;
                serde_json::from_slice(&bytes).map_err(|_| ViaError::NotAnObject)?
            }
        };
        let Value::Object(mut result) = whole else { return Err(ViaError::NotAnObject) };
        if !self.report.files.is_empty() {
            let paths = self.files(job_id, settings).await?;
            result.insert("file".to_owned(), Value::Object(paths));
        }
        Ok(result)
    }

    async fn files(&self, job_id: &str, settings: &RemoteSettings) -> Result<Map<String, Value>, ViaError> {
        let mut stored = ResultFiles::begin(&settings.data_dir).await?;
        for file in &self.report.files {
            let size = usize::try_from(file.size).unwrap_or(usize::MAX);
            let content = self.fetch(self.file_pieces(file, file.pieces), size).await?;
            let sum =
                FileSum { filename: file.filename.clone(), size: file.size, sha256: file.sha256.clone() };
            stored.add(&file.name, &sum, Bytes::from(content)).await?;
        }
        Ok(stored.commit(job_id).await?)
    }

    /// All pieces, one after another: at most so many bytes.
    async fn fetch(
        &self,
        names: impl Iterator<Item = PieceName> + Send,
        most: usize,
    ) -> Result<Vec<u8>, ViaError> {
        let mut bytes = Vec::new();
        for name in names {
            let piece = loop {
                match self.queue.piece(&name).await {
                    Err(error) if error.is_temporary() => tokio::time::sleep(AGAIN).await,
                    other => break other?,
                }
            };
            let piece = piece.ok_or(ViaError::PieceMissing)?;
            if piece.len() > PieceName::LARGEST || bytes.len() + piece.len() > most {
                return Err(ViaError::PieceTooLarge);
            }
            bytes.extend(piece);
        }
        Ok(bytes)
    }
}

/// Refuses a report that announces more than a runner sends.
fn check(report: &RunnerReport, max_files_size: Option<u64>) -> Result<(), ViaError> {
    if report.result_pieces > RESULT_PIECES {
        return Err(ViaError::ResultTooLarge);
    }
    if report.files.len() > MAX_FILES {
        return Err(ViaError::TooManyFiles);
    }
    let mut left = max_files_size.unwrap_or(u64::MAX);
    for file in &report.files {
        if file.size > FilePieces::LARGEST {
            return Err(ViaError::FileTooLarge(file.name.clone()));
        }
        if file.pieces as u64 != file.size.div_ceil(PieceName::LARGEST as u64) {
            return Err(ViaError::OtherPieces(file.name.clone()));
        }
        left = left.checked_sub(file.size).ok_or(ViaError::FilesTooLarge)?;
    }
    Ok(())
}

/// Why the result of a job cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum ViaError {
    #[error("the result is not a JSON object")]
    NotAnObject,
    #[error("the result is larger than {MAX_RESULT} bytes")]
    ResultTooLarge,
    #[error("the result has more than {MAX_FILES} files")]
    TooManyFiles,
    #[error("the result file {0:?} is larger than 8 MiB, which is the most that a queue carries")]
    FileTooLarge(String),
    #[error("the result file {0:?} has another number of pieces than its size says")]
    OtherPieces(String),
    #[error("the result files are larger than max_files_size allows")]
    FilesTooLarge,
    #[error("a piece of the result or of a result file is larger than the report says")]
    PieceTooLarge,
    #[error("a piece of the result or of a result file is not in the queue any more")]
    PieceMissing,
    #[error(transparent)]
    Queue(#[from] herald_queue::QueueError),
    #[error(transparent)]
    Files(#[from] herald_remote::ResultFilesError),
}
