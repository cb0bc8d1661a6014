//! Listeners that several triggers share: each is for the requests whose path is its own.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use herald_core::trigger::ComponentError;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::answer::Answers;
use super::fixed::text_reply;
use crate::tls::TlsListener;
use herald_net::listen::{Listener, bind_tcp, bind_unix};
use herald_net::serve::{self, Handler, JsonReply, Peer, ServeOptions, error_reply};
use herald_webhook::body::BodyKind;
use herald_webhook::path::{Pattern, clash, precedence};

/// How long a request waits for triggers that are going to be mounted.
const LONGEST_COMING: Duration = Duration::from_secs(2);

/// Where triggers listen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum ListenAddress {
    /// Host and port.
    Tcp(String, u16),
    /// Path and permissions.
    Unix(PathBuf, u32),
}

impl ListenAddress {
    async fn bind(&self) -> Result<Listener, ComponentError> {
        match self {
            Self::Tcp(host, port) => bind_tcp(host, *port).await,
            Self::Unix(path, mode) => bind_unix(path, *mode).await.map(Listener::Unix),
        }
        .map_err(ComponentError::new)
    }

    /// Whether it is the same port or socket.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unix(one, _), Self::Unix(other, _)) => one == other,
            _ => self == other,
        }
    }

    pub(super) fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(..))
    }

    /// Any free port is another one for everybody.
    pub(super) fn can_be_shared(&self) -> bool {
        !matches!(self, Self::Tcp(_, 0))
    }
}

/// The listeners of this process. Triggers know nothing of each other; what they share is the port, and a process has
/// each port once.
static HELD: LazyLock<tokio::sync::Mutex<HashMap<ListenAddress, Weak<SharedListener>>>> =
    LazyLock::new(Default::default);

/// A listener.
pub(super) struct SharedListener {
    pub(super) address: String,
    /// What may follow the address.
    pub(super) tls_suffix: &'static str,
    tls: Option<TlsListener>,
    listening: Mutex<Listening>,
    mounts: Arc<Mounts>,
}

enum Listening {
    /// Connections wait in the kernel's queue.
    Bound(Listener),
    Serving(CancellationToken, JoinHandle<()>),
    Ended,
}

/// The listener at this place: one that is there already, or a new one. On a port all speak the same TLS, or none.
pub(super) async fn hold(
    address: &ListenAddress,
    tls: Option<&TlsListener>,
) -> Result<ListenerUse, ComponentError> {
    let tls = tls.filter(|_| address.is_tcp());
    let mut held = HELD.lock().await;
    held.retain(|_, shared| shared.strong_count() > 0);
    let there = held.get(address).and_then(Weak::upgrade).filter(|shared| !shared.has_ended());
    if let Some(shared) = there {
        if shared.tls.as_ref() != tls {
            let what = "another trigger listens on the same port with another `tls`, or without; give all of them the same";
            return Err(ComponentError::new(what.to_owned()));
        }
        return Ok(ListenerUse::of(shared));
    }
    let loaded = match tls {
        Some(tls) => Some(tls.load().await?),
        None => None,
    };
    let listener = address.bind().await?;
    let listener = if loaded.is_some() { listener.with_tls(loaded) } else { listener };
    let shared = Arc::new(SharedListener {
        address: listener.address(),
        tls_suffix: listener.tls_suffix(),
        tls: tls.cloned(),
        listening: Mutex::new(Listening::Bound(listener)),
        mounts: Arc::default(),
    });
    if address.can_be_shared() {
        held.insert(address.clone(), Arc::downgrade(&shared));
    }
    Ok(ListenerUse::of(shared))
}

/// A listener in use by a trigger that is going to be mounted: requests wait for it for a moment, instead of a response
/// that no trigger matches.
pub(super) struct ListenerUse {
    shared: Arc<SharedListener>,
}

impl ListenerUse {
    fn of(shared: Arc<SharedListener>) -> Self {
        shared.mounts.coming.send_modify(|coming| *coming += 1);
        Self { shared }
    }
}

impl std::ops::Deref for ListenerUse {
    type Target = Arc<SharedListener>;

    fn deref(&self) -> &Arc<SharedListener> {
        &self.shared
    }
}

impl Drop for ListenerUse {
    fn drop(&mut self) {
        self.shared.mounts.coming.send_modify(|coming| *coming -= 1);
    }
}

