//! Replies in JSON.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

/// What a handler answers: a body that is there as a whole.
pub type JsonReply = Response<Full<Bytes>>;

/// The `Content-Type` of every reply made here.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A reply whose body is this JSON text.
#[must_use]
pub fn json_reply(status: StatusCode, body: impl Into<Bytes>) -> JsonReply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply
}

/// `{"error": "…"}`: one sentence for people.
#[must_use]
pub fn error_reply(status: StatusCode, sentence: &str) -> JsonReply {
    json_reply(status, serde_json::json!({ "error": sentence }).to_string())
}
