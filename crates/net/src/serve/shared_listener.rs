//! Listeners that have several users at once, and whose users change while they serve: no connection is closed, and no
//! request refused, because one user takes the place of another.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::listen::{ListenError, Listener, ListenerTls, bind_tcp, bind_unix, set_unix_mode};
use crate::serve::client_body::ClientBody;
use crate::serve::options::ServeOptions;
use crate::serve::peer::Peer;
use crate::serve::server::{Handler, serve};
use crate::tls::ServerTls;

/// How long requests wait for users that are coming.
const LONGEST_COMING: Duration = Duration::from_secs(2);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// Host and port.
    Tcp(String, u16),
    /// Path and permissions.
    Unix(PathBuf, u32),
}

/// A port or a socket, whatever its permissions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenPlace {
    /// Host and port.
    Tcp(String, u16),
    /// Path.
    Unix(PathBuf),
}

impl ListenAddress {
    /// The port or socket.
    #[must_use]
    pub fn place(&self) -> ListenPlace {
        match self {
            Self::Tcp(host, port) => ListenPlace::Tcp(host.clone(), *port),
            Self::Unix(path, _) => ListenPlace::Unix(path.clone()),
        }
    }

    /// Whether it is a port.
    #[must_use]
    pub fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(..))
    }

    /// Whether it is any free port, which is another one for everybody.
    #[must_use]
    pub fn is_any_port(&self) -> bool {
        matches!(self, Self::Tcp(_, 0))
    }

    /// Whether both are the same port of different hosts: then one may have to be closed for the other.
    #[must_use]
    pub fn is_in_the_way_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(host, port), Self::Tcp(other_host, other_port)) => {
                port == other_port && *port != 0 && host != other_host
            }
            _ => false,
        }
    }
}

/// A listener and what answers there.
pub struct SharedListener<H> {
    address: String,
    tls: ListenerTls,
    unix: Option<PathBuf>,
    unix_mode: Mutex<u32>,
    listening: Mutex<Listening>,
    stop: CancellationToken,
    server: Arc<SharedServer<H>>,
}

enum Listening {
    /// Connections wait in the kernel's queue.
    Bound(Box<Listener>),
    Serving(JoinHandle<()>),
    Ended,
}

/// What connections see.
struct SharedServer<H> {
    handler: H,
    users: Arc<ListenerUsers>,
    began: Instant,
    /// When TLS changed in a way that concerns connections that were there before, in milliseconds since it began; 0
    /// for never. Every answer asks for that, so it takes no lock.
    secured: AtomicU64,
}

/// The users of a listener.
struct ListenerUsers {
    counts: watch::Sender<UserCounts>,
    /// Whether some are coming: every request asks for that, so it takes no lock.
    are_coming: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct UserCounts {
    /// Those that are going to answer, and since when there are any.
    coming: usize,
    since: Instant,
    present: usize,
}

impl ListenerUsers {
    fn new() -> Self {
        let (counts, _) = watch::channel(UserCounts { coming: 0, since: Instant::now(), present: 0 });
        Self { counts, are_coming: AtomicBool::new(false) }
    }

    fn change(&self, change: impl FnOnce(&mut UserCounts)) {
        self.counts.send_modify(|counts| {
            change(counts);
            // In one order with the count of requests that are becoming events.
            self.are_coming.store(counts.coming > 0, Ordering::SeqCst);
        });
    }

    fn are_coming(&self) -> bool {
        self.are_coming.load(Ordering::SeqCst)
    }

    /// Resolves once nobody is coming, or those that are take too long.
    async fn settled(&self) {
        if !self.are_coming() {
            return;
        }
        let mut counts = self.counts.subscribe();
        let since = counts.borrow().since;
        let _ = timeout_at(since + LONGEST_COMING, counts.wait_for(|counts| counts.coming == 0)).await;
    }
}

impl<H: Handler> SharedListener<H> {
    /// Listens, and serves once the first user [enters](ListenerUse::enter).
    ///
    /// # Errors
    /// Names the address and what to do.
    pub async fn bind(
        address: &ListenAddress,
        tls: Option<ServerTls>,
        handler: H,
    ) -> Result<Arc<Self>, ListenError> {
        let (listener, unix, mode) = match address {
            ListenAddress::Tcp(host, port) => (bind_tcp(host, *port).await?, None, 0),
            ListenAddress::Unix(path, mode) => {
                (Listener::Unix(bind_unix(path, *mode).await?), Some(path.clone()), *mode)
            }
        };
        let tls = ListenerTls::from(tls);
        let listener = listener.with_tls(tls.clone());
        let users = Arc::new(ListenerUsers::new());
        Ok(Arc::new(Self {
            address: listener.address(),
            tls,
            unix,
            unix_mode: Mutex::new(mode),
            listening: Mutex::new(Listening::Bound(Box::new(listener))),
            stop: CancellationToken::new(),
            server: Arc::new(SharedServer {
                handler,
                users,
                began: Instant::now(),
                secured: AtomicU64::new(0),
            }),
        }))
    }

    /// Where it listens, for people.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What may follow the address: ` over TLS`, where that is so.
    #[must_use]
    pub fn tls_suffix(&self) -> &'static str {
        if self.tls.get().is_some() { " over TLS" } else { "" }
    }

    /// What answers.
    #[must_use]
    pub fn handler(&self) -> &H {
        &self.server.handler
    }

