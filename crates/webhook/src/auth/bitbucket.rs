//! Bitbucket: `X-Hub-Signature: sha256=HEX`, an HMAC of the body.
//!
//! See "Manage webhooks: Secure webhooks" in Bitbucket's documentation, from which the test vector is. Unlike GitHub's
//! header of this name, it may be SHA-256 alone.

use super::generic::signed;
use super::proof::{AuthError, RequestCredentials, header};
use crate::signature::{Algorithm, Encoding};

pub(super) fn check(secrets: &[String], request: &RequestCredentials<'_>) -> Result<(), AuthError> {
    let given = header(request, "x-hub-signature")?;
    let signature = given
        .strip_prefix("sha256=")
        .ok_or_else(|| AuthError::new("the header x-hub-signature does not begin with `sha256=`"))?;
    signed(Algorithm::Sha256, secrets, &[request.body], signature, Encoding::Hex)
}
