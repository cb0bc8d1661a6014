//! What a key is known by, and what is kept for it.

use ring::digest::{Context, Digest, SHA256};
use tokio::task::JoinError;

/// The longest key, in characters.
pub const LONGEST_KEY: usize = 255;
/// The longest response that is kept, in bytes.
pub const LONGEST_RESPONSE: usize = 64 << 10;

/// A key, together with who sent it: two callers never share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(pub(super) [u8; 32]);

/// What was asked for: its method, its path and its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestDigest(pub(super) [u8; 32]);

impl IdempotencyKey {
    /// The key of this scope; none where it is empty, too long, or has other characters than visible ASCII.
    #[must_use]
    pub fn of(scope: &[impl AsRef<[u8]>], key: &str) -> Option<Self> {
        let is_key =
            (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        is_key.then(|| Self(digest_of(scope.iter().map(AsRef::as_ref).chain([key.as_bytes()]))))
    }
}

impl RequestDigest {
    /// That of these parts.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        Self(digest_of(parts.iter().copied()))
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The lengths are part of it, so that no two lists of parts have the same digest.
fn digest_of<'a>(parts: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        context.update(part);
    }
    let digest: Digest = context.finish();
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

/// The response that a key got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstResponse {
    /// Its status.
    pub status: u16,
    /// The type of its body.
    pub content_type: Option<String>,
    /// Where it sends the client.
    pub location: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Keys could not be recorded or read.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// The file.
    #[error("the idempotency keys in the journal: {0}")]
    File(#[from] rusqlite::Error),
    /// The thread that reads it.
    #[error("the idempotency keys in the journal: {0}")]
    Thread(#[from] JoinError),
    /// There are too many at once.
    #[error("too many requests with an Idempotency-Key are in progress")]
    TooMany,
}