impl SharedListener {
    /// Answers the requests whose path fits, until the mount is taken away.
    pub(super) fn mount(
        self: &Arc<Self>,
        pattern: Option<Pattern>,
        answers: Arc<Answers>,
    ) -> Result<Mounted, ComponentError> {
        let number = self.mounts.add(pattern, answers)?;
        Ok(Mounted { shared: self.clone(), number })
    }

    /// Serves from now on, if it does not yet.
    pub(super) fn serve(&self, limits: ServeOptions) {
        let mut listening = self.listening();
        let listener = match std::mem::replace(&mut *listening, Listening::Ended) {
            Listening::Bound(listener) => listener,
            as_it_was => {
                *listening = as_it_was;
                return;
            }
        };
        let stop = CancellationToken::new();
        let serving = serve::serve(vec![listener], limits, self.mounts.clone(), stop.clone());
        // Ended by the last mount that is taken away, or when the listener is dropped.
        *listening = Listening::Serving(stop, tokio::spawn(serving));
    }

    fn has_ended(&self) -> bool {
        matches!(*self.listening(), Listening::Ended)
    }

    /// The local address, for tests that let the kernel choose a port.
    #[cfg(test)]
    pub(super) fn local_addr(&self) -> Option<std::net::SocketAddr> {
        match &*self.listening() {
            Listening::Bound(Listener::Tcp(tcp) | Listener::Tls(tcp, _)) => tcp.local_addr().ok(),
            _ => None,
        }
    }

    fn listening(&self) -> MutexGuard<'_, Listening> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SharedListener {
    fn drop(&mut self) {
        if let Listening::Serving(stop, task) = &*self.listening() {
            stop.cancel();
            task.abort();
        }
    }
}

/// One trigger at a listener.
pub(super) struct Mounted {
    shared: Arc<SharedListener>,
    number: u64,
}

impl Mounted {
    /// Takes it away. The last one ends the listener cleanly.
    pub(super) async fn end(self) {
        let shared = self.shared.clone();
        drop(self);
        if !shared.mounts.is_empty() || *shared.mounts.coming.borrow() > 0 {
            return;
        }
        let before = std::mem::replace(&mut *shared.listening(), Listening::Ended);
        if let Listening::Serving(stop, task) = before {
            stop.cancel();
            // It only panics if a handler's drop does; there is nobody to tell.
            let _ = task.await;
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.shared.mounts.remove(self.number);
    }
}

/// What a path holds: names and values.
type Captures = Vec<(String, String)>;

/// Who answers which requests: those whose path says most come first.
#[derive(Default)]
struct Mounts {
    all: RwLock<Vec<Mount>>,
    /// How many triggers are going to be mounted.
    coming: watch::Sender<usize>,
}

struct Mount {
    number: u64,
    pattern: Option<Pattern>,
    answers: Arc<Answers>,
}

impl Mounts {
    fn add(&self, pattern: Option<Pattern>, answers: Arc<Answers>) -> Result<u64, ComponentError> {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let same = |mount: &&Mount| clash(mount.pattern.as_ref(), pattern.as_ref());
        if let Some(other) = all.iter().find(same) {
            let what =
                pattern.as_ref().map_or("every path".to_owned(), |pattern| format!("the path {pattern}"));
            return Err(ComponentError::new(format!(
                "{what} is taken by the trigger \"{}\" on the same port; give them different paths",
                other.answers.activator.trigger()
            )));
        }
        let number = all.iter().map(|mount| mount.number).max().map_or(0, |last| last + 1);
        all.push(Mount { number, pattern, answers });
        // Without a pattern last.
        all.sort_by_key(|mount| precedence(mount.pattern.as_ref()));
        Ok(number)
    }

    fn remove(&self, number: u64) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).retain(|mount| mount.number != number);
    }

    fn is_empty(&self) -> bool {
        self.all.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether it is what load balancers ask the program webhook, on a port of triggers that stand in for it.
    fn is_webhook_probe(&self, request: &Request<Incoming>) -> bool {
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

    async fn handle(&self, request: Request<Incoming>, peer: &Peer) -> JsonReply {
        if *self.coming.borrow() > 0 {
            let mut coming = self.coming.subscribe();
            // Late ones are not waited for any longer; the sender is ours.
            let _ = tokio::time::timeout(LONGEST_COMING, coming.wait_for(|coming| *coming == 0)).await;
        }
        match self.find(request.uri().path()) {
            Some((answers, captures)) => answers.answer(request, peer, captures).await,
            None if self.is_webhook_probe(&request) => text_reply(StatusCode::OK, "OK"),
            None => error_reply(StatusCode::NOT_FOUND, "no trigger is for this path"),
        }
    }
}
