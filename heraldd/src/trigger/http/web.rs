//! Web hooks: what a trigger does that is more than to take JSON by POST.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use herald_core::param::Params;
use herald_core::watch::Watch;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::answer::{Answers, compressed, turned_away, wrong_method};
use super::auth::{Denied, Presented};
use super::body::{self, NotTaken};
use super::options::{Respond, Web};
use super::request::{REQUEST, Told};
use super::result::{Outcome, wants_text};
use crate::server::{Peer, Reply, error_reply, json_reply};

/// How long it may take until it is known whether a router wants an event. A selector may be slow; the answer then says
/// nothing of it.
const ROUTED: Duration = Duration::from_secs(5);

/// The head of a request, read.
struct Head {
    method: Method,
    path: String,
    headers: HeaderMap,
    query: Vec<(String, String)>,
    client: IpAddr,
}

impl Answers {
    /// The answer to a request; the error is one, too.
    pub(super) async fn web(
        &self,
        web: &Web,
        request: Request<Incoming>,
        peer: &Peer,
        captures: Vec<(String, String)>,
    ) -> Result<Reply, Reply> {
        let client = web.addresses.client(peer, request.headers());
        if !web.addresses.allow(client) {
            return Err(error_reply(StatusCode::FORBIDDEN, "requests from this address are not allowed"));
        }
        if !web.methods.contains(request.method()) {
            return Err(wrong_method(&web.methods));
        }
        let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        let query = query.into_owned().collect();
        let (parts, incoming) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let mut head = Head { method: parts.method, path, headers: parts.headers, query, client };
        self.check(web, &head, b"", true)?;
        let body = self.take_body(web, &head, incoming).await?;
        self.check(web, &head, &body, false)?;
        if let Some(reply) = ping(&head.headers, &body) {
            return Ok(reply);
        }
        let key =
            self.name_of(web, &head, &body).map_err(|why| error_reply(StatusCode::BAD_REQUEST, &why))?;
        // The token is for the door alone.
        if let Some(parameter) = web.auth.as_ref().and_then(|auth| auth.query_parameter()) {
            head.query.retain(|(name, _)| name != parameter);
        }
        let params = self.params(web, &head, &body, captures)?;
        // While the sender waits for the jobs, it is not the sender that is slow.
        let _waiting = peer.waiting();
        self.activated(web, &head, params, key).await
    }

