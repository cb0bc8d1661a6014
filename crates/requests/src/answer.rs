//! From an accepted request to an event and the response.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use herald_core::activation::{NewEvent, Refused};
use herald_core::actor::Actor;
use herald_core::trigger::{Activator, CancellationToken};
use herald_core::watch::Watch;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, StatusCode};
use serde_json::json;

use crate::check::{AcceptedRequest, RequestCheck, SenderCheck};
use crate::head::RememberedKey;
use crate::rejection::{RejectedRequest, RejectionLog};
use crate::result::EventResult;
use crate::submission::{EventSubmission, EventSubmissions};
use crate::web::{Respond, Web};
use herald_net::serve::{ClientBody, JsonReply, ListenerArrivals, Peer, error_reply, json_reply};
use herald_webhook::delivery::RequestKey;

/// When to try again, in seconds, after an event was refused.
const SOON: HeaderValue = HeaderValue::from_static("1");
const LATER: HeaderValue = HeaderValue::from_static("5");
/// How long it may take until it is known whether a router matches an event. A selector may be slow; the response then
/// does not say.
const ROUTED: Duration = Duration::from_secs(5);

/// Creates an event of every accepted request.
pub struct Answers {
    /// The way to the dispatcher.
    pub activator: Activator,
    /// Those of the trigger that took this one's place meanwhile.
    pub follower: OnceLock<Arc<Answers>>,
    /// What is required of a request.
    pub check: Arc<RequestCheck>,
    /// Cancelled when the listener is to end.
    pub ending: CancellationToken,
    /// Whether a trigger is coming that may take this one's place.
    pub arrivals: ListenerArrivals,
    /// The requests of the listener that are becoming events.
    pub submissions: EventSubmissions,
    /// The log of requests that create no event.
    pub rejections: RejectionLog,
    /// Names the trigger where requests wait for its jobs.
    pub waits_for: Arc<str>,
}

impl Answers {
    /// Another trigger takes the place of this one: requests that are being answered become events of that one, since
    /// this one is in the configuration no longer.
    pub(crate) fn is_followed_by(&self, other: &Arc<Self>) {
        // Of several the first: it knows its own follower.
        let _ = self.follower.set(other.clone());
    }

    /// The request becomes an event, once no other trigger is about to take this one's place.
    async fn submission(&self) -> EventSubmission {
        let submission = self.submissions.begin();
        if self.arrivals.settled().now_or_never().is_some() {
            return submission;
        }
        drop(submission);
        self.arrivals.settled().await;
        self.submissions.begin()
    }

    /// The way to the dispatcher of the trigger that has this place.
    fn activator(&self) -> &Activator {
        let mut latest = self;
        while let Some(follower) = latest.follower.get() {
            latest = follower;
        }
        &latest.activator
    }

