//! The store: journal and history in the `state_dir`. One thread writes the journal, another one takes it into the
//! history when there is time, or when somebody asks. Questions have a connection of their own and never delay either.

mod cursors;
mod gathering;
mod indexer;
mod keys;
mod progress;
mod quick_check;
mod unindexed;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod guard_tests;
#[cfg(test)]
pub(crate) mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use herald_core::activation::Name;
use herald_core::clock::Clock;
use herald_core::journal::{Journal, JournalError, Records};
use herald_core::position::{Cursor, Position};
use herald_core::watch::EventProgress;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot;

use gathering::{Gathering, RecordBatch};
use indexer::{CaughtUp, Indexer};
use progress::{Progress, TooFarBehind};
use quick_check::QuickCheck;
use unindexed::{KeyLookup, Unindexed};

use crate::audit::record::AuditConnection;
use crate::damage::Damage;
use crate::history::progress::progress_of;
use crate::history::query::Unreadable;
use crate::history::trim::{Keep, Trimmed};
use crate::history::{schema, seal_check};
use crate::journal::entry::{self, millis};
use crate::journal::log::{self, Follower, JournalLog};
use crate::journal::seal::{self, Seal};
use crate::journal::segment::Frames;
use crate::lock;
pub use crate::lock::{OpenError, StateLock, lock};

/// Batches on their way to the writer; the dispatcher sends fewer.
const CHANNEL: usize = 64;
/// Bytes that are written and synced together, about.
const GROUP: usize = 4 << 20;
/// How long a question waits for what was recorded just before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The journal and the history.
pub struct JournalStore {
    folder: PathBuf,
    batches: Mutex<Option<SyncSender<RecordBatch>>>,
    /// How many failures of the log were reported.
    failures: AtomicU64,
    /// For short questions and for pages; used on threads that may block.
    pub(crate) reader: Arc<Mutex<Connection>>,
    /// For the audit, which does not wait for the history.
    pub(crate) audit: AuditConnection,
    pub(crate) seal: Arc<Seal>,
    pub(crate) damage: Damage,
    syncs: Arc<AtomicU64>,
    check: QuickCheck,
    progress: Progress,
    pub(crate) unindexed: Arc<Unindexed>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    _lock: StateLock,
}

impl JournalStore {
    /// Takes the folder, makes what is missing in it, takes the end of the log into the history, and starts the
    /// threads.
    ///
    /// # Errors
    /// [`OpenError`]: another daemon uses it, it is of a newer version, it cannot be written…
    pub fn open(folder: &Path, keep: Keep, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::open_locked(lock(folder)?, folder, keep, clock)
    }

