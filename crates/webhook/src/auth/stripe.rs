//! Stripe: `Stripe-Signature: t=TIME,v1=HEX[,v1=HEX…]`, an HMAC-SHA-256 of `TIME.BODY`.
//!
//! See "Verify webhook signatures manually" in Stripe's documentation. It gives no example with a secret, so
//! that the test makes its signatures after the description.

use super::proof::{AuthError, MOST_SIGNATURES, RequestCredentials, header, in_time};
use crate::signature::{Algorithm, Encoding, matches};

pub(super) fn check(secrets: &[String], request: &RequestCredentials<'_>) -> Result<(), AuthError> {
    let given = header(request, "stripe-signature")?;
    let of = |wanted: &'static str| {
        given.split(',').filter_map(move |part| part.trim().split_once('=').filter(|(key, _)| *key == wanted))
    };
    let (_, time) =
        of("t").next().ok_or_else(|| AuthError::new("the header stripe-signature has no timestamp"))?;
    let parts: [&[u8]; 3] = [time.as_bytes(), b".", request.body];
    let fits = of("v1").take(MOST_SIGNATURES).any(|(_, signature)| {
        secrets
            .iter()
            .any(|secret| matches(Algorithm::Sha256, secret.as_bytes(), &parts, signature, Encoding::Hex))
    });
    if !fits {
        return Err(AuthError::mismatch());
    }
    in_time(time, request.now)
}

/// The time that is signed.
pub(super) fn signed_at<'a>(request: &RequestCredentials<'a>) -> Option<&'a str> {
    let given = request.headers.get("stripe-signature")?.to_str().ok()?;
    given.split(',').find_map(|part| part.trim().strip_prefix("t="))
}
