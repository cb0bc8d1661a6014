//! From a request to an event and its answer.

use std::time::Duration;

use bytes::Bytes;
use herald_core::activation::Refused;
use herald_core::param::Params;
use herald_core::trigger::Activator;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::de::IgnoredAny;

use super::delivery;
use crate::server::{Handler, HostRule, Peer, Reply, Stranger, Trouble, error_reply, json_reply, read_whole};

/// When to try again, in seconds, after a refusal.
const SOON: HeaderValue = HeaderValue::from_static("1");
const LATER: HeaderValue = HeaderValue::from_static("5");

/// Makes an event of every request that is one.
pub(super) struct Answers {
    pub(super) activator: Activator,
    /// Asked on loopback listeners.
    pub(super) hosts: HostRule,
    pub(super) max_body: u64,
    /// How long a repeated request is known; zero: not at all.
    pub(super) dedup_window: Duration,
    pub(super) body_time: Duration,
}

impl Handler for Answers {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, peer: &Peer) -> Reply {
        if let Some(refusal) = self.refuse(&request, peer) {
            return refusal;
        }
        let key = match self.key(request.headers()) {
            Ok(key) => key,
            Err(sentence) => return error_reply(StatusCode::BAD_REQUEST, &sentence),
        };
        let body = match read_whole(request.into_body(), self.max_body, self.body_time).await {
            Ok(body) => body,
            Err(trouble) => return self.unread(&trouble),
        };
        let params = match read_object(&body) {
            Ok(params) => params,
            Err(sentence) => return error_reply(StatusCode::BAD_REQUEST, &sentence),
        };
        let taken = match key {
            Some(key) => self.activator.activate_once(params, &key, self.dedup_window).await,
            None => self.activator.activate(params).await,
        };
        match taken {
            Ok(event_id) => accepted(&event_id),
            Err(refused) => turned_away(&refused),
        }
    }
}

impl Answers {
    /// What the head of a request alone says against it.
    fn refuse(&self, request: &Request<Incoming>, peer: &Peer) -> Option<Reply> {
        if peer.loopback
            && let Err(stranger) = self.hosts.check(request)
        {
            return Some(strange(stranger));
        }
        if request.method() != Method::POST {
            let mut reply = error_reply(StatusCode::METHOD_NOT_ALLOWED, "only POST is taken here");
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return Some(reply);
        }
        if !is_json(request.headers()) {
            let sentence = "the body must be JSON, sent with the header `Content-Type: application/json`";
            return Some(error_reply(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence));
        }
        if request.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            let sentence = "compressed bodies are not taken; send it without Content-Encoding";
            return Some(error_reply(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence));
        }
        None
    }

    /// What the sender calls the request, if that counts.
    fn key(&self, headers: &HeaderMap) -> Result<Option<String>, String> {
        if self.dedup_window.is_zero() { Ok(None) } else { delivery::id(headers) }
    }

    fn unread(&self, trouble: &Trouble) -> Reply {
        match trouble {
            Trouble::TooLarge => {
                let sentence = format!("the body is longer than max_body, {} bytes", self.max_body);
                error_reply(StatusCode::PAYLOAD_TOO_LARGE, &sentence)
            }
            Trouble::TooSlow => {
                let sentence = format!("the body did not arrive within {} s", self.body_time.as_secs_f64());
                error_reply(StatusCode::REQUEST_TIMEOUT, &sentence)
            }
            Trouble::Broken(error) => {
                error_reply(StatusCode::BAD_REQUEST, &format!("the body could not be read: {error}"))
            }
        }
    }
}

fn strange(stranger: Stranger) -> Reply {
    match stranger {
        Stranger::Nameless => error_reply(StatusCode::BAD_REQUEST, "the request needs one Host header"),
        Stranger::Unknown => error_reply(
            StatusCode::FORBIDDEN,
            "this Host is not allowed here; if requests really come under that name, add it to `allowed_hosts`",
        ),
    }
}

/// Whether the one `Content-Type` is `application/json`, with or without parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    let essence = only.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

fn read_object(body: &[u8]) -> Result<Params, String> {
    let error = match serde_json::from_slice::<Params>(body) {
        Ok(params) => return Ok(params),
        Err(error) => error,
    };
    let kind = match body.trim_ascii_start().first() {
        None => return Err("the body is empty; send a JSON object".to_owned()),
        Some(b'{') => return Err(format!("the body is not JSON: {error}")),
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(_) => "a number",
    };
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => Err(format!("the body must be a JSON object, this is {kind}")),
        Err(error) => Err(format!("the body is not JSON: {error}")),
    }
}

fn accepted(event_id: &str) -> Reply {
    let mut body = Vec::with_capacity(event_id.len() + 16);
    body.extend_from_slice(b"{\"event_id\":");
    // Into memory, a text: neither fails.
    let _ = serde_json::to_writer(&mut body, event_id);
    body.push(b'}');
    json_reply(StatusCode::OK, body)
}

fn turned_away(refused: &Refused) -> Reply {
    let (status, again) = match refused {
        Refused::Busy => (StatusCode::TOO_MANY_REQUESTS, SOON),
        Refused::Stopping | Refused::Unrecorded(_) => (StatusCode::SERVICE_UNAVAILABLE, LATER),
    };
    let mut reply = error_reply(status, &refused.to_string());
    reply.headers_mut().insert(RETRY_AFTER, again);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        for (types, json) in [
            (&["application/json"][..], true),
            (&["Application/JSON; charset=utf-8"], true),
            (&["application/json ;x=y"], true),
            (&[], false),
            (&["text/plain"], false),
            (&["text/plain; application/json"], false),
            (&["application/jsonp"], false),
            (&["application/vnd.api+json"], false),
            (&["application/json", "text/plain"], false),
        ] {
            let mut headers = HeaderMap::new();
            for name in types {
                headers.append(CONTENT_TYPE, HeaderValue::from_str(name).unwrap());
            }
            assert_eq!(is_json(&headers), json, "{types:?}");
        }
    }

    #[test]
    fn objects() {
        let deep = format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000));
        let wide = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for (body, says) in [
            (r#"{"a": 1}"#, Ok(r#"{"a":1}"#)),
            (" \n{}\t", Ok("{}")),
            (r#"{"a":1,"a":2}"#, Ok(r#"{"a":2}"#)),
            (r#"{"n":123456789012345678901234567890.10}"#, Ok(r#"{"n":123456789012345678901234567890.10}"#)),
            ("", Err("empty")),
            ("  ", Err("empty")),
            ("[1]", Err("must be a JSON object, this is a list")),
            ("\"x\"", Err("this is a text")),
            ("null", Err("this is null")),
            ("true", Err("this is true or false")),
            ("-5", Err("this is a number")),
            ("{\"a\":\n}", Err("not JSON: expected value at line 2 column 1")),
            ("{} {}", Err("not JSON: trailing characters")),
            ("{\"a\":1", Err("not JSON: EOF")),
            ("command=uptime", Err("not JSON")),
            ("{'a':1}", Err("not JSON")),
            (deep.as_str(), Err("recursion limit")),
            (wide.as_str(), Err("this is a list")),
        ] {
            match (read_object(body.as_bytes()), says) {
                (Ok(params), Ok(expected)) => assert_eq!(serde_json::to_string(&params).unwrap(), expected),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        }
        assert!(read_object(b"{\"a\":\"\xff\"}").is_err());
    }
}
