//! Listeners that several triggers share: each is for the requests whose path is its own. A trigger takes the place of
//! another one without a request in between that nobody answers.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock, Weak};

use bytes::Bytes;
use herald_core::trigger::ComponentError;
use http::{Method, Request, StatusCode};
use http_body_util::Full;

use crate::answer::Answers;
use crate::fixed::text_reply;
use crate::rejection::RejectionLog;
use crate::submission::EventSubmissions;
use herald_net::serve::{
    ClientBody, Handler, JsonReply, ListenAddress, ListenPlace, ListenerStay, ListenerUse, Peer,
    ServeOptions, SharedListener, error_reply,
};
use herald_net::tls::ServerTls;
use herald_webhook::body::BodyKind;
use herald_webhook::path::{Pattern, clash, precedence};

/// How much of a path is logged, in characters.
const LONGEST_PATH: usize = 100;

/// A listener of triggers.
pub type HttpListener = SharedListener<Mounts>;

/// The listeners of this process. Triggers know nothing of each other; what they share is the port, and a process has
/// each port once.
static HELD: LazyLock<tokio::sync::Mutex<HashMap<ListenPlace, Weak<HttpListener>>>> =
    LazyLock::new(Default::default);

/// The listener at this place: the one of the trigger before, one that is there already, or a new one. `tls` is for
/// TCP alone.
///
/// # Errors
/// The address cannot be listened at.
pub async fn hold(
    address: &ListenAddress,
    tls: Option<ServerTls>,
    before: Option<Arc<HttpListener>>,
) -> Result<ListenerUse<Mounts>, ComponentError> {
    let mut held = HELD.lock().await;
    held.retain(|_, shared| shared.strong_count() > 0);
    let there = held.get(&address.place()).and_then(Weak::upgrade);
    if let Some(shared) = before.or(there).filter(|shared| !shared.has_ended()) {
        return Ok(shared.hold(address, tls));
    }
    let shared = SharedListener::bind(address, tls.clone(), Mounts::default()).await;
    let shared = shared.map_err(ComponentError::new)?;
    if !address.is_any_port() {
        held.insert(address.place(), Arc::downgrade(&shared));
    }
    Ok(shared.hold(address, tls))
}

/// Answers the requests whose path fits, until the mount is taken away. It comes before those that are there already
/// with the same path.
#[must_use]
pub fn mount(
    held: ListenerUse<Mounts>,
    pattern: Option<Pattern>,
    answers: Arc<Answers>,
    limits: ServeOptions,
) -> Mounted {
    let shared = held.listener().clone();
    let number = shared.handler().add(pattern, answers);
    Mounted { mount: MountNumber { shared, number }, stay: held.enter(limits) }
}

/// One trigger at a listener.
pub struct Mounted {
    mount: MountNumber,
    stay: ListenerStay<Mounts>,
}

impl Mounted {
    /// Takes it away. The last one ends the listener cleanly. Requests that are being answered are finished.
    pub async fn end(self) {
        let Self { mount, stay } = self;
        drop(mount);
        stay.leave().await;
    }
}

struct MountNumber {
    shared: Arc<HttpListener>,
    number: u64,
}

impl Drop for MountNumber {
    fn drop(&mut self) {
        self.shared.handler().remove(self.number);
    }
}

/// What a path holds: names and values.
type Captures = Vec<(String, String)>;

/// Who answers which requests: those whose path says most come first, and of the same path the latest.
#[derive(Default)]
pub struct Mounts {
    all: RwLock<Vec<Mount>>,
    /// The requests that are becoming events.
    pub submissions: EventSubmissions,
    /// The log of requests that no trigger is for.
    rejections: RejectionLog,
}

struct Mount {
    number: u64,
    pattern: Option<Pattern>,
    answers: Arc<Answers>,
}

impl Mounts {
    fn add(&self, pattern: Option<Pattern>, answers: Arc<Answers>) -> u64 {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        // The check of the configuration finds two triggers with one path: this one takes the place of the other.
        let same = |mount: &&Mount| clash(mount.pattern.as_ref(), pattern.as_ref());
        all.iter().filter(same).for_each(|mount| mount.answers.is_followed_by(&answers));
        let number = all.iter().map(|mount| mount.number).max().map_or(0, |last| last + 1);
        all.push(Mount { number, pattern, answers });
        // Without a pattern last.
        all.sort_by_key(|mount| (precedence(mount.pattern.as_ref()), Reverse(mount.number)));
        number
    }

    fn remove(&self, number: u64) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).retain(|mount| mount.number != number);
    }

    /// Whether it is what load balancers ask the program webhook, on a port of triggers that stand in for it.
    fn is_webhook_probe(&self, request: &Request<ClientBody>) -> bool {
        let is_probe = request.uri().path() == "/" && [Method::GET, Method::HEAD].contains(request.method());
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let stands_in =
            |mount: &Mount| mount.answers.check.web.as_ref().is_some_and(|web| web.body == BodyKind::Webhook);
        is_probe && all.iter().any(stands_in)
    }

    /// Who answers this path, and what its captures hold.
    fn find(&self, path: &str) -> Option<(Arc<Answers>, Captures)> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().find_map(|mount| match &mount.pattern {
            None => Some((mount.answers.clone(), Vec::new())),
            Some(pattern) => {
                let captures = pattern.captures(path)?;
                let owned = captures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                Some((mount.answers.clone(), owned))
            }
        })
    }
}

impl Handler for Mounts {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<ClientBody>, peer: &Peer) -> JsonReply {
        match self.find(request.uri().path()) {
            Some((answers, captures)) => answers.answer(request, peer, captures).await,
            None if self.is_webhook_probe(&request) => text_reply(StatusCode::OK, "OK"),
            None => {
                let path: String = request.uri().path().chars().take(LONGEST_PATH).collect();
                let client = peer.address.map(|address| address.ip());
                self.rejections.write(StatusCode::NOT_FOUND, move |others| {
                    let client = client.map(tracing::field::display);
                    tracing::warn!(
                        path,
                        status = 404,
                        client,
                        others,
                        "request rejected: no trigger is for this path"
                    );
                });
                error_reply(StatusCode::NOT_FOUND, "no trigger is for this path")
            }
        }
    }
}
