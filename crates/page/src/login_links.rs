//! One-time links to the page: each lets its holder in once, within a minute.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

/// How long a link can be used.
pub const VALID: SignedDuration = SignedDuration::from_secs(60);
/// The most links that can be used at one time; a newer one takes the place of the oldest.
const MOST: usize = 32;

/// No random numbers could be had for a link.
#[derive(Debug, thiserror::Error)]
#[error("no random numbers: {0}")]
pub struct RandomError(String);

struct LoginLink {
    digest: [u8; 32],
    until: Timestamp,
    user: Option<String>,
}

/// The links that can still be used. They are known by their digests alone.
#[derive(Default)]
pub struct LoginLinks {
    links: Mutex<Vec<LoginLink>>,
}

impl LoginLinks {
    /// A new link for this user of the machine: its secret part.
    ///
    /// # Errors
    /// [`RandomError`].
    pub fn create(&self, user: Option<String>, now: Timestamp) -> Result<String, RandomError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| RandomError(error.to_string()))?;
        let secret = hex::encode(secret);
        let mut links = self.links(now);
        if links.len() >= MOST {
            links.remove(0);
        }
        links.push(LoginLink { digest: digest(&secret), until: now + VALID, user });
        Ok(secret)
    }

    /// Whether the link can be used. That does not use it.
    #[must_use]
    pub fn is_valid(&self, secret: &str, now: Timestamp) -> bool {
        let digest = digest(secret);
        self.links(now).iter().any(|link| link.digest == digest)
    }

    /// Uses the link: whom it lets in. None: it was used already, or it is too old.
    #[must_use]
    pub fn take(&self, secret: &str, now: Timestamp) -> Option<Option<String>> {
        let digest = digest(secret);
        let mut links = self.links(now);
        let found = links.iter().position(|link| link.digest == digest)?;
        Some(links.remove(found).user)
    }

    fn links(&self, now: Timestamp) -> MutexGuard<'_, Vec<LoginLink>> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back must not make links valid for longer.
        links.retain(|link| now < link.until && link.until <= now + VALID);
        links
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_used_once_and_soon() {
        let links = LoginLinks::default();
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let later = |seconds| now + SignedDuration::from_secs(seconds);
        let secret = links.create(Some("root".to_owned()), now).unwrap();
        assert_eq!(secret.len(), 64);
        assert!(links.is_valid(&secret, later(59)));
        assert!(!links.is_valid("x", now));
        assert_eq!(links.take("x", now), None);
        assert_eq!(links.take(&secret, later(59)), Some(Some("root".to_owned())));
        assert_eq!(links.take(&secret, later(59)), None, "once");
        let secret = links.create(None, now).unwrap();
        assert!(!links.is_valid(&secret, later(60)));
        let secret = links.create(None, now).unwrap();
        assert!(!links.is_valid(&secret, later(-3600)), "the clock was set back");
        let first = links.create(None, now).unwrap();
        for _ in 0..MOST {
            links.create(None, now).unwrap();
        }
        assert!(!links.is_valid(&first, now), "bounded");
    }
}
