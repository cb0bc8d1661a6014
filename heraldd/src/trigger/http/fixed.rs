//! Answers in words of the user's own, for callers that expect them: the option `answer`.

use bytes::Bytes;
use herald_core::spec::{CheckError, OptionKind, OptionSpec};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Map, Value};

use herald_net::serve::JsonReply;

/// What is answered in place of Herald's own words.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fixed {
    /// When a router matched the event, and nothing failed.
    pub(super) matched: Words,
    /// When none did.
    pub(super) unmatched: Words,
    /// When a job failed, with `respond: result`.
    pub(super) failed: Words,
    /// With `respond: result`: what the jobs wrote, and nothing else.
    pub(super) plain: bool,
}

/// Words for one case; what is left out is as ever.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Words {
    status: Option<u16>,
    body: Option<String>,
    headers: Map<String, Value>,
}

/// What the option may hold.
pub(super) fn spec() -> OptionSpec {
    let new = OptionSpec::new;
    let words = || {
        vec![
            new("status", OptionKind::Integer { min: 200, max: 599 }, "The status."),
            new("body", OptionKind::Text, "The body, as text."),
            new("headers", OptionKind::Map, "Further headers.").check(check_headers),
        ]
    };
    let fields = vec![
        new(
            "matched",
            OptionKind::Fields(words()),
            "When a router matched the event (and with `respond: result` its jobs succeed).",
        ),
        new("unmatched", OptionKind::Fields(words()), "When no router matched the event."),
        new("failed", OptionKind::Fields(words()), "With `respond: result`, when a job did not succeed."),
        new(
            "plain",
            OptionKind::Boolean,
            "With `respond: result`: answer with what the jobs wrote to standard output, and nothing else. Where that is longer \
             than `output_limit`, the answer is an error.",
        )
        .default(false),
    ];
    new(
        "answer",
        OptionKind::Fields(fields),
        "Words of your own in place of Herald's, for callers that expect them. Refusals stay as they are.",
    )
}

fn check_headers(headers: &Value) -> Result<(), CheckError> {
    let Value::Object(headers) = headers else { return Ok(()) };
    for (name, value) in headers {
        HeaderName::try_from(name.as_str())
            .map_err(|_| CheckError::new(format!("`{name}` is not the name of a header")))?;
        let value = value.as_str().ok_or_else(|| CheckError::new(format!("{name}: expected a string")))?;
        HeaderValue::from_str(value)
            .map_err(|_| CheckError::new(format!("{name}: not a valid header value")))?;
    }
    Ok(())
}

impl Fixed {
    /// Reads the option, whose parts are checked already.
    pub(super) fn of(given: &Value) -> Result<Self, CheckError> {
        serde_json::from_value(given.clone()).map_err(|error| CheckError::new(error.to_string()))
    }
}

impl Words {
    /// The reply in these words, as far as there are any.
    pub(super) fn put(&self, mut reply: JsonReply) -> JsonReply {
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
pub(super) fn text_reply(status: StatusCode, body: impl Into<Bytes>) -> JsonReply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    reply
}