    /// As [`Self::open`], of a folder whose lock is taken already.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_locked(
        lock: StateLock,
        folder: &Path,
        keep: Keep,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let (path, damage, lost) = (lock::file(folder), Damage::default(), seal::lost_history(folder));
        let mut connection = open_history(&path, &damage)?;
        let mut log = JournalLog::open(folder)?;
        let (segments, syncs) = (log.segments(), log.syncs.clone());
        lost.into_iter().chain(log.missing.take()).for_each(|what| damage.found(what));
        let CaughtUp { next, unkept } = indexer::catch_up(&mut connection, &segments, folder)?;
        log.begin_at(next);
        let (seal, reader) = (Arc::new(seal_check::open(folder, &connection)?), connect(&path)?);
        let (progress, unindexed) = (Progress::new(next, keep), Arc::new(Unindexed::default()));
        progress.report_trimmed(unkept);
        let indexer = Indexer {
            path,
            folder: log::folder(folder),
            connection: Some(connection),
            follower: Follower::new(segments.clone(), next),
            segments,
            progress: progress.clone(),
            unindexed: unindexed.clone(),
            clock,
            damage: damage.clone(),
            learn_at: Instant::now(),
        };
        let (batches, receiver) = sync_channel(CHANNEL);
        let writer = JournalWriter {
            log,
            seal: seal.clone(),
            progress: progress.clone(),
            unindexed: unindexed.clone(),
            failures: 0,
            gathering: Gathering::default(),
        };
        let journal = thread("journal", move || writer.run(&receiver))?;
        let threads = vec![journal, thread("history", move || indexer.run())?];
        Ok(Self {
            folder: folder.to_owned(),
            batches: Mutex::new(Some(batches)),
            failures: AtomicU64::new(0),
            reader: Arc::new(Mutex::new(reader)),
            audit: AuditConnection::default(),
            seal,
            damage,
            syncs,
            check: QuickCheck::default(),
            progress,
            unindexed,
            threads: Mutex::new(threads),
            _lock: lock,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is damaged; it is left out.
    #[must_use]
    pub fn damage(&self) -> Damage {
        self.damage.clone()
    }

    /// Begins to check the file of the history in the background. To be called once a start is over: it needs the
    /// processors for itself.
    ///
    /// # Errors
    /// [`OpenError`]: the file cannot be opened, or there is no thread for it.
    pub fn check_in_background(&self) -> Result<(), OpenError> {
        self.check.begin(lock::file(&self.folder), self.damage())
    }

    /// How often the journal has waited for the disk.
    #[must_use]
    pub fn syncs(&self) -> Arc<AtomicU64> {
        self.syncs.clone()
    }

    /// Keeps another share of the past from now on.
    pub fn keep(&self, keep: Keep) {
        self.progress.set_keep(keep);
    }

    /// Calls this with jobs that are no longer kept, on the thread of the history.
    pub fn on_trim(&self, trimmed: Trimmed) {
        self.progress.set_trimmed(trimmed);
    }

    /// Asks the history something, off the async threads. What was recorded before is in the answer.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unreadable> {
        self.progress.caught_up(PATIENCE).await.map_err(|TooFarBehind(why)| Unreadable::Behind(why))?;
        self.ask_file(question).await
    }

    /// Asks the file something, off the async threads. What was recorded just now is perhaps not in the file yet.
    async fn ask_file<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unreadable> {
        let reader = self.reader.clone();
        let asked = tokio::task::spawn_blocking(move || {
            question(&reader.lock().unwrap_or_else(PoisonError::into_inner))
        });
        let answer = asked.await?;
        answer.map_err(|error| match self.damage.is_behind(&error, "a part of the history") {
            true => Unreadable::Damaged(error.to_string()),
            false => Unreadable::File(error),
        })
    }
}

impl Drop for JournalStore {
    /// What was sent is written, and taken into the history, before the files are closed.
    fn drop(&mut self) {
        self.check.end();
        // Without a sender the writer ends.
        drop(self.batches.lock().unwrap_or_else(PoisonError::into_inner).take());
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = thread.join();
        }
    }
}

/// Opens the history for writing, with all of its tables.
fn open_history(path: &Path, damage: &Damage) -> Result<Connection, OpenError> {
    let connection = schema::open(path)?;
    let made = schema::make_missing(&connection).map_err(|error| OpenError::of_history(path, &error))?;
    made.into_iter().for_each(|what| damage.found(format!("{}: {what}", path.display())));
    Ok(connection)
}

fn connect(path: &Path) -> Result<rusqlite::Connection, OpenError> {
    schema::connect(path, false)
        .map_err(|error| OpenError(format!("the journal {}: {error}", path.display())))
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(|error| OpenError(format!("the thread \"{name}\" cannot be started: {error}")))
}