    /// The response. `captures` are the values in the path.
    pub(crate) async fn answer(
        &self,
        request: Request<ClientBody>,
        peer: &Peer,
        captures: Vec<(String, String)>,
    ) -> JsonReply {
        let clock = self.activator.clock();
        let accepted = self.check.accept(request, peer, captures, &**clock, SenderCheck::Required).await;
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(rejection) => return self.rejected(&rejection, peer),
        };
        let reply = match &self.check.web {
            None => self.activate(accepted, peer).await,
            Some(web) => self.activate_web(web, accepted, peer).await,
        };
        reply.unwrap_or_else(|refused| refused_reply(&refused))
    }

    fn rejected(&self, rejection: &RejectedRequest, peer: &Peer) -> JsonReply {
        let client = match rejection {
            RejectedRequest::Ping(_) => return rejection.reply(),
            RejectedRequest::Denied { client, .. } => {
                self.activator.rejected();
                Some(*client)
            }
            _ => peer.address.map(|address| address.ip()),
        };
        let (trigger, status, why) = (self.activator.name(), rejection.status(), rejection.why());
        self.rejections.write(status, move |others| {
            let client = client.map(tracing::field::display);
            tracing::warn!(
                trigger = &*trigger,
                status = status.as_u16(),
                client,
                others,
                "request rejected: {why}"
            );
        });
        rejection.reply()
    }

    async fn activate(&self, accepted: AcceptedRequest, peer: &Peer) -> Result<JsonReply, Refused> {
        let _submission = self.submission().await;
        let activator = self.activator();
        let event_id = activator.submit(event(activator, accepted, peer)).await?;
        Ok(event_reply(&event_id))
    }

    async fn activate_web(
        &self,
        web: &Web,
        accepted: AcceptedRequest,
        peer: &Peer,
    ) -> Result<JsonReply, Refused> {
        // While the sender waits for the jobs, it is not the sender that is slow.
        let waiting = peer.wait(&self.waits_for);
        if waiting.is_none() && matches!(web.respond, Respond::Result(_)) {
            return Ok(too_many_wait());
        }
        let (text, watch) = (accepted.text, Watch::new());
        let submission = self.submission().await;
        let activator = self.activator();
        let event = NewEvent { watch: Some(watch.clone()), ..event(activator, accepted, peer) };
        let event_id = activator.submit(event).await?.to_string();
        drop(submission);
        if !watch.is_of_a_new_event() {
            let duplicate = json!({"event_id": event_id, "duplicate": true});
            return Ok(json_reply(StatusCode::OK, duplicate.to_string()));
        }
        match web.respond {
            Respond::Accepted => {
                let matched = tokio::time::timeout(ROUTED, watch.matched()).await.ok();
                let mut answer = json!({ "event_id": event_id });
                if let Some(matched) = matched {
                    answer["matched"] = json!(matched);
                }
                let fixed = if matched == Some(0) { &web.fixed.unmatched } else { &web.fixed.matched };
                Ok(fixed.put(json_reply(StatusCode::OK, answer.to_string())))
            }
            Respond::Result(longest) => {
                let ended = self.ending.run_until_cancelled(tokio::time::timeout(longest, watch.ended()));
                let ended = match &waiting {
                    Some(waiting) => waiting.for_work(ended).await,
                    None => ended.await,
                };
                let (ended, open) = match ended {
                    Some(Ok(ended)) => (ended, Vec::new()),
                    _ => watch.so_far(),
                };
                Ok(EventResult { event_id, ended, open }.reply(text, &web.fixed))
            }
        }
    }
}

/// The event of a request.
fn event(activator: &Activator, accepted: AcceptedRequest, peer: &Peer) -> NewEvent {
    let AcceptedRequest { params, key, client, .. } = accepted;
    let key = key.map(|RememberedKey { key, window }| match key {
        RequestKey::Signed(name) => activator.key(&name, window),
        RequestKey::Unsigned { name, content } => activator.key(&name, window).with_content(&content),
        RequestKey::Named { name, signed } => activator.key(&name, window).or(&activator.key_name(&signed)),
    });
    let address = client.map(|client| peer.text_of(client));
    let by = Arc::new(Actor { address, ..Actor::via(activator.name()) });
    NewEvent { key, by: Some(by), ..activator.event(params) }
}

fn event_reply(event_id: &str) -> JsonReply {
    // An id is a UUID: nothing in it is to be escaped.
    json_reply(StatusCode::OK, ["{\"event_id\":\"", event_id, "\"}"].concat())
}

/// The response where too many senders wait for the jobs of their events already. No event was created.
fn too_many_wait() -> JsonReply {
    let why = "too many requests to this trigger wait for their jobs (respond: result); try again later";
    let mut reply = error_reply(StatusCode::SERVICE_UNAVAILABLE, why);
    reply.headers_mut().insert(RETRY_AFTER, SOON);
    reply
}

/// The response where no event was created.
fn refused_reply(refused: &Refused) -> JsonReply {
    let (status, again) = match refused {
        Refused::Busy => (StatusCode::TOO_MANY_REQUESTS, SOON),
        Refused::Stopping | Refused::Unrecorded(_) => (StatusCode::SERVICE_UNAVAILABLE, LATER),
        Refused::TooDeep(_) => return error_reply(StatusCode::BAD_REQUEST, &refused.to_string()),
        Refused::OtherContent => {
            return error_reply(StatusCode::UNPROCESSABLE_ENTITY, &refused.to_string());
        }
    };
    let mut reply = error_reply(status, &refused.to_string());
    reply.headers_mut().insert(RETRY_AFTER, again);
    reply
}
