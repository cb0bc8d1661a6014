//! Answers in words of the user's own, for callers that expect them.

use bytes::Bytes;
use herald_net::serve::JsonReply;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What is answered in place of Herald's own words.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Fixed {
    /// When a router matched the event, and nothing failed.
    pub matched: Words,
    /// When none did.
    pub unmatched: Words,
    /// When a job failed, with `respond: result`.
    pub failed: Words,
    /// With `respond: result`: what the jobs wrote, and nothing else.
    pub plain: bool,
}

/// Words for one case; what is left out is as ever.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Words {
    status: Option<u16>,
    body: Option<String>,
    headers: Map<String, Value>,
}

impl Words {
    /// The reply in these words, as far as there are any.
    pub(crate) fn put(&self, mut reply: JsonReply) -> JsonReply {
        if let Some(body) = &self.body {
            reply = text_reply(reply.status(), body.clone());
        }
        if let Some(status) = self.status.and_then(|status| StatusCode::from_u16(status).ok()) {
            *reply.status_mut() = status;
        }
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name.as_str());
            let value = value.as_str().map(HeaderValue::from_str);
            if let (Ok(name), Some(Ok(value))) = (name, value) {
                reply.headers_mut().insert(name, value);
            }
        }
        reply
    }
}

/// A reply that is text.
pub(crate) fn text_reply(status: StatusCode, body: impl Into<Bytes>) -> JsonReply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    reply
}
