//! From a request to an event and its answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use herald_core::activation::Refused;
use herald_core::param::Params;
use herald_core::trigger::Activator;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

/// The longest body that is taken, in bytes.
const MAX_BODY: usize = 1 << 20;
/// How much more is read and thrown away, so that the client gets its answer rather than a reset connection.
const MAX_SURPLUS: usize = 8 << 20;
/// How long a whole body may take, even byte by byte: with the head's 10 s, a request has 30 s.
const BODY_TIME: Duration = Duration::from_secs(20);

const SIGNATURE: &str = "x-gogs-signature";
const EVENT: &str = "x-gogs-event";
const DELIVERY: &str = "x-gogs-delivery";

pub(crate) type Reply = Response<Full<Bytes>>;

/// Makes an event of every request that Gogs has signed.
pub(crate) struct Receiver {
    pub(crate) secrets: Arc<[String]>,
    pub(crate) activator: Activator,
}

impl Receiver {
    /// Answers a request.
    pub(crate) async fn receive<B>(&self, request: Request<B>) -> Reply
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        let refusal = refusal(&head.method, &head.headers);
        // Read even when it is refused: see MAX_SURPLUS.
        let body = tokio::time::timeout(BODY_TIME, read(body)).await;
        if let Some(refusal) = refusal {
            return refusal;
        }
        let body = match body {
            Ok(Ok(body)) => body,
            Ok(Err(reply)) => return reply,
            Err(_) => return wrong(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
        };
        if !self.is_signed(&head.headers, &body) {
            tracing::warn!(
                "a webhook without a right X-Gogs-Signature was turned away; is its secret the same as here?"
            );
            return wrong(StatusCode::UNAUTHORIZED, "X-Gogs-Signature is missing or wrong");
        }
        let payload = match serde_json::from_slice::<Value>(&body) {
            Ok(Value::Object(payload)) => payload,
            Ok(_) => return wrong(StatusCode::BAD_REQUEST, "the body must be a JSON object"),
            Err(error) => return wrong(StatusCode::BAD_REQUEST, &format!("the body is not JSON: {error}")),
        };
        match self.activator.activate(params(&head.headers, payload)).await {
            Ok(event_id) => reply(StatusCode::OK, &json!({ "event_id": &*event_id })),
            Err(refused) => turned_away(&refused),
        }
    }

    /// Whether the body bears the signature of one of the secrets, compared in constant time.
    fn is_signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let Some(signature) = only(headers, SIGNATURE).and_then(|hex| hex::decode(hex).ok()) else {
            return false;
        };
        self.secrets.iter().any(|secret| {
            // A key of any length is right, so this never fails.
            Hmac::<Sha256>::new_from_slice(secret.as_bytes())
                .is_ok_and(|mac| mac.chain_update(body).verify_slice(&signature).is_ok())
        })
    }
}

/// What the head of a request alone says against it.
fn refusal(method: &Method, headers: &HeaderMap) -> Option<Reply> {
    if method != Method::POST {
        let mut reply = wrong(StatusCode::METHOD_NOT_ALLOWED, "only POST is taken here");
        reply.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Some(reply);
    }
    let coded = headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    if !is_json(headers) || coded {
        let advice =
            "the body must be plain JSON: choose application/json as content type in the webhook's settings";
        return Some(wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, advice));
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

async fn read<B>(mut body: B) -> Result<Vec<u8>, Reply>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut kept, mut surplus) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(wrong(StatusCode::BAD_REQUEST, "the body broke off"));
        };
        let Some(data) = frame.data_ref() else { continue };
        if surplus == 0 && kept.len() + data.len() <= MAX_BODY {
            kept.extend_from_slice(data);
        } else {
            surplus += data.len();
            kept = Vec::new();
        }
        if surplus > MAX_SURPLUS {
            break;
        }
    }
    if surplus == 0 {
        return Ok(kept);
    }
    Err(wrong(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body is longer than {MAX_BODY} bytes")))
}

fn params(headers: &HeaderMap, payload: Params) -> Params {
    let text = |name| Value::from(only(headers, name).unwrap_or_default());
    let mut params = Params::new();
    params.insert("event".to_owned(), text(EVENT));
    params.insert("delivery".to_owned(), text(DELIVERY));
    params.insert("payload".to_owned(), Value::Object(payload));
    params
}

fn turned_away(refused: &Refused) -> Reply {
    let (status, again) = match refused {
        Refused::Busy => (StatusCode::TOO_MANY_REQUESTS, "1"),
        Refused::Stopping | Refused::Unrecorded(_) => (StatusCode::SERVICE_UNAVAILABLE, "5"),
    };
    let mut reply = wrong(status, &refused.to_string());
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(again));
    reply
}

fn wrong(status: StatusCode, sentence: &str) -> Reply {
    reply(status, &json!({ "error": sentence }))
}

fn reply(status: StatusCode, body: &Value) -> Reply {
    let mut reply = Response::new(Full::from(body.to_string()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}
