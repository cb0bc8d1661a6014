//! Keys of requests that are to be carried out once, however often they are sent: `Idempotency-Key`. A key outlives a
//! restart where the journal does.

mod file;
mod record;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::watch;

use file::FoundKey;
pub use record::{
    FirstResponse, IdempotencyError, IdempotencyKey, LONGEST_KEY, LONGEST_RESPONSE, RequestDigest,
};

use crate::audit::file::with_connection;
use crate::history::schema;
use crate::store::JournalStore;

/// The most requests with a key at the same time.
const MOST_AT_ONCE: usize = 1000;

/// What a request with a key is.
pub enum KeyClaim {
    /// The first one: carry it out.
    New(ClaimedKey),
    /// Sent before: this was the response.
    Replay(FirstResponse),
    /// Sent before; it was accepted, and its response is not known.
    ResponseUnknown,
    /// Another request than the first one with this key.
    Different,
    /// The first one is in progress.
    InProgress,
}

/// The keys that were used. The default keeps them in memory alone.
#[derive(Default)]
pub struct IdempotencyKeys {
    in_progress: Mutex<HashMap<IdempotencyKey, RequestDigest>>,
    /// Counts the requests that ended.
    ends: watch::Sender<u64>,
    store: Option<Arc<JournalStore>>,
    /// In place of the store.
    memory: Arc<Mutex<Option<Connection>>>,
}

impl IdempotencyKeys {
    /// Those of this store; without one they last as long as the process.
    #[must_use]
    pub fn new(store: Option<Arc<JournalStore>>) -> Self {
        Self { store, ..Self::default() }
    }

    /// Looks for the key. One that is new is recorded, and is in progress until the claim is dropped.
    ///
    /// # Errors
    /// When it cannot be looked for or recorded: the request must not be carried out.
    pub async fn claim(
        self: &Arc<Self>,
        key: IdempotencyKey,
        request: RequestDigest,
        now: Timestamp,
    ) -> Result<KeyClaim, IdempotencyError> {
        let claimed = {
            let mut in_progress = self.locked();
            match in_progress.get(&key) {
                Some(first) if *first == request => return Ok(KeyClaim::InProgress),
                Some(_) => return Ok(KeyClaim::Different),
                None if in_progress.len() >= MOST_AT_ONCE => return Err(IdempotencyError::TooMany),
                None => in_progress.insert(key, request),
            };
            ClaimedKey { keys: self.clone(), key }
        };
        let found = self.work(move |connection| file::claim(connection, &key, &request, now)).await?;
        Ok(match found {
            FoundKey::New => KeyClaim::New(claimed),
            FoundKey::Different => KeyClaim::Different,
            FoundKey::NoResponse => KeyClaim::ResponseUnknown,
            FoundKey::Response(first) => KeyClaim::Replay(first),
        })
    }

    /// Resolves once no request with this key is in progress.
    pub async fn ended(&self, key: IdempotencyKey) {
        let mut ends = self.ends.subscribe();
        while self.locked().contains_key(&key) {
            if ends.changed().await.is_err() {
                return;
            }
        }
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, IdempotencyError> {
        if let Some(store) = &self.store {
            return with_connection(store, work).await;
        }
        let memory = self.memory.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = match &mut *memory {
                Some(connection) => connection,
                none => {
                    let connection = Connection::open_in_memory()?;
                    schema::keep_plans(&connection)?;
                    connection.execute_batch(schema::IDEMPOTENCY)?;
                    none.insert(connection)
                }
            };
            work(connection)
        });
        Ok(done.await??)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<IdempotencyKey, RequestDigest>> {
        self.in_progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key whose request is being carried out. Dropped, its response stays unknown.
pub struct ClaimedKey {
    keys: Arc<IdempotencyKeys>,
    key: IdempotencyKey,
}

impl ClaimedKey {
    /// Keeps the response. One that is longer than [`LONGEST_RESPONSE`] stays unknown.
    ///
    /// # Errors
    /// When it cannot be recorded: it stays unknown.
    pub async fn finish(self, first: FirstResponse) -> Result<(), IdempotencyError> {
        if first.body.len() > LONGEST_RESPONSE {
            return Ok(());
        }
        let key = self.key;
        self.keys.work(move |connection| file::finish(connection, &key, &first)).await
    }

    /// Forgets the key, since nothing was done: the request may be sent again.
    ///
    /// # Errors
    /// When that cannot be recorded: the response stays unknown.
    pub async fn forget(self) -> Result<(), IdempotencyError> {
        let key = self.key;
        self.keys.work(move |connection| file::forget(connection, &key)).await
    }
}

impl Drop for ClaimedKey {
    fn drop(&mut self) {
        self.keys.locked().remove(&self.key);
        self.keys.ends.send_modify(|ends| *ends = ends.wrapping_add(1));
    }
}
