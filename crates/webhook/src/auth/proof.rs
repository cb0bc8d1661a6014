//! What a request shows of who sent it, and how it is compared.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// How old a signed request may be, and how far in the future, where its scheme has a timestamp.
pub(super) const WINDOW: Duration = Duration::from_secs(5 * 60);
/// So many signatures in one header are checked: each takes a pass over the body.
pub(super) const MOST_SIGNATURES: usize = 16;

/// A request, as far as it proves who sent it.
pub struct RequestCredentials<'a> {
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Names and values of the query, decoded.
    pub query: &'a [(String, String)],
    /// The body; empty as long as it is not read.
    pub body: &'a [u8],
    /// The time at which it is checked.
    pub now: Timestamp,
}

/// Why a request is rejected: one sentence that does not reveal the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct AuthError {
    why: String,
    /// Whether another body could have been the one that was signed.
    pub(super) is_of_body: bool,
}

impl AuthError {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_of_body: false }
    }

    /// A signature that does not match.
    pub(super) fn mismatch() -> Self {
        Self::of_body("signature mismatch: wrong secret or altered message")
    }

    /// With another body there might be nothing wrong.
    pub(super) fn of_body(why: &str) -> Self {
        Self { why: why.to_owned(), is_of_body: true }
    }
}

/// The one value of a header.
pub(super) fn header<'a>(request: &'a RequestCredentials<'_>, name: &str) -> Result<&'a str, AuthError> {
    let mut values = request.headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value
            .to_str()
            .map(str::trim)
            .map_err(|_| AuthError::new(format!("the header {name} is not readable"))),
        (None, _) => Err(AuthError::new(format!("the header {name} is missing"))),
        (Some(_), Some(_)) => Err(AuthError::new(format!("the header {name} is there twice"))),
    }
}

/// Whether it is one of the secrets. What is compared are hashes, whose likeness says nothing of the secrets.
pub(super) fn is_one_of(secrets: &[String], given: &str) -> bool {
    let given = Sha256::digest(given.as_bytes());
    secrets.iter().fold(false, |found, secret| found | (Sha256::digest(secret.as_bytes()) == given))
}

/// Refuses what was signed too long ago, or in the future. `seconds`: since 1970.
pub(super) fn in_time(seconds: &str, now: Timestamp) -> Result<(), AuthError> {
    let signed: i64 = seconds
        .parse()
        .map_err(|_| AuthError::new("the timestamp of the signature is not a number of seconds"))?;
    let window = i64::try_from(WINDOW.as_secs()).unwrap_or(i64::MAX);
    if now.as_second().saturating_sub(signed).saturating_abs() <= window {
        Ok(())
    } else {
        Err(AuthError::new(format!(
            "the signature is older than {} minutes, or the clocks differ",
            window / 60
        )))
    }
}
