//! What is recorded, and what can be asked.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use herald_core::actor::Actor;
use jiff::Timestamp;
use rusqlite::Connection;

/// The connection on disk, opened with the first entry. None after an error as well: what it believes of the file may
/// be wrong.
pub(crate) type AuditConnection = Arc<Mutex<Option<Connection>>>;

/// The newest entries that are kept: of what was done, of logins, and of what was refused, so many each.
pub const MOST_KEPT: usize = 10_000;
/// The most entries of one page.
pub const MOST_ENTRIES: usize = 1000;

/// What somebody did, or was not allowed to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// Who, how, from where and why; secrets hidden.
    pub actor: Actor,
    /// What: `cancel`, say.
    pub act: String,
    /// On what: `job 0190…`, say.
    pub target: String,
    /// Why it was refused; none: it was accepted.
    pub refused: Option<String>,
    /// Why it had no effect, although it was accepted: what it was for is not there, say. Known only afterwards.
    pub failed: Option<String>,
}

/// The entries of what one request does, until its response is known.
#[derive(Debug, Clone, Default)]
pub struct RequestedActs(Arc<Mutex<Vec<u64>>>);

impl RequestedActs {
    /// One more.
    pub fn add(&self, id: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    /// Marks them as acts without effect, and logs it. What cannot be recorded is logged alone.
    pub async fn fail(&self, log: &dyn AuditLog, why: &str) {
        let ids = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for id in ids {
            tracing::info!("the act that was accepted had no effect: {why}");
            if let Err(error) = log.fail(id, why.to_owned()).await {
                tracing::error!("{error}; the audit does not say that the act had no effect");
            }
        }
    }
}

/// Entries that push out only one another: one who may do nothing, or who logs in again and again, cannot push out what
/// others did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuditClass {
    /// What was done.
    Act,
    /// Who came and went.
    Login,
    /// What was not allowed.
    Refused,
}

impl AuditRecord {
    pub(super) fn class(&self) -> AuditClass {
        match (&self.refused, self.act.as_str()) {
            (Some(_), _) => AuditClass::Refused,
            (None, "login" | "logout") => AuditClass::Login,
            (None, _) => AuditClass::Act,
        }
    }
}

impl AuditClass {
    pub(super) const ALL: [Self; 3] = [Self::Act, Self::Login, Self::Refused];

    /// Its entries, as a condition.
    pub(super) fn condition(self) -> &'static str {
        match self {
            Self::Act => "refused IS NULL AND act NOT IN ('login', 'logout')",
            Self::Login => "refused IS NULL AND act IN ('login', 'logout')",
            Self::Refused => "refused IS NOT NULL",
        }
    }
}

/// An entry with its number: a later one has a greater one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The number.
    pub id: u64,
    /// What it says.
    pub record: AuditRecord,
}

/// Which entries, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only those before this one.
    pub before: Option<u64>,
    /// Only those of this user.
    pub user: Option<String>,
    /// Only those of this act.
    pub act: Option<String>,
    /// How many at most; at least 1.
    pub limit: usize,
}

/// Entries, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// For the next page: [`AuditQuery::before`].
    pub next: Option<u64>,
}

impl AuditPage {
    /// Of one more entry than asked for, if there are so many.
    pub(super) fn of(mut entries: Vec<AuditEntry>, limit: usize) -> Self {
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(|last| last.id);
        Self { entries, next }
    }
}

/// The audit cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Its file.
    #[error("the audit in the journal: {0}")]
    File(#[from] rusqlite::Error),
    /// The thread that wrote or read it.
    #[error("the audit in the journal: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// Records who did what.
#[async_trait]
pub trait AuditLog: Send + Sync + 'static {
    /// Records something, and gives the number of the entry. Once this returns, it outlives a crash where the journal
    /// does.
    ///
    /// # Errors
    /// When it could not be recorded: then it must not be done.
    async fn record(&self, record: AuditRecord) -> Result<u64, AuditError>;

    /// Adds to an entry why the act had no effect. Nothing, where the entry is not kept any more.
    ///
    /// # Errors
    /// When it could not be recorded.
    async fn fail(&self, id: u64, why: String) -> Result<(), AuditError>;

    /// What was recorded.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn entries(&self, query: AuditQuery) -> Result<AuditPage, AuditError>;
}
