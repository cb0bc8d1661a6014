//! Standard Webhooks (www.standardwebhooks.com): `webhook-signature: v1,BASE64 [v1,BASE64…]`, an HMAC-SHA-256 of
//! `ID.TIME.BODY` with `webhook-id` and `webhook-timestamp`. The secret is Base64 after `whsec_`.
//!
//! The test vector is that of the specification.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::proof::{AuthError, MOST_SIGNATURES, RequestCredentials, header, in_time};
use crate::signature::{Algorithm, Encoding, matches};

pub(super) fn check(secrets: &[String], request: &RequestCredentials<'_>) -> Result<(), AuthError> {
    let (id, time) = (header(request, "webhook-id")?, header(request, "webhook-timestamp")?);
    // Otherwise what is signed could be taken apart in two ways.
    if id.contains('.') {
        return Err(AuthError::new(
            "the header webhook-id holds a full stop, which ends it in what is signed",
        ));
    }
    let given = header(request, "webhook-signature")?;
    let parts: [&[u8]; 5] = [id.as_bytes(), b".", time.as_bytes(), b".", request.body];
    let keys: Vec<Vec<u8>> = secrets.iter().filter_map(|secret| key(secret).ok()).collect();
    let signatures = given.split_ascii_whitespace().filter_map(|one| one.strip_prefix("v1,"));
    let fits = signatures.take(MOST_SIGNATURES).any(|signature| {
        keys.iter().any(|key| matches(Algorithm::Sha256, key, &parts, signature, Encoding::Base64))
    });
    if !fits {
        return Err(AuthError::mismatch());
    }
    in_time(time, request.now)
}

/// A secret of Standard Webhooks that encodes no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret of standard_webhooks is Base64, with or without `whsec_` in front")]
pub struct SecretEncodingError;

/// The key that a secret encodes.
fn key(secret: &str) -> Result<Vec<u8>, SecretEncodingError> {
    let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
    STANDARD.decode(encoded).map_err(|_| SecretEncodingError)
}

/// Checks that a secret encodes a key.
///
/// # Errors
/// When it is not Base64.
pub fn check_secret(secret: &str) -> Result<(), SecretEncodingError> {
    key(secret).map(drop)
}
