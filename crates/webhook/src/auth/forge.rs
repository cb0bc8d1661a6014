//! Gitea, Forgejo and Gogs: an HMAC-SHA-256 of the body in hexadecimal, in a header of the forge's own name.

use super::generic::signed;
use super::proof::{AuthError, RequestCredentials, header};
use crate::signature::{Algorithm, Encoding};

/// The first of these headers that is there counts.
pub(super) fn check(
    headers: &[&str],
    secrets: &[String],
    request: &RequestCredentials<'_>,
) -> Result<(), AuthError> {
    let there = headers.iter().find(|name| request.headers.contains_key(**name));
    let signature = header(request, there.or(headers.first()).copied().unwrap_or_default())?;
    signed(Algorithm::Sha256, secrets, &[request.body], signature, Encoding::Hex)
}
