//! Slack: `X-Slack-Signature: v0=HEX`, an HMAC-SHA-256 of `v0:TIME:BODY`, and `X-Slack-Request-Timestamp`.
//!
//! See "Verifying requests from Slack" in Slack's documentation, from which the test vector is.

use serde_json::Value;

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

/// Events bear an id in the body, the same one when they are sent again; for everything else the signature is one.
pub(super) fn delivery(request: &RequestCredentials<'_>) -> Option<String> {
    let event: Option<Value> = serde_json::from_slice(request.body).ok();
    let id = event.as_ref().and_then(|event| event.get("event_id")?.as_str());
    let id = id.or_else(|| header(request, "x-slack-signature").ok())?;
    Some(format!("slack:{id}"))
}