    fn check(&self, web: &Web, head: &Head, body: &[u8], only_head: bool) -> Result<(), Reply> {
        let Some(auth) = &web.auth else { return Ok(()) };
        let presented = head.presented(body, self.activator.clock().now());
        let checked = if only_head { auth.check_head(&presented) } else { auth.check_whole(&presented) };
        checked.map_err(|Denied(why)| {
            let (trigger, client) = (self.activator.trigger(), head.client);
            tracing::warn!(trigger, %client, "a request was turned away: {why}");
            let mut reply = error_reply(StatusCode::UNAUTHORIZED, &why);
            if auth.is_basic() {
                let challenge = HeaderValue::from_static("Basic realm=\"herald\", charset=\"UTF-8\"");
                reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            reply
        })
    }

    /// The body; a GET has none.
    async fn take_body(&self, web: &Web, head: &Head, incoming: Incoming) -> Result<Bytes, Reply> {
        if head.method == Method::GET {
            return Ok(Bytes::new());
        }
        web.body.takes(&head.headers).map_err(not_taken)?;
        if let Some(refusal) = compressed(&head.headers) {
            return Err(refusal);
        }
        self.read(incoming).await
    }

    /// What the sender calls the request: in a header, or as its scheme has it.
    fn name_of(&self, web: &Web, head: &Head, body: &[u8]) -> Result<Option<String>, String> {
        let named = self.key(&head.headers)?;
        if named.is_some() || self.dedup_window.is_zero() {
            return Ok(named);
        }
        let presented = head.presented(body, self.activator.clock().now());
        Ok(web.auth.as_ref().and_then(|auth| auth.delivery(&presented)))
    }

    fn params(
        &self,
        web: &Web,
        head: &Head,
        body: &[u8],
        captures: Vec<(String, String)>,
    ) -> Result<Params, Reply> {
        let mut params = match head.method {
            Method::GET => body::query(&head.query),
            _ => web.body.read(&head.headers, body).map_err(not_taken)?,
        };
        // What the path says was decided by whoever wrote the URL, and stands above the body.
        params.extend(captures.into_iter().map(|(name, value)| (name, Value::from(value))));
        let told = Told {
            method: &head.method,
            path: &head.path,
            query: &head.query,
            headers: &head.headers,
            client: head.client,
            body: web.keep_raw.then_some(body),
            node: self.node.as_deref(),
        };
        params.insert(REQUEST.to_owned(), told.param(&web.headers));
        Ok(params)
    }

    async fn activated(
        &self,
        web: &Web,
        head: &Head,
        params: Params,
        key: Option<String>,
    ) -> Result<Reply, Reply> {
        let watch = Watch::new();
        let key = key.as_deref().map(|key| (key, self.dedup_window));
        let taken = self.activator.activate_watched(params, key, Some(watch.clone())).await;
        let event_id = taken.map_err(|refused| turned_away(&refused))?.to_string();
        if !watch.is_of_a_new_event() {
            return Ok(json_reply(
                StatusCode::OK,
                json!({"event_id": event_id, "duplicate": true}).to_string(),
            ));
        }
        match web.respond {
            Respond::Accepted => {
                let matched = tokio::time::timeout(ROUTED, watch.matched()).await.ok();
                let mut answer = json!({ "event_id": event_id });
                if let Some(matched) = matched {
                    answer["matched"] = json!(matched);
                }
                let words = if matched == Some(0) { &web.fixed.unmatched } else { &web.fixed.matched };
                Ok(words.put(json_reply(StatusCode::OK, answer.to_string())))
            }
            Respond::Result(longest) => {
                let ended = self.stop.run_until_cancelled(tokio::time::timeout(longest, watch.ended())).await;
                let (ended, open) = match ended {
                    Some(Ok(ended)) => (ended, 0),
                    _ => watch.so_far(),
                };
                let outcome = Outcome { event_id, ended, open };
                Ok(outcome.reply(wants_text(&head.headers), &web.fixed))
            }
        }
    }
}

impl Head {
    fn presented<'a>(&'a self, body: &'a [u8], now: jiff::Timestamp) -> Presented<'a> {
        Presented { headers: &self.headers, query: &self.query, body, now }
    }
}

fn not_taken(why: NotTaken) -> Reply {
    match why {
        NotTaken::Type(sentence) => error_reply(StatusCode::UNSUPPORTED_MEDIA_TYPE, &sentence),
        NotTaken::Content(sentence) => error_reply(StatusCode::BAD_REQUEST, &sentence),
    }
}

/// A sender that only tries whether somebody is there: GitHub, Gogs and Gitea with a header, Bitbucket's servers with
/// another, Slack with a challenge in the body, which it wants back.
fn ping(headers: &HeaderMap, body: &[u8]) -> Option<Reply> {
    let says =
        |name: &str, value: &str| headers.get(name).is_some_and(|given| given.as_bytes() == value.as_bytes());
    let events = ["x-github-event", "x-gitea-event", "x-forgejo-event", "x-gogs-event"];
    if events.iter().any(|name| says(name, "ping")) || says("x-event-key", "diagnostics:ping") {
        return Some(json_reply(StatusCode::OK, json!({"ping": true}).to_string()));
    }
    if headers.contains_key("x-slack-signature") {
        let event: Value = serde_json::from_slice(body).ok()?;
        if event.get("type").and_then(Value::as_str) == Some("url_verification") {
            let answer = json!({"challenge": event.get("challenge")?});
            return Some(json_reply(StatusCode::OK, answer.to_string()));
        }
    }
    None
}
