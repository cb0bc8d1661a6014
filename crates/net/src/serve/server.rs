//! Connections: accepted up to a limit, served, ended.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::listen::Listener;
use crate::serve::client_stream::Client;
use crate::serve::connection_slots::{Place, Places};
use crate::tls::ServerTls;

/// How long to wait when no connection can be accepted, for want of file descriptors say.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What a client may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many connections are open at once; more wait in the kernel's queue.
    pub connections: usize,
    /// How long a connection may go without an answer when others wait for its place.
    pub fair: Duration,
    /// How long the head of a request may take to arrive, and how long a connection may be idle before it.
    pub head: Duration,
    /// How many bytes the head of a request may have.
    pub head_bytes: usize,
    /// How long a client may take nothing of an answer.
    pub write: Duration,
    /// At the end: how long requests that are being answered may take.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            fair: Duration::from_secs(2),
            head: Duration::from_secs(30),
            head_bytes: 64 << 10,
            write: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}

/// Who sent a request.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address; none on a unix socket.
    pub address: Option<SocketAddr>,
    /// Whether the listener can be reached from this machine only, over TCP.
    pub loopback: bool,
    /// How many of its requests wait for something that is not the client's affair.
    waiting: Arc<AtomicUsize>,
}

impl Peer {
    /// Whoever comes from this address.
    #[must_use]
    pub fn new(address: Option<SocketAddr>, loopback: bool) -> Self {
        Self { address, loopback, waiting: Arc::default() }
    }

    /// While this lives, the client waits for Herald: its connection is not taken for one that says nothing.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self.waiting.clone())
    }
}

/// A client waits for Herald.
#[derive(Debug)]
pub struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// What it answers with: a whole, or a stream.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    /// MUST bound what it reads of the body, in size and in time, see [`super::read_whole`].
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// Serves until `stop` is cancelled. Then nothing more is accepted, idle connections are closed, and requests that
/// are being answered get `limits.drain` to end. Dropped, it ends all connections at once.
pub async fn serve<H: Handler>(
    listeners: Vec<Listener>,
    limits: Limits,
    handler: Arc<H>,
    stop: CancellationToken,
) {
    let forced = CancellationToken::new();
    let _end_all = forced.clone().drop_guard();
    let tasks = TaskTracker::new();
    let door = Door {
        places: Places::new(limits.connections, limits.fair),
        drain: limits.drain,
        limits: Arc::new(limits),
        handler,
        stop,
        forced: forced.clone(),
        tasks: tasks.clone(),
    };
    join_all(listeners.iter().map(|listener| door.accept_all(listener))).await;
    // New clients are refused by the kernel from here on, rather than left waiting.
    drop(listeners);
    tasks.close();
    if tokio::time::timeout(door.drain, tasks.wait()).await.is_err() {
        tracing::warn!("{} connections did not end in time and are cut", tasks.len());
        forced.cancel();
        tasks.wait().await;
    }
}

/// What every accepted connection needs.
struct Door<H> {
    places: Arc<Places>,
    limits: Arc<Limits>,
    drain: Duration,
    handler: Arc<H>,
    stop: CancellationToken,
    forced: CancellationToken,
    tasks: TaskTracker,
}

impl<H: Handler> Door<H> {
    async fn accept_all(&self, listener: &Listener) {
        let loopback = listener.is_loopback();
        let mut failing = false;
        loop {
            let accepted = match listener {
                Listener::Tcp(tcp) | Listener::Shielded(tcp, _) => {
                    match self.stop.run_until_cancelled(tcp.accept()).await {
                        None => return,
                        Some(Ok((stream, address))) => {
                            // Small answers must not wait for an acknowledgement; without it they are only slower.
                            let _ = stream.set_nodelay(true);
                            self.seat(stream, Peer::new(Some(address), loopback), listener.tls()).await;
                            Ok(())
                        }
                        Some(Err(error)) => Err(error),
                    }
                }
                Listener::Unix(unix) => match self.stop.run_until_cancelled(unix.listener().accept()).await {
                    None => return,
                    Some(Ok((stream, _))) => {
                        self.seat(stream, Peer::new(None, loopback), None).await;
                        Ok(())
                    }
                    Some(Err(error)) => Err(error),
                },
            };
            if let Err(error) = &accepted {
                if !failing {
                    tracing::warn!(
                        "{} cannot accept connections for the moment: {error}",
                        listener.address()
                    );
                }
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
            failing = accepted.is_err();
        }
    }

    /// Serves the connection once there is a place for it.
    async fn seat<S>(&self, stream: S, peer: Peer, tls: Option<ServerTls>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Some(Some(place)) = self.stop.run_until_cancelled(self.places.enter(&peer.waiting)).await else {
            return;
        };
        let (limits, handler) = (self.limits.clone(), self.handler.clone());
        // A token of its own: connections that look at one share its lock.
        let (stop, forced) = (self.stop.child_token(), self.forced.clone());
        self.tasks.spawn(async move {
            let served = async {
                let Some(tls) = tls else {
                    return connection(stream, peer, &limits, &*handler, &stop, &place).await;
                };
                match stop.run_until_cancelled(tls.accept(stream)).await {
                    Some(Ok(stream)) => connection(stream, peer, &limits, &*handler, &stop, &place).await,
                    Some(Err(error)) => tracing::debug!(peer = ?peer.address, "no TLS connection: {error}"),
                    None => {}
                }
            };
            tokio::select! {
                () = served => {}
                () = forced.cancelled() => {}
                () = place.leave() => tracing::debug!("a connection that said too little made room for another"),
            }
        });
    }
}

/// One connection, from its first request to its last.
async fn connection<S, H>(
    stream: S,
    peer: Peer,
    limits: &Limits,
    handler: &H,
    stop: &CancellationToken,
    place: &Place,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Handler,
{
    let unread = AtomicBool::new(false);
    let service = service_fn(|request| async {
        let reply = handler.handle(request, &peer).await;
        place.answered();
        if !reply.status().is_success() {
            unread.store(true, Ordering::Relaxed);
        }
        Ok::<_, Infallible>(reply)
    });
    let client = TokioIo::new(Client::new(stream, limits.write, &unread));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes)
        .serve_connection(client, service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        biased;
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        // A client that goes away or sends no HTTP is its own affair.
        tracing::debug!(peer = ?peer.address, "connection ended: {error}");
    }
}
