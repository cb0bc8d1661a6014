//! GitHub: `X-Hub-Signature-256: sha256=HEX`, an HMAC of the body.
//!
//! See "Validating webhook deliveries" in GitHub's documentation, from which the test vector is. The older
//! `X-Hub-Signature` (SHA-1) alone is not enough: GitHub always sends both.

use super::generic::signed;
use super::proof::{AuthError, RequestCredentials, header};
use crate::signature::{Algorithm, Encoding};

pub(super) fn check(secrets: &[String], request: &RequestCredentials<'_>) -> Result<(), AuthError> {
    let given = header(request, "x-hub-signature-256")?;
    let signature = given
        .strip_prefix("sha256=")
        .ok_or_else(|| AuthError::new("the header x-hub-signature-256 does not begin with `sha256=`"))?;
    signed(Algorithm::Sha256, secrets, &[request.body], signature, Encoding::Hex)
}