    /// Cancelled at its end. Requests that are answered then have a moment left.
    #[must_use]
    pub fn ending(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Whether nobody can use it any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(*self.listening(), Listening::Ended)
    }

    /// Whether a user is coming.
    #[must_use]
    pub fn is_expecting(&self) -> bool {
        self.server.users.are_coming()
    }

    /// Shows whether users are coming.
    #[must_use]
    pub fn arrivals(&self) -> ListenerArrivals {
        ListenerArrivals(self.server.users.clone())
    }

    /// Announces a user: from now on requests wait for it a moment, and the listener stays. The user brings its TLS and
    /// its permissions, which hold once it enters.
    #[must_use]
    pub fn hold(self: &Arc<Self>, address: &ListenAddress, tls: Option<ServerTls>) -> ListenerUse<H> {
        self.server.users.change(|users| {
            if users.coming == 0 {
                users.since = Instant::now();
            }
            users.coming += 1;
        });
        let mode = if let ListenAddress::Unix(_, mode) = address { Some(*mode) } else { None };
        ListenerUse { shared: self.clone(), tls, mode }
    }

    fn listening(&self) -> MutexGuard<'_, Listening> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves from now on, if it does not yet.
    fn serve(&self, options: ServeOptions) {
        let mut listening = self.listening();
        match std::mem::replace(&mut *listening, Listening::Ended) {
            Listening::Bound(listener) => {
                let serving = serve(vec![*listener], options, self.server.clone(), self.stop.clone());
                // Ended by the last user that leaves, or when this is dropped.
                *listening = Listening::Serving(tokio::spawn(serving));
            }
            as_it_was => *listening = as_it_was,
        }
    }

    /// Connections of before stay open. Where clients need not be the same any more, each of those has one more answer.
    fn secure(&self, tls: Option<ServerTls>) {
        let before = self.tls.get();
        let files = |tls: &Option<ServerTls>| tls.as_ref().map(|tls| tls.files().clone());
        let (old, new) = (files(&before), files(&tls));
        if old == new {
            return;
        }
        let clients = |files: Option<crate::tls::ServerFiles>| files.map(|files| files.client_ca);
        self.tls.set(tls);
        if clients(old) != clients(new) {
            self.server.secured.fetch_max(self.server.millis(Instant::now()).max(1), Ordering::AcqRel);
        }
    }

    fn set_mode(&self, mode: u32) {
        let mut now = self.unix_mode.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = self.unix.as_ref().filter(|_| *now != mode) {
            match set_unix_mode(path, mode) {
                Ok(()) => *now = mode,
                Err(error) => tracing::error!("{error}"),
            }
        }
    }
}

impl<H> Drop for SharedListener<H> {
    fn drop(&mut self) {
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Listening::Serving(task) = &*listening {
            self.stop.cancel();
            task.abort();
        }
    }
}

/// A user that is coming. Dropped, it does not come.
pub struct ListenerUse<H: Handler> {
    shared: Arc<SharedListener<H>>,
    tls: Option<ServerTls>,
    mode: Option<u32>,
}

impl<H: Handler> ListenerUse<H> {
    /// The listener.
    #[must_use]
    pub fn listener(&self) -> &Arc<SharedListener<H>> {
        &self.shared
    }

    /// The user is there, and what it wants of the handler is done: requests wait for it no longer.
    #[must_use]
    pub fn enter(self, options: ServeOptions) -> ListenerStay<H> {
        let shared = self.shared.clone();
        shared.secure(self.tls.clone());
        if let Some(mode) = self.mode {
            shared.set_mode(mode);
        }
        shared.server.users.change(|users| users.present += 1);
        let stay = ListenerStay { shared };
        drop(self);
        stay.shared.serve(options);
        stay
    }
}

impl<H: Handler> Drop for ListenerUse<H> {
    fn drop(&mut self) {
        self.shared.server.users.change(|users| users.coming -= 1);
    }
}

/// A user that is there. Dropped, it is not any more.
pub struct ListenerStay<H: Handler> {
    shared: Arc<SharedListener<H>>,
}

impl<H: Handler> ListenerStay<H> {
    /// The user goes. The last one ends the listener cleanly, unless another one is coming.
    pub async fn leave(self) {
        let shared = self.shared.clone();
        drop(self);
        let users = *shared.server.users.counts.borrow();
        if users.present + users.coming > 0 {
            return;
        }
        let before = std::mem::replace(&mut *shared.listening(), Listening::Ended);
        if let Listening::Serving(task) = before {
            shared.stop.cancel();
            // It only panics if a handler's drop does, and nobody needs to know.
            let _ = task.await;
        }
    }
}

impl<H: Handler> Drop for ListenerStay<H> {
    fn drop(&mut self) {
        self.shared.server.users.change(|users| users.present -= 1);
    }
}

/// Shows whether users are coming to a listener.
#[derive(Clone)]
pub struct ListenerArrivals(Arc<ListenerUsers>);

impl ListenerArrivals {
    /// Resolves once nobody is coming, or those that are take too long.
    pub async fn settled(&self) {
        self.0.settled().await;
    }
}

impl<H> SharedServer<H> {
    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }
}

impl<H: Handler> Handler for SharedServer<H> {
    type Body = H::Body;

    async fn handle(&self, request: Request<ClientBody>, peer: &Peer) -> Response<H::Body> {
        self.users.settled().await;
        let mut reply = self.handler.handle(request, peer).await;
        let secured = self.secured.load(Ordering::Acquire);
        if secured > 0 && self.millis(peer.connected) <= secured {
            reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }
}
