//! Sessions of the page: who is logged in. They outlive a restart where the journal does.
//!
//! All of them are in memory, which is bounded; the table of `journal.db` follows. A session is known by the digest of
//! its token alone.

mod file;
mod record;
mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

pub use record::{NewSession, Session, SessionError, SessionId};
use table::SessionTable;

use crate::store::JournalStore;

/// How much later than the last recorded use a use is recorded again.
const RECORD_USE: SignedDuration = SignedDuration::from_mins(5);

/// Who is logged in.
pub struct Sessions {
    table: Mutex<Option<SessionTable>>,
    store: Option<Arc<JournalStore>>,
    /// Counts ends, so that what lasts can look whether its session still exists.
    ends: watch::Sender<u64>,
}

impl Sessions {
    /// Those of this store; without one they last as long as the process.
    #[must_use]
    pub fn new(store: Option<Arc<JournalStore>>) -> Self {
        Self { table: Mutex::new(None), store, ends: watch::Sender::new(0) }
    }

    /// Begins a session, and gives its token.
    ///
    /// # Errors
    /// [`SessionError`]: it cannot be recorded, and has not begun.
    pub async fn begin(&self, new: NewSession, now: Timestamp) -> Result<String, SessionError> {
        self.load().await?;
        let (token, id) = SessionId::create()?;
        let session = Session::new(id, new, now);
        if let Some(store) = &self.store {
            file::save(store, session.clone()).await?;
        }
        let surplus = self.locked().get_or_insert_default().add(session);
        self.forget(&surplus).await?;
        Ok(token)
    }

    /// The session of this token, which is used now.
    ///
    /// # Errors
    /// When sessions cannot be read.
    pub async fn find(&self, token: &str, now: Timestamp) -> Result<Option<Session>, SessionError> {
        self.load().await?;
        let Some(id) = SessionId::of(token) else { return Ok(None) };
        let (found, expired) = self.locked().get_or_insert_default().find(id, now);
        let Some(session) = found else {
            self.forget(&expired).await?;
            return Ok(None);
        };
        if let Some(store) = &self.store
            && now.duration_since(session.recorded_at) >= RECORD_USE
        {
            self.locked().get_or_insert_default().recorded(id, now);
            // Nobody is logged out because the disk is full: at worst the session ends early after a restart.
            if let Err(error) = file::save_use(store, id, now).await {
                tracing::error!("the use of a session cannot be recorded: {error}");
            }
        }
        Ok(Some(session))
    }

    /// Whether the session of this id still lets somebody in. It is not used by that.
    pub fn is_valid(&self, id: SessionId, now: Timestamp) -> bool {
        self.locked().as_ref().is_some_and(|table| table.is_valid(id, now))
    }

    /// All sessions that let somebody in, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn current(&self, now: Timestamp) -> Result<Vec<Session>, SessionError> {
        self.load().await?;
        Ok(self.locked().get_or_insert_default().current(now))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`SessionError`]: it would be there again after a restart.
    pub async fn end(&self, id: SessionId) -> Result<(), SessionError> {
        self.load().await?;
        self.locked().get_or_insert_default().remove(id);
        self.forget(&[id]).await
    }

    /// Resolves once the session has ended.
    pub async fn ended(&self, id: SessionId) {
        let mut ends = self.ends.subscribe();
        while self.locked().as_ref().is_some_and(|table| table.has(id)) {
            if ends.changed().await.is_err() {
                return;
            }
        }
    }

    async fn forget(&self, ids: &[SessionId]) -> Result<(), SessionError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.ends.send_modify(|ends| *ends = ends.wrapping_add(1));
        match &self.store {
            Some(store) => file::delete(store, ids.to_vec()).await,
            None => Ok(()),
        }
    }

    /// Reads what an earlier process left, once.
    async fn load(&self) -> Result<(), SessionError> {
        if self.locked().is_some() {
            return Ok(());
        }
        let sessions = match &self.store {
            Some(store) => file::load(store).await?,
            None => Vec::new(),
        };
        let mut table = self.locked();
        if table.is_none() {
            let mut loaded = SessionTable::default();
            for session in sessions {
                loaded.add(session);
            }
            *table = Some(loaded);
        }
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, Option<SessionTable>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
