//! The store: one thread that writes, and the way to it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use herald_core::activation::Name;
use herald_core::clock::Clock;
use herald_core::journal::{Journal, JournalError, Record};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot;

use super::lock::{self, Lock, OpenError};
use super::ops::millis;
use super::seal::Seal;
use super::trim::{Keep, Step, Trimmed};
use super::{schema, trim, write};

/// Batches on their way to the writer. The dispatcher sends one at a time.
const CHANNEL: usize = 16;
/// How long the writer waits for a batch before it looks after the history.
const IDLE: Duration = Duration::from_millis(500);
/// Batches in a row after which it looks after the history all the same.
const BUSY_BATCHES: u32 = 2_000;

enum Order {
    Write { records: Vec<Record>, reply: oneshot::Sender<Result<(), JournalError>> },
    Keep(Keep),
    Tell(Trimmed),
    End,
}

/// The journal and the history in one file.
pub struct Store {
    folder: PathBuf,
    orders: SyncSender<Order>,
    /// For short questions and for pages; used on threads that may block.
    pub(super) reader: Arc<Mutex<Connection>>,
    pub(super) seal: Arc<Seal>,
    writer: Mutex<Option<JoinHandle<()>>>,
    _lock: Lock,
}

impl Store {
    /// Takes the folder, makes what is missing in it, and starts the writer.
    ///
    /// # Errors
    /// [`OpenError`]: another daemon uses it, it is of a newer version, it cannot be written…
    pub fn open(folder: &Path, keep: Keep, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let lock = lock::lock(folder)?;
        let path = lock::file(folder);
        let connection = schema::open(&path)?;
        let reader = schema::connect(&path, false)
            .map_err(|error| OpenError(format!("the journal {}: {error}", path.display())))?;
        let seal = Arc::new(Seal::open(folder)?);
        let (orders, receiver) = sync_channel(CHANNEL);
        let writer =
            Writer { path, connection: Some(connection), seal: seal.clone(), keep, clock, trimmed: None };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(|error| OpenError(format!("the journal's thread cannot be started: {error}")))?;
        Ok(Self {
            folder: folder.to_owned(),
            orders,
            reader: Arc::new(Mutex::new(reader)),
            seal,
            writer: Mutex::new(Some(thread)),
            _lock: lock,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps another share of the past from now on.
    pub fn keep(&self, keep: Keep) {
        // Full only while the writer is far behind; the next reload says it again.
        let _ = self.orders.try_send(Order::Keep(keep));
    }

    /// Tells this one of jobs that are no longer kept, on the thread that writes. Call it once, right after opening.
    pub fn on_trim(&self, trimmed: Trimmed) {
        // There is room: nothing else was sent yet.
        let _ = self.orders.try_send(Order::Tell(trimmed));
    }

    /// Asks the file something, off the async threads.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let reader = self.reader.clone();
        let asked = tokio::task::spawn_blocking(move || {
            question(&reader.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match asked.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Store {
    /// What was sent is written before the file is closed.
    fn drop(&mut self) {
        let _ = self.orders.send(Order::End);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl Journal for Store {
    async fn append(&self, records: &[Record]) -> Result<(), JournalError> {
        let (reply, answer) = oneshot::channel();
        let gone = || JournalError("the journal's thread has ended".to_owned());
        let order = Order::Write { records: records.to_vec(), reply };
        // There is room: the dispatcher waits for each batch before it sends the next one.
        self.orders.try_send(order).map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    async fn seen(&self, key: &str, now: Timestamp) -> Result<Option<Name>, JournalError> {
        let key = key.to_owned();
        let found = self.ask(move |connection| {
            connection
                .prepare_cached("SELECT event_id FROM keys WHERE name = ?1 AND until > ?2")?
                .query_row(rusqlite::params![key, millis(now)], |row| row.get::<_, String>(0))
                .optional()
        });
        found.await.map(|id| id.map(Name::from)).map_err(JournalError)
    }

    async fn reached(&self, mark: &str) -> Result<Option<Timestamp>, JournalError> {
        let mark = mark.to_owned();
        let found = self.ask(move |connection| {
            connection
                .prepare_cached("SELECT at FROM marks WHERE mark = ?1")?
                .query_row([mark], |row| row.get::<_, i64>(0))
                .optional()
        });
        let at = found.await.map_err(JournalError)?;
        Ok(at.and_then(|at| Timestamp::from_millisecond(at).ok()))
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// The thread that writes.
struct Writer {
    path: PathBuf,
    /// None after an error: what the connection believes of the file may be wrong then, so it is opened anew.
    connection: Option<Connection>,
    seal: Arc<Seal>,
    keep: Keep,
    clock: Arc<dyn Clock>,
    trimmed: Option<Trimmed>,
}

impl Writer {
    fn run(mut self, orders: &Receiver<Order>) {
        let mut batches = 0;
        // What grows old while nothing is written is looked after at the start and with the next batches.
        let (mut more, mut written) = (true, true);
        loop {
            let wait = if more && batches == 0 { Duration::from_millis(1) } else { IDLE };
            match orders.recv_timeout(wait) {
                Ok(Order::Write { records, reply }) => {
                    let _ = reply.send(self.write(&records));
                    written = true;
                    batches += 1;
                    if batches < BUSY_BATCHES {
                        continue;
                    }
                }
                Ok(Order::Keep(keep)) => self.keep = keep,
                Ok(Order::Tell(trimmed)) => self.trimmed = Some(trimmed),
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            batches = 0;
            more = (written || more) && self.trim();
            written = false;
        }
    }

    fn write(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let explain = |error: &dyn std::fmt::Display| JournalError(format!("the journal: {error}"));
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => schema::connect(&self.path, true).map_err(|error| explain(&error))?,
        };
        write::batch(&mut connection, records, &self.seal).map_err(|error| explain(&error))?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Trims a little of the history. Returns whether there is more to do.
    fn trim(&mut self) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        match trim::some(connection, self.keep, self.clock.now()) {
            Ok(Step { more, jobs }) => {
                if let (Some(trimmed), false) = (&self.trimmed, jobs.is_empty()) {
                    trimmed(&jobs);
                }
                more
            }
            Err(error) => {
                tracing::warn!("the history could not be trimmed: {error}");
                false
            }
        }
    }
}