#[async_trait]
impl Journal for JournalStore {
    async fn append(&self, records: &Records) -> Result<(), JournalError> {
        let (reply, answer) = oneshot::channel();
        let gone = || JournalError("the journal's thread has ended".to_owned());
        let failures = self.failures.load(Ordering::SeqCst);
        let batch = RecordBatch { records: records.clone(), failures, reply };
        let batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner).clone();
        batches.ok_or_else(gone)?.try_send(batch).map_err(|error| match error {
            TrySendError::Full(_) => JournalError("the journal is too slow".to_owned()),
            TrySendError::Disconnected(_) => gone(),
        })?;
        let written = answer.await.unwrap_or_else(|_| Err(gone()));
        if written.is_err() {
            // From now on its sender knows.
            self.failures.fetch_max(failures + 1, Ordering::SeqCst);
        }
        written
    }

    async fn seen(&self, key: &str, now: Timestamp) -> Result<Option<Name>, JournalError> {
        match self.unindexed.seen(key, now) {
            KeyLookup::By(event) => return Ok(Some(event)),
            KeyLookup::Never => return Ok(None),
            KeyLookup::Perhaps => {}
        }
        let key = key.to_owned();
        let found = self.ask_file(move |connection| {
            connection
                .prepare_cached("SELECT event_id FROM keys WHERE name = ?1 AND until > ?2")?
                .query_row(rusqlite::params![key, millis(now)], |row| row.get::<_, String>(0))
                .optional()
        });
        found.await.map(|id| id.map(Name::from)).map_err(|error| JournalError(error.to_string()))
    }

    async fn reached(&self, source: &str) -> Result<Option<Position>, JournalError> {
        if let Some(position) = self.unindexed.reached(source) {
            return Ok(Some(position));
        }
        let source = source.to_owned();
        let found = self.ask_file(move |connection| {
            connection
                .prepare_cached("SELECT position FROM cursors WHERE source = ?1")?
                .query_row([source], |row| row.get::<_, Vec<u8>>(0))
                .optional()
        });
        let found = found.await.map_err(|error| JournalError(error.to_string()))?;
        Ok(found.map(Position::from_bytes))
    }

    async fn reached_below(&self, beginning: &str) -> Result<Vec<Cursor>, JournalError> {
        // First those that are on their way: what is taken into the file meanwhile is then in both.
        let newer = self.unindexed.reached_below(beginning);
        let beginning = beginning.to_owned();
        let found = self.ask_file(move |connection| cursors::below(connection, &beginning));
        let mut found = found.await.map_err(|error| JournalError(error.to_string()))?;
        found.retain(|old| newer.iter().all(|new| new.source != old.source));
        found.extend(newer);
        Ok(found)
    }

    async fn progress(&self, event_id: &str) -> EventProgress {
        progress_of(self, event_id).await
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// The thread that writes.
struct JournalWriter {
    log: JournalLog,
    seal: Arc<Seal>,
    progress: Progress,
    unindexed: Arc<Unindexed>,
    /// Batches whose senders knew of fewer failures are refused: they follow one that was not written.
    failures: u64,
    gathering: Gathering,
}

impl Drop for JournalWriter {
    /// However it ends, the history is not to wait for more.
    fn drop(&mut self) {
        self.progress.close();
    }
}

impl JournalWriter {
    fn run(mut self, batches: &Receiver<RecordBatch>) {
        while let Ok(first) = batches.recv() {
            let (group, written) = self.write(first, batches);
            for RecordBatch { records, reply, .. } in group {
                // Their sender frees them, where they were made.
                drop(records);
                // It may be gone.
                let _ = reply.send(written.clone());
            }
        }
    }

    /// Writes a batch and what else has come meanwhile: all of it is synced together, and succeeds or fails together.
    fn write(
        &mut self,
        first: RecordBatch,
        batches: &Receiver<RecordBatch>,
    ) -> (Vec<RecordBatch>, Result<(), JournalError>) {
        let (mut group, mut frames) = (vec![first], Frames::default());
        self.gathering.wait(&mut group, batches);
        let mut encoded =
            self.progress.make_way().map_err(|error| JournalError(format!("the journal: {error}")));
        let mut done = 0;
        while let (Ok(()), Some(batch)) = (&encoded, group.get(done)) {
            encoded = self.encode(batch, &mut frames);
            done += 1;
            if frames.len() < GROUP {
                group.extend(batches.try_recv());
            }
        }
        let written = encoded.and_then(|()| self.append(&group, &mut frames));
        if written.is_err() {
            self.failures = group.iter().map(|batch| batch.failures + 1).fold(self.failures, u64::max);
        }
        (group, written)
    }

    fn encode(&self, batch: &RecordBatch, frames: &mut Frames) -> Result<(), JournalError> {
        if batch.failures < self.failures {
            return Err(JournalError("an earlier batch could not be recorded".to_owned()));
        }
        match batch.records.as_slice() {
            [] => Ok(()),
            records => frames.add(|content| entry::encode(records, &self.seal, content)),
        }
    }

    fn append(&mut self, group: &[RecordBatch], frames: &mut Frames) -> Result<(), JournalError> {
        let explain = |error: std::io::Error| JournalError(format!("the journal: {error}"));
        if frames.len() == 0 {
            return self.log.probe().map_err(explain);
        }
        let before = Instant::now();
        let number = self.log.append(frames).map_err(explain)?;
        self.gathering.took(before.elapsed());
        for (number, batch) in (number..).zip(group.iter().filter(|batch| !batch.records.is_empty())) {
            self.unindexed.wrote(number, &batch.records);
        }
        if self.log.wants_spare() {
            self.progress.wants_spare();
        }
        self.progress.wrote(number + frames.count(), frames.content_len());
        Ok(())
    }
}
