//! Turns a request into an event and its response.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use herald_core::activation::{Name, Refused};
use herald_core::depth::{self, TooDeep};
use herald_core::param::Params;
use herald_core::trigger::Activator;
use herald_net::repeated_log::RepeatedLog;
use herald_net::serve::{
    BodyError, ClientBody, Handler, JsonReply, Peer, error_reply, json_reply, read_whole,
};
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The longest body that is accepted, in bytes.
const MAX_BODY: u64 = 1 << 20;
/// Time limit for a whole body, even byte by byte: with the head's 10 s, a request has 30 s.
const BODY_TIME: Duration = Duration::from_secs(20);

const SIGNATURE: &str = "x-gogs-signature";
const EVENT: &str = "x-gogs-event";
const DELIVERY: &str = "x-gogs-delivery";

/// Creates an event from every request that Gogs has signed.
pub(crate) struct Receiver {
    pub(crate) secrets: Arc<[String]>,
    /// How long a delivery is known by its body; zero: not at all.
    pub(crate) dedup_window: Duration,
    pub(crate) activator: Activator,
    pub(crate) rejections: RepeatedLog,
}

impl Handler for Receiver {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<ClientBody>, _: &Peer) -> JsonReply {
        self.receive(request).await
    }
}

impl Receiver {
    async fn receive(&self, request: Request<ClientBody>) -> JsonReply {
        let (head, body) = request.into_parts();
        if let Some(refusal) = refusal(&head.method, &head.headers) {
            return refusal;
        }
        if only(&head.headers, SIGNATURE).is_none() {
            return self.unsigned();
        }
        let body = match read_whole(body, MAX_BODY, BODY_TIME).await {
            Ok(body) => body,
            Err(error) => return unread(&error),
        };
        if !self.is_signed(&head.headers, &body) {
            return self.unsigned();
        }
        let payload = match serde_json::from_slice::<Value>(&body) {
            Ok(Value::Object(payload)) => payload,
            Ok(_) => return error_reply(StatusCode::BAD_REQUEST, "the body must be a JSON object"),
            Err(error) => {
                return error_reply(StatusCode::BAD_REQUEST, &format!("the body is not JSON: {error}"));
            }
        };
        let params = params(&head.headers, payload);
        if let Err(why) = TooDeep::check(depth::of_params(&params)) {
            return rejected(&Refused::TooDeep(why));
        }
        match self.activate(&delivery_key(&body), params).await {
            Ok(event_id) => json_reply(StatusCode::OK, json!({ "event_id": &*event_id }).to_string()),
            Err(refused) => rejected(&refused),
        }
    }

    /// Rejects a request. Where the signature is missing, its body is not even read.
    fn unsigned(&self) -> JsonReply {
        self.activator.rejected();
        self.rejections.write(|others| {
            let others = (others > 0).then_some(others);
            tracing::warn!(
                others,
                "webhook rejected: X-Gogs-Signature is missing or wrong; check that the webhook in Gogs has the same secret"
            );
        });
        error_reply(StatusCode::UNAUTHORIZED, "X-Gogs-Signature is missing or wrong")
    }

    /// Creates the event, unless this delivery has created it before: then the result is the id of that event.
    async fn activate(&self, key: &str, params: Params) -> Result<Name, Refused> {
        if self.dedup_window.is_zero() {
            return self.activator.activate(params).await;
        }
        self.activator.activate_once(params, key, self.dedup_window).await
    }

    /// Whether the signature matches the body with one of the secrets, compared in constant time.
    fn is_signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let Some(signature) = only(headers, SIGNATURE).and_then(|hex| hex::decode(hex).ok()) else {
            return false;
        };
        self.secrets.iter().any(|secret| {
            // A key of any length is valid, so this never fails.
            Hmac::<Sha256>::new_from_slice(secret.as_bytes())
                .is_ok_and(|mac| mac.chain_update(body).verify_slice(&signature).is_ok())
        })
    }
}

/// The reason to reject a request by its head alone, if there is one.
fn refusal(method: &Method, headers: &HeaderMap) -> Option<JsonReply> {
    if method != Method::POST {
        let mut reply = error_reply(StatusCode::METHOD_NOT_ALLOWED, "method not allowed; use POST");
        reply.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Some(reply);
    }
    let coded = headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity");
    if !is_json(headers) || coded {
        let advice =
            "the body must be plain JSON: choose application/json as content type in the webhook's settings";
        return Some(error_reply(StatusCode::UNSUPPORTED_MEDIA_TYPE, advice));
    }
    None
}

fn is_json(headers: &HeaderMap) -> bool {
    only(headers, CONTENT_TYPE.as_str())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The header's value, when there is exactly one.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn unread(error: &BodyError) -> JsonReply {
    match error {
        BodyError::TooLarge => {
            let sentence = format!("the body is longer than {MAX_BODY} bytes");
            error_reply(StatusCode::PAYLOAD_TOO_LARGE, &sentence)
        }
        BodyError::TooSlow => error_reply(StatusCode::REQUEST_TIMEOUT, &error.to_string()),
        BodyError::NoRoom => {
            let mut reply = error_reply(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            reply
        }
        BodyError::Broken(_) => error_reply(StatusCode::BAD_REQUEST, "the body is incomplete"),
    }
}

/// The key of the delivery. Gogs signs the body alone: with the id in its header, a captured request could be sent
/// again under another one.
fn delivery_key(body: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(body)))
}

fn params(headers: &HeaderMap, payload: Params) -> Params {
    let text = |name| Value::from(only(headers, name).unwrap_or_default());
    let mut params = Params::new();
    params.insert("event".to_owned(), text(EVENT));
    params.insert("delivery".to_owned(), text(DELIVERY));
    params.insert("payload".to_owned(), Value::Object(payload));
    params
}

fn rejected(refused: &Refused) -> JsonReply {
    let (status, again) = match refused {
        Refused::Busy => (StatusCode::TOO_MANY_REQUESTS, "1"),
        Refused::Stopping | Refused::Unrecorded(_) | Refused::OtherContent => {
            (StatusCode::SERVICE_UNAVAILABLE, "5")
        }
        Refused::TooDeep(_) => return error_reply(StatusCode::BAD_REQUEST, &refused.to_string()),
    };
    let mut reply = error_reply(status, &refused.to_string());
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(again));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_coding_counts() {
        for (codings, accepted) in
            [(&[][..], true), (&["identity"], true), (&["gzip"], false), (&["identity", "gzip"], false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            for coding in codings {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(coding));
            }
            assert_eq!(refusal(&Method::POST, &headers).is_none(), accepted, "{codings:?}");
        }
    }

    #[test]
    fn where_there_is_no_room_for_a_body_it_can_come_later() {
        let reply = unread(&BodyError::NoRoom);
        assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(reply.headers()[RETRY_AFTER], "5");
    }
}
