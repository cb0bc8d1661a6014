//! Result files on their way through the queue: in pieces, which the daemon puts together and checks.

use std::io::Read as _;
use std::time::Duration;

use herald_exec::ResultFile;
use herald_queue::{FilePieces, PieceName, Queue, QueueError};
use sha2::{Digest as _, Sha256};

use crate::request::files::{OpenFilesError, open_all};

/// How long the pieces are kept for the daemon.
const KEEP: Duration = Duration::from_secs(60 * 60);

/// Why files cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendFilesError {
    #[error(transparent)]
    Open(#[from] OpenFilesError),
    #[error("the result file `{0}` is larger than 8 MiB, which is the most that a queue carries")]
    TooLarge(String),
    #[error("the result file `{name}` cannot be read: {error}")]
    Read { name: String, error: std::io::Error },
    #[error("internal error: {0}")]
    Thread(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// A file that was read.
struct ReadFile {
    name: String,
    filename: String,
    bytes: Vec<u8>,
}

/// Sends all files. Returns what the daemon needs to know of each. `sent`: every piece of them is added.
pub(super) async fn send(
    queue: &dyn Queue,
    message: &str,
    files: Vec<ResultFile>,
    sent: &mut Vec<PieceName>,
) -> Result<Vec<FilePieces>, SendFilesError> {
    let read = tokio::task::spawn_blocking(move || read_all(&files)).await??;
    let mut all = Vec::new();
    for ReadFile { name, filename, bytes } in read {
        let pieces = FilePieces {
            pieces: bytes.chunks(PieceName::LARGEST).count(),
            size: bytes.len() as u64,
            sha256: hex::encode(Sha256::digest(&bytes)),
            name,
            filename,
        };
        for (n, piece) in bytes.chunks(PieceName::LARGEST).enumerate() {
            put(queue, PieceName::of_file(message, &pieces.name, n), piece, sent).await?;
        }
        all.push(pieces);
    }
    Ok(all)
}

/// Puts a piece, until the queue has it.
pub(super) async fn put(
    queue: &dyn Queue,
    name: PieceName,
    piece: &[u8],
    sent: &mut Vec<PieceName>,
) -> Result<(), QueueError> {
    sent.push(name.clone());
    loop {
        match queue.put_piece(&name, piece, KEEP).await {
            Err(error) if error.is_temporary() => tokio::time::sleep(Duration::from_secs(1)).await,
            other => return other,
        }
    }
}

fn read_all(files: &[ResultFile]) -> Result<Vec<ReadFile>, SendFilesError> {
    let read = |opened: crate::request::files::Opened| {
        let (name, filename, file) = opened.into_parts();
        let mut bytes = Vec::new();
        let done = file.take(FilePieces::LARGEST + 1).read_to_end(&mut bytes);
        done.map_err(|error| SendFilesError::Read { name: name.clone(), error })?;
        if bytes.len() as u64 > FilePieces::LARGEST {
            return Err(SendFilesError::TooLarge(name));
        }
        Ok(ReadFile { name, filename, bytes })
    };
    open_all(files)?.into_iter().map(read).collect()
}
