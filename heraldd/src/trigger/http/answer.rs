//! From a request to an event and its answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use herald_core::activation::Refused;
use herald_core::param::Params;
use herald_core::trigger::{Activator, CancellationToken};
use herald_core::trigger_param::TriggerParam;
use http::header::{ALLOW, CONTENT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;

use super::options::Web;
use super::{body, delivery};
use herald_net::serve::{BodyError, HostError, HostRule, Peer, Reply, error_reply, json_reply, read_whole};

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
    /// What it does that is more than to take JSON by POST.
    pub(super) web: Option<Arc<Web>>,
    /// The name of this node, where it has one.
    pub(super) node: Option<String>,
    /// Cancelled when the trigger is to end.
    pub(super) stop: CancellationToken,
}

impl Answers {
    /// The answer. `captures`: what the path holds.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        captures: Vec<(String, String)>,
    ) -> Reply {
        if peer.loopback
            && let Err(error) = self.hosts.check(&request)
        {
            return host_rejected(error);
        }
        match &self.web {
            None => self.plain(request).await,
            Some(web) => self.web(web, request, peer, captures).await.unwrap_or_else(|refusal| refusal),
        }
    }

    /// JSON by POST, and nothing more.
    async fn plain(&self, request: Request<Incoming>) -> Reply {
        if let Some(refusal) = refuse(&request) {
            return refusal;
        }
        let key = match self.key(request.headers()) {
            Ok(key) => key,
            Err(sentence) => return error_reply(StatusCode::BAD_REQUEST, &sentence),
        };
        let body = match self.read(request.into_body()).await {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        let params = match body::object(&body, Params::new()) {
            Ok(params) => params,
            Err(sentence) => return error_reply(StatusCode::BAD_REQUEST, &sentence),
        };
        match self.activate(params, key).await {
            Ok(event_id) => accepted(&event_id),
            Err(refused) => turned_away(&refused),
        }
    }

    async fn activate(
        &self,
        params: TriggerParam,
        key: Option<String>,
    ) -> Result<herald_core::activation::Name, Refused> {
        match key {
            Some(key) => self.activator.activate_once(params, &key, self.dedup_window).await,
            None => self.activator.activate(params).await,
        }
    }

    /// What the sender calls the request, if that counts.
    pub(super) fn key(&self, headers: &HeaderMap) -> Result<Option<String>, String> {
        if self.dedup_window.is_zero() { Ok(None) } else { delivery::id(headers) }
    }

    /// The whole body.
    pub(super) async fn read(&self, body: Incoming) -> Result<Bytes, Reply> {
        read_whole(body, self.max_body, self.body_time).await.map_err(|error| self.unread(&error))
    }

    fn unread(&self, error: &BodyError) -> Reply {
        match error {
            BodyError::TooLarge => {
                let sentence = format!("the body is longer than max_body, {} bytes", self.max_body);
                error_reply(StatusCode::PAYLOAD_TOO_LARGE, &sentence)
            }
            BodyError::TooSlow => {
                let sentence = format!("the body did not arrive within {} s", self.body_time.as_secs_f64());
                error_reply(StatusCode::REQUEST_TIMEOUT, &sentence)
            }
            BodyError::Broken(error) => {
                error_reply(StatusCode::BAD_REQUEST, &format!("the body could not be read: {error}"))
            }
        }
    }
}

/// What the head of a plain request alone says against it.
fn refuse(request: &Request<Incoming>) -> Option<Reply> {
    if request.method() != Method::POST {
        return Some(wrong_method(&[Method::POST]));
    }
    if !body::is_json(request.headers()) {
        let sentence = "the body must be JSON, sent with the header `Content-Type: application/json`";
        return Some(error_reply(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence));
    }
    request.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity").then(|| {
        let sentence = "compressed bodies are not taken; send it without Content-Encoding";
        error_reply(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence)
    })
}

/// 405, with the methods that are taken.
pub(super) fn wrong_method(methods: &[Method]) -> Reply {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let sentence = format!("method not allowed; use {}", names.join(" or "));
    let mut reply = error_reply(StatusCode::METHOD_NOT_ALLOWED, &sentence);
    if let Ok(allow) = HeaderValue::from_str(&names.join(", ")) {
        reply.headers_mut().insert(ALLOW, allow);
    }
    reply
}

fn host_rejected(error: HostError) -> Reply {
    match error {
        HostError::Missing => error_reply(StatusCode::BAD_REQUEST, &error.to_string()),
        HostError::NotAllowed => error_reply(
            StatusCode::FORBIDDEN,
            "this Host is not allowed; if requests really use this name, add it to `allowed_hosts`",
        ),
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

/// An event that was not taken.
pub(super) fn turned_away(refused: &Refused) -> Reply {
    let (status, again) = match refused {
        Refused::Busy => (StatusCode::TOO_MANY_REQUESTS, SOON),
        Refused::Stopping | Refused::Unrecorded(_) => (StatusCode::SERVICE_UNAVAILABLE, LATER),
    };
    let mut reply = error_reply(status, &refused.to_string());
    reply.headers_mut().insert(RETRY_AFTER, again);
    reply
}
