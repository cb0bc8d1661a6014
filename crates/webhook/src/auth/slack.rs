//! Slack: `X-Slack-Signature: v0=HEX`, an HMAC-SHA-256 of `v0:TIME:BODY`, and `X-Slack-Request-Timestamp`.
//!
//! See "Verifying requests from Slack" in Slack's documentation, from which the test vector is.

use super::generic::signed;
use super::proof::{AuthError, RequestCredentials, header, in_time};
use crate::signature::{Algorithm, Encoding};

pub(super) fn check(secrets: &[String], request: &RequestCredentials<'_>) -> Result<(), AuthError> {
    let time = header(request, "x-slack-request-timestamp")?;
    let given = header(request, "x-slack-signature")?;
    let signature = given
        .strip_prefix("v0=")
        .ok_or_else(|| AuthError::new("the header x-slack-signature does not begin with `v0=`"))?;
    let parts: [&[u8]; 4] = [b"v0:", time.as_bytes(), b":", request.body];
    signed(Algorithm::Sha256, secrets, &parts, signature, Encoding::Hex)?;
    in_time(time, request.now)
}
