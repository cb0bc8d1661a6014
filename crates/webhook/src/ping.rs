//! Requests by which a sender tries whether a receiver answers.

use http::HeaderMap;
use serde_json::{Value, json};

use crate::body::surrogate;

/// A sender that only tries whether somebody is there: GitHub, Gogs and Gitea with a header, Bitbucket's servers with
/// another, Slack with a challenge in the body, which it wants back.
#[must_use]
pub fn ping(headers: &HeaderMap, body: &[u8]) -> Option<Value> {
    let says =
        |name: &str, value: &str| headers.get(name).is_some_and(|given| given.as_bytes() == value.as_bytes());
    let events = ["x-github-event", "x-gitea-event", "x-forgejo-event", "x-gogs-event"];
    if events.iter().any(|name| says(name, "ping")) || says("x-event-key", "diagnostics:ping") {
        return Some(json!({"ping": true}));
    }
    if headers.contains_key("x-slack-signature") {
        let event: Value = surrogate::read(body)?;
        if event.get("type").and_then(Value::as_str) == Some("url_verification") {
            return Some(json!({"challenge": event.get("challenge")?}));
        }
    }
    None
}

/// The response to the request by which a server of Bitbucket tests a connection, which it does not sign.
#[must_use]
pub fn unsigned_ping(headers: &HeaderMap) -> Option<Value> {
    let is_ping = headers.get("x-event-key").is_some_and(|event| event == "diagnostics:ping");
    (is_ping && !headers.contains_key("x-hub-signature")).then(|| json!({"ping": true}))
}
