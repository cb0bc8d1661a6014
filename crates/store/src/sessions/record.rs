//! A session, and what it is known by.

use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

/// A session ends when it is not used for so long.
pub(super) const IDLE: SignedDuration = SignedDuration::from_hours(12);
/// A session ends after so long.
pub(super) const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The bytes of a token.
const TOKEN: usize = 32;

/// Sessions cannot be recorded or read.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Their file.
    #[error("the sessions in the journal: {0}")]
    File(#[from] rusqlite::Error),
    /// The thread that wrote or read them.
    #[error("the sessions in the journal: {0}")]
    Thread(#[from] tokio::task::JoinError),
    /// No random numbers could be had for a token.
    #[error("no random numbers for a session")]
    Random,
}

/// The digest of a token, in place of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub(super) [u8; 32]);

impl SessionId {
    /// A new token and its digest.
    pub(super) fn create() -> Result<(String, Self), SessionError> {
        let mut bytes = [0; TOKEN];
        SystemRandom::new().fill(&mut bytes).map_err(|_| SessionError::Random)?;
        let token = as_hex(&bytes);
        let id = Self::of(&token).ok_or(SessionError::Random)?;
        Ok((token, id))
    }

    /// Of this token; none where it cannot be one.
    #[must_use]
    pub fn of(token: &str) -> Option<Self> {
        let is_token = token.len() == 2 * TOKEN && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_token.then(|| digest(&SHA256, token.as_bytes()).as_ref().try_into().ok().map(Self)).flatten()
    }

    /// What names the session to its user: a part of the digest.
    #[must_use]
    pub fn name(&self) -> String {
        as_hex(&self.0[..8])
    }
}

fn as_hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Who logs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewSession {
    /// The name; none where it is not known.
    pub user: Option<String>,
    /// What changes with the password and the role of the account; none for the owner of the control socket.
    pub account: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// The browser, in its own words.
    pub agent: Option<String>,
}

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What it is known by.
    pub id: SessionId,
    /// Who.
    pub of: NewSession,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was used last.
    pub used_at: Timestamp,
    /// When that was recorded last.
    pub(super) recorded_at: Timestamp,
}

impl Session {
    pub(super) fn new(id: SessionId, of: NewSession, now: Timestamp) -> Self {
        Self { id, of, created_at: now, used_at: now, recorded_at: now }
    }

    /// When it ends unless it is used before.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        let after = |at: Timestamp, span| at.saturating_add(span).unwrap_or(at);
        after(self.used_at, IDLE).min(after(self.created_at, LONGEST))
    }
}
