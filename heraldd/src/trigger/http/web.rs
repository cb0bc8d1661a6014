//! Web hooks: what a trigger does that is more than to take JSON by POST.

use std::time::Duration;

use bytes::Bytes;
use herald_core::trigger_param::TriggerParam;
use herald_core::watch::Watch;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::answer::{Answers, turned_away, wrong_method};
use super::head::{Head, Turned};
use super::options::{Respond, Web};
use super::result::{Outcome, wants_text};
use herald_net::serve::{Peer, Reply, error_reply, json_reply};

/// How long it may take until it is known whether a router wants an event. A selector may be slow; the answer then says
/// nothing of it.
const ROUTED: Duration = Duration::from_secs(5);

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
        let (parts, incoming) = request.into_parts();
        let head = Head::new(parts.method, &parts.uri, parts.headers, client);
        let now = self.activator.clock().now();
        let turned = |turned: Turned| self.turned(web, &head, turned);
        head.examine_head(web, now, true).map_err(turned)?;
        let body = if head.has_body(web) { self.read(incoming).await? } else { Bytes::new() };
        head.examine(web, &body, now, true).map_err(turned)?;
        let bad = |why: String| error_reply(StatusCode::BAD_REQUEST, &why);
        let named = self.key(&head.headers).map_err(bad)?;
        let counts = !self.dedup_window.is_zero();
        let key = named.or_else(|| head.delivery(web, &body, now).filter(|_| counts));
        let text = wants_text(&head.headers);
        let params = head.into_params(web, &body, captures, self.node.as_deref());
        let params = params.map_err(|turned| error_reply(turned.status(), &turned.why()))?;
        // While the sender waits for the jobs, it is not the sender that is slow.
        let _waiting = peer.waiting();
        self.activated(web, params, key, text).await
    }

    /// The answer to a request that makes no event.
    fn turned(&self, web: &Web, head: &Head, turned: Turned) -> Reply {
        match &turned {
            Turned::Method => wrong_method(&web.methods),
            Turned::Ping(answer) => json_reply(StatusCode::OK, answer.to_string()),
            Turned::Denied(denied) => {
                let (trigger, client) = (self.activator.trigger(), head.client);
                tracing::warn!(trigger, %client, "a request was turned away: {}", denied.0);
                let mut reply = error_reply(turned.status(), &denied.0);
                if web.auth.as_ref().is_some_and(|auth| auth.is_basic()) {
                    let challenge = HeaderValue::from_static("Basic realm=\"herald\", charset=\"UTF-8\"");
                    reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                }
                reply
            }
            _ => error_reply(turned.status(), &turned.why()),
        }
    }

    async fn activated(
        &self,
        web: &Web,
        params: TriggerParam,
        key: Option<String>,
        text: bool,
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
                    Some(Ok(ended)) => (ended, Vec::new()),
                    _ => watch.so_far(),
                };
                Ok(Outcome { event_id, ended, open }.reply(text, &web.fixed))
            }
        }
    }
}
