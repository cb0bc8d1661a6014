//! The content of one result file on its way to the disk and to its checksum.

use std::fs::File;
use std::io::{self, Write as _};

use bytes::Bytes;
use herald_wire::manifest::FileSum;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::staging_error::StagingError;

/// How many bytes go to the disk and to the hash at a time.
const BATCH: usize = 1024 * 1024;
/// How many batches wait for the disk, and for the hash.
const AHEAD: usize = 4;
/// How many bytes are written before they are synced.
const SYNC_EVERY: usize = 64 * 1024 * 1024;

/// A file that is on the disk.
pub(crate) struct StoredFile {
    pub(super) name: String,
    pub(crate) sum: FileSum,
}

/// Pieces that go to the disk and to the hash together: the fewer times a thread is woken, the better.
type PieceBatch = Vec<Bytes>;

/// Writes one file to the disk, and computes its hash at the same time.
pub(crate) struct FileSink {
    name: String,
    filename: String,
    size: u64,
    batch: PieceBatch,
    batch_size: usize,
    to_disk: mpsc::Sender<PieceBatch>,
    to_hash: mpsc::Sender<PieceBatch>,
    disk: JoinHandle<io::Result<()>>,
    hash: JoinHandle<String>,
}

impl FileSink {
    pub(super) fn new(name: &str, filename: &str, file: File) -> Self {
        let (to_disk, pieces) = mpsc::channel(AHEAD);
        let disk = tokio::task::spawn_blocking(move || write(file, pieces));
        let (to_hash, mut pieces) = mpsc::channel::<PieceBatch>(AHEAD);
        let hash = tokio::task::spawn_blocking(move || {
            let mut hash = Sha256::new();
            while let Some(batch) = pieces.blocking_recv() {
                batch.iter().for_each(|piece| hash.update(piece));
            }
            hex::encode(hash.finalize())
        });
        Self {
            name: name.to_owned(),
            filename: filename.to_owned(),
            size: 0,
            batch: PieceBatch::new(),
            batch_size: 0,
            to_disk,
            to_hash,
            disk,
            hash,
        }
    }

    /// Takes a piece; waits while the disk or the hash is behind. The error of the disk is that of [`Self::finish`].
    pub(crate) async fn push(&mut self, piece: Bytes) -> Result<(), StagingError> {
        self.size += piece.len() as u64;
        self.batch_size += piece.len();
        self.batch.push(piece);
        if self.batch_size >= BATCH {
            self.flush().await;
        }
        if self.disk.is_finished() {
            return Err(StagingError::write(&self.name, &"is the disk full?"));
        }
        Ok(())
    }

    async fn flush(&mut self) {
        self.batch_size = 0;
        let batch = std::mem::take(&mut self.batch);
        // The error of a task that has ended is read when it is joined.
        let _ = self.to_hash.send(batch.clone()).await;
        let _ = self.to_disk.send(batch).await;
    }

    /// Waits until everything is on the disk.
    pub(crate) async fn finish(mut self) -> Result<StoredFile, StagingError> {
        self.flush().await;
        let Self { name, filename, size, to_disk, to_hash, disk, hash, .. } = self;
        drop((to_disk, to_hash));
        let failed = |error: &dyn std::fmt::Display| StagingError::write(&name, error);
        disk.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let sha256 = hash.await.map_err(|error| failed(&error))?;
        Ok(StoredFile { sum: FileSum { filename, size, sha256 }, name })
    }
}

/// Writes and syncs. A large file is synced while it grows, so that the disk does not wait for the network and then
/// the network for the disk.
fn write(mut file: File, mut pieces: mpsc::Receiver<PieceBatch>) -> io::Result<()> {
    let mut unsynced = 0;
    let mut syncing: Option<std::thread::JoinHandle<io::Result<()>>> = None;
    while let Some(batch) = pieces.blocking_recv() {
        for piece in batch {
            file.write_all(&piece)?;
            unsynced += piece.len();
        }
        if unsynced >= SYNC_EVERY && syncing.as_ref().is_none_or(std::thread::JoinHandle::is_finished) {
            unsynced = 0;
            joined(syncing.take())?;
            let same = file.try_clone()?;
            let thread = std::thread::Builder::new().name("sync".to_owned());
            syncing = Some(thread.spawn(move || same.sync_data())?);
        }
    }
    // The system reports an error of the disk once, to the first sync.
    joined(syncing)?;
    file.sync_all()
}

fn joined(syncing: Option<std::thread::JoinHandle<io::Result<()>>>) -> io::Result<()> {
    match syncing.map(std::thread::JoinHandle::join) {
        None => Ok(()),
        Some(Ok(synced)) => synced,
        Some(Err(_)) => Err(io::Error::other("the thread that synced it failed")),
    }
}
