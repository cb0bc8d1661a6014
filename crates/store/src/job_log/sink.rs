//! Takes the output of one attempt: hides secrets, and hands it to the task that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::clock::Clock;
use herald_core::executor::{Output, Stream};
use herald_core::secret_stream::{SecretSearch, SecretStream};
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::job_log::keeper::{Keeper, PendingOutput};
use crate::job_log::live::Live;

/// The most bytes that are taken at once.
const PIECE: usize = 32 * 1024;
/// How many pieces may wait for the disk; then the job waits.
const QUEUE: usize = 16;
/// How many bytes are written at once.
const BATCH: usize = 256 * 1024;
/// How long closing may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// What every sink shares.
pub(super) struct SinkContext {
    pub(super) clock: Arc<dyn Clock>,
    /// Bounds how many threads wait for the disk.
    pub(super) writers: Arc<Semaphore>,
}

/// The output of one attempt.
pub(super) struct LogSink {
    shared: Arc<SinkContext>,
    full: Arc<AtomicBool>,
    state: Mutex<SinkState>,
}

struct SinkState {
    streams: Option<[SecretStream; 2]>,
    phase: SinkPhase,
}

enum SinkPhase {
    /// Nothing was written yet.
    Silent(Box<(Keeper, Live, SecretSource)>),
    Writing(mpsc::Sender<PendingOutput>, JoinHandle<()>),
    Closed,
}

/// Gives the search for secrets when it is needed.
pub(super) type SecretSource = Box<dyn FnOnce() -> Arc<SecretSearch> + Send>;

impl LogSink {
    pub(super) fn new(shared: Arc<SinkContext>, keeper: Keeper, live: Live, secrets: SecretSource) -> Self {
        let phase = SinkPhase::Silent(Box::new((keeper, live, secrets)));
        Self { shared, full: Arc::default(), state: Mutex::new(SinkState { streams: None, phase }) }
    }

    /// Where pieces go; starts what writes them. `None` once closed.
    fn sender(&self, state: &mut SinkState) -> Option<mpsc::Sender<PendingOutput>> {
        if matches!(state.phase, SinkPhase::Silent(_)) {
            let SinkPhase::Silent(parts) = std::mem::replace(&mut state.phase, SinkPhase::Closed) else {
                return None;
            };
            let (keeper, live, secrets) = *parts;
            let search = secrets();
            state.streams = Some([SecretStream::new(search.clone()), SecretStream::new(search)]);
            let (sender, pieces) = mpsc::channel(QUEUE);
            let task = write_all(pieces, keeper, live, self.shared.clone(), self.full.clone());
            // It ends by itself when the sender is dropped and what was sent is written.
            state.phase = SinkPhase::Writing(sender, tokio::spawn(task));
        }
        match &state.phase {
            SinkPhase::Writing(sender, _) => Some(sender.clone()),
            _ => None,
        }
    }

    async fn end(&self) {
        let mut state = self.state.lock().await;
        let SinkPhase::Writing(sender, task) = std::mem::replace(&mut state.phase, SinkPhase::Closed) else {
            return;
        };
        for (stream, masked) in
            [Stream::Stdout, Stream::Stderr].into_iter().zip(state.streams.iter_mut().flatten())
        {
            let mut bytes = Vec::new();
            masked.finish(&mut bytes);
            if !bytes.is_empty() {
                // When nobody takes it any more, it is lost like all that came before it.
                let _ = sender.send(PendingOutput { stream, at: self.shared.clock.now(), bytes }).await;
            }
        }
        drop(sender);
        let _ = task.await;
    }
}

#[async_trait]
impl Output for LogSink {
    async fn write(&self, stream: Stream, bytes: &[u8]) {
        for part in bytes.chunks(PIECE) {
            if self.full.load(Ordering::Relaxed) {
                return;
            }
            let mut state = self.state.lock().await;
            let Some(sender) = self.sender(&mut state) else { return };
            // The place is had before the bytes are taken: who gives up waiting has written nothing of them.
            let Ok(permit) = sender.reserve().await else { return };
            let Some([stdout, stderr]) = &mut state.streams else { return };
            let masked = match stream {
                Stream::Stdout => stdout,
                Stream::Stderr => stderr,
            };
            let mut shown = Vec::with_capacity(part.len());
            masked.write(part, &mut shown);
            if !shown.is_empty() {
                permit.send(PendingOutput { stream, at: self.shared.clock.now(), bytes: shown });
            }
        }
    }

    async fn restart(&self) {
        // What was written by now was written in this process.
        if let SinkPhase::Silent(parts) = &mut self.state.lock().await.phase {
            parts.0.restart();
        }
    }

    async fn close(&self) {
        if tokio::time::timeout(CLOSE_WITHIN, self.end()).await.is_err() {
            tracing::warn!("the last output of a job is not in its log yet: the disk is too slow");
        }
    }
}

/// Writes what comes until the sender is gone.
async fn write_all(
    mut pieces: mpsc::Receiver<PendingOutput>,
    mut keeper: Keeper,
    live: Live,
    shared: Arc<SinkContext>,
    full: Arc<AtomicBool>,
) {
    loop {
        let first = pieces.recv().await;
        let is_last = first.is_none();
        let mut batch: Vec<PendingOutput> = first.into_iter().collect();
        let mut size: usize = batch.iter().map(|piece| piece.bytes.len()).sum();
        while size < BATCH
            && let Ok(piece) = pieces.try_recv()
        {
            size += piece.bytes.len();
            batch.push(piece);
        }
        let now = shared.clock.now();
        let Ok(permit) = shared.writers.clone().acquire_owned().await else { return };
        let written = tokio::task::spawn_blocking(move || {
            if is_last {
                keeper.finish(now);
            } else {
                keeper.append(batch);
            }
            drop(permit);
            keeper
        });
        let Ok(back) = written.await else { return };
        keeper = back;
        if keeper.is_full() {
            full.store(true, Ordering::Relaxed);
        }
        live.wake();
        if is_last {
            return;
        }
    }
}
