//! Gitea, Forgejo and Gogs: an HMAC-SHA-256 in hexadecimal, in a header of the forge's own name.
//!
//! It is that of the JSON, which is the body, or with the content type `application/x-www-form-urlencoded` the text of
//! the field `payload` before it was encoded: `services/webhook/deliver.go` of Gitea, from which Forgejo has it, makes
//! the signature of `PayloadContent` for either type, and so does `internal/database/webhook.go` of Gogs. Anybody may
//! write a signed form in another way, or add fields to it, so nothing but that text counts.

use std::borrow::Cow;

use http::HeaderMap;

use super::generic::signed;
use super::proof::{AuthError, RequestCredentials, header};
use crate::body::is_urlencoded;
use crate::signature::{Algorithm, Encoding};

/// The field of a form that is signed.
const FIELD: &str = "payload";

/// The first of these headers that is there counts.
pub(super) fn check(
    headers: &[&str],
    secrets: &[String],
    request: &RequestCredentials<'_>,
) -> Result<(), AuthError> {
    let there = headers.iter().find(|name| request.headers.contains_key(**name));
    let signature = header(request, there.or(headers.first()).copied().unwrap_or_default())?;
    let payload = payload(request.headers, request.body)
        .ok_or_else(|| AuthError::of_body("a form needs the field `payload`, once: it is what is signed"))?;
    signed(Algorithm::Sha256, secrets, &[&payload], signature, Encoding::Hex)
}

/// What is signed. `None`: a form without it, or with several.
pub(super) fn payload<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    if !is_urlencoded(headers) {
        return Some(Cow::Borrowed(body));
    }
    let mut fields = form_urlencoded::parse(body).filter(|(name, _)| name == FIELD);
    let (Some((_, payload)), None) = (fields.next(), fields.next()) else { return None };
    Some(Cow::Owned(payload.into_owned().into_bytes()))
}

/// The body with nothing in it but what is signed.
pub(super) fn without_unsigned<'a>(headers: &HeaderMap, body: &'a [u8]) -> Cow<'a, [u8]> {
    match payload(headers, body) {
        Some(Cow::Borrowed(body)) => Cow::Borrowed(body),
        Some(Cow::Owned(payload)) => {
            let payload = String::from_utf8_lossy(&payload);
            let form = form_urlencoded::Serializer::new(String::new()).append_pair(FIELD, &payload).finish();
            Cow::Owned(form.into_bytes())
        }
        None => Cow::Owned(Vec::new()),
    }
}
