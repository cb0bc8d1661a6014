//! Connections: accepted up to a limit, served, ended.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::io::Errno;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::listen::Listener;
use crate::serve::client_body::ClientBody;
use crate::serve::client_stream::{ClientLimits, ClientStream, RequestProgress};
use crate::serve::connection_slots::{Admission, ConnectionSlots, Slot};
use crate::serve::head_clock::HeadLimits;
use crate::serve::options::{ServeOptions, ServerStop};
use crate::serve::peer::Peer;
use crate::serve::refusal::{self, REFUSALS};
use crate::serve::reply::{JsonReply, error_reply};
use crate::serve::shared_socket::{ClientSocket, SharedSocket};
use crate::serve::slot_table::SlotLimits;
use crate::serve::source::ConnectionSource;
use crate::tls::ServerTls;
use herald_base::os_error;

/// How long to wait when no connection can be accepted, for want of file descriptors say.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// The least time between two warnings about that; failures between them are logged at debug.
const WARN_AGAIN: Duration = Duration::from_secs(60);

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// The body of an answer: a whole, or a stream.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    /// MUST bound what it reads of the body, in size and in time, see [`read_whole`](crate::serve::read_whole).
    fn handle(
        &self,
        request: Request<ClientBody>,
        peer: &Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// Serves until `stop` is cancelled. Then nothing more is accepted, idle connections are closed, and requests that
/// are being answered get `options.drain` to end. Dropped, it ends all connections at once.
pub async fn serve<H: Handler>(
    listeners: Vec<Listener>,
    options: ServeOptions,
    handler: Arc<H>,
    stop: impl Into<ServerStop>,
) {
    let stop = stop.into();
    let forced = CancellationToken::new();
    let _end_all = forced.clone().drop_guard();
    let tasks = TaskTracker::new();
    let limits =
        SlotLimits { connections: options.connections, waiting: options.waiting, min_hold: options.min_hold };
    let server = HttpServer {
        slots: ConnectionSlots::new(limits, forced.clone()),
        refusals: ConnectionSlots::new(REFUSALS, forced.clone()),
        refusal_options: Arc::new(refusal::options(&options)),
        options: Arc::new(options),
        handler,
        stop,
        forced: forced.clone(),
        tasks: tasks.clone(),
    };
    join_all(listeners.iter().map(|listener| server.accept_all(listener))).await;
    // New clients are refused by the kernel from here on, rather than left waiting.
    drop(listeners);
    server.stop.connections.cancelled().await;
    tasks.close();
    if tokio::time::timeout(server.options.drain, tasks.wait()).await.is_err() {
        tracing::warn!("shutdown timeout: closing {} connections", tasks.len());
        forced.cancel();
        tasks.wait().await;
    }
}

/// Answers connections for which there is no slot.
struct NoSlotHandler;

impl Handler for NoSlotHandler {
    type Body = Full<Bytes>;

    async fn handle(&self, _: Request<ClientBody>, _: &Peer) -> JsonReply {
        refusal::reply()
    }
}

/// What every accepted connection needs.
struct HttpServer<H> {
    slots: Arc<ConnectionSlots>,
    options: Arc<ServeOptions>,
    handler: Arc<H>,
    /// For connections that get no slot.
    refusals: Arc<ConnectionSlots>,
    refusal_options: Arc<ServeOptions>,
    stop: ServerStop,
    forced: CancellationToken,
    tasks: TaskTracker,
}

/// A socket as it was accepted, before TLS.
trait AcceptedSocket: ClientSocket {
    /// With TLS.
    fn secured(self, tls: &ServerTls) -> impl Future<Output = io::Result<TlsStream<TcpStream>>> + Send;
}

impl AcceptedSocket for TcpStream {
    async fn secured(self, tls: &ServerTls) -> io::Result<TlsStream<Self>> {
        tls.accept(self).await
    }
}

impl AcceptedSocket for UnixStream {
    async fn secured(self, _: &ServerTls) -> io::Result<TlsStream<TcpStream>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "there is no TLS on unix sockets"))
    }
}

/// Where a connection comes from.
struct ConnectionOrigin {
    address: Option<SocketAddr>,
    uid: Option<u32>,
    loopback: bool,
    tls: Option<ServerTls>,
}

impl<H: Handler> HttpServer<H> {
    async fn accept_all(&self, listener: &Listener) {
        let loopback = listener.is_loopback();
        let stop = &self.stop.accepting;
        let mut warned = None;
        loop {
            let accepted = match listener {
                Listener::Tcp(tcp) | Listener::Tls(tcp, _) => {
                    match stop.run_until_cancelled(tcp.accept()).await {
                        None => return,
                        Some(Ok((stream, address))) => {
                            // Small answers must not wait for an acknowledgement; without it they are only slower.
                            let _ = stream.set_nodelay(true);
                            let (address, uid, tls) = (Some(address), None, listener.tls());
                            self.admit(stream, ConnectionOrigin { address, uid, loopback, tls }).await;
                            Ok(())
                        }
                        Some(Err(error)) => Err(error),
                    }
                }
                Listener::Unix(unix) => match stop.run_until_cancelled(unix.listener().accept()).await {
                    None => return,
                    Some(Ok((stream, _))) => {
                        let uid = stream.peer_cred().ok().map(|peer| peer.uid());
                        self.admit(stream, ConnectionOrigin { address: None, uid, loopback, tls: None })
                            .await;
                        Ok(())
                    }
                    Some(Err(error)) => Err(error),
                },
            };
            if let Err(error) = accepted {
                self.accept_failed(listener, &error, &mut warned);
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }

    /// Connections that send nothing must not keep out those that wait for their descriptors.
    fn accept_failed(&self, listener: &Listener, error: &io::Error, warned: &mut Option<Instant>) {
        let evicted = is_shortage(error) && (self.refusals.evict_oldest() || self.slots.evict_oldest());
        let (address, error) = (listener.address(), os_error::plain(&error.to_string()));
        if warned.is_none_or(|at| at.elapsed() >= WARN_AGAIN) {
            *warned = Some(Instant::now());
            tracing::warn!("cannot accept connections on {address}: {error}");
        } else {
            tracing::debug!(evicted, "cannot accept connections on {address}: {error}");
        }
    }

    /// Serves the connection once there is a slot for it, which others do not wait for. Where there is none, it gets an
    /// answer that says so.
    async fn admit<S: AcceptedSocket>(&self, stream: S, origin: ConnectionOrigin) {
        let source = ConnectionSource::of(origin.address, origin.uid);
        match self.stop.accepting.run_until_cancelled(self.slots.admit(source)).await {
            None => {}
            Some(Admission::Refused) => {
                tracing::debug!(peer = ?origin.address, "connection refused: too many of this address");
                let slot = std::future::ready(self.refusals.slot(source));
                self.spawn(stream, origin, slot, self.refusal_options.clone(), Arc::new(NoSlotHandler));
            }
            Some(admission) => {
                self.spawn(stream, origin, admission.slot(), self.options.clone(), self.handler.clone());
            }
        }
    }

    /// Serves the connection in a task of its own, once it has its slot.
    fn spawn<S: AcceptedSocket, A: Handler>(
        &self,
        stream: S,
        origin: ConnectionOrigin,
        slot: impl Future<Output = Option<Slot>> + Send + 'static,
        options: Arc<ServeOptions>,
        handler: Arc<A>,
    ) {
        // A token of its own: connections that look at one share its lock.
        let (forced, stop) = (self.forced.clone(), self.stop.connections.child_token());
        self.tasks.spawn(async move {
            let ConnectionOrigin { address, uid, loopback, tls } = origin;
            let Some(Some(slot)) = stop.run_until_cancelled(slot).await else { return };
            slot.serve();
            let slot = Arc::new(slot);
            let peer = || Peer::new(address, loopback).of_user(uid);
            let connection =
                ServedConnection { options: &options, handler: &*handler, stop: &stop, slot: &slot };
            let served = async {
                let Some(tls) = tls else {
                    return connection.serve(stream, peer()).await;
                };
                match stop.run_until_cancelled(stream.secured(&tls)).await {
                    Some(Ok(stream)) => connection.serve(stream, peer()).await,
                    Some(Err(error)) => tracing::debug!(peer = ?address, "TLS handshake failed: {error}"),
                    None => {}
                }
            };
            tokio::select! {
                () = served => {}
                () = slot.ended() => {
                    if !forced.is_cancelled() {
                        tracing::debug!(peer = ?address, "evicted idle connection");
                    }
                }
            }
        });
    }
}

/// Whether closing a connection may help: too many files are open, in this process or the system, or too little memory
/// is left for sockets.
fn is_shortage(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

/// The answer to a request whose `Transfer-Encoding` is more than one `chunked`: a proxy before this server may see
/// another end of its body. Nothing more is read from the connection.
fn unknown_framing(headers: &HeaderMap) -> Option<JsonReply> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let first = codings.next()?;
    if codings.next().is_none() && first.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return None;
    }
    let sentence = "Transfer-Encoding must be there once, and be `chunked`";
    let mut reply = error_reply(StatusCode::BAD_REQUEST, sentence);
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Some(reply)
}

/// Whether the connection ends with this answer.
fn is_last(headers: &HeaderMap) -> bool {
    headers.get(CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

/// What one connection is served with.
struct ServedConnection<'a, H> {
    options: &'a ServeOptions,
    handler: &'a H,
    stop: &'a CancellationToken,
    slot: &'a Arc<Slot>,
}

impl<H: Handler> ServedConnection<'_, H> {
    /// From its first request to its last.
    async fn serve<S: ClientSocket>(&self, stream: S, peer: Peer) {
        let Self { options, handler, stop, slot } = *self;
        let socket = SharedSocket::new(stream);
        let peer = peer.in_slot(slot.clone(), socket.end());
        let requests = RequestProgress::default();
        let service = service_fn(|request: Request<Incoming>| async {
            let request = request.map(|body| ClientBody::new(body, slot.has_head()));
            requests.heads.fetch_add(1, Ordering::Relaxed);
            requests.handled.store(true, Ordering::Relaxed);
            let reply = match unknown_framing(request.headers()) {
                Some(refusal) => refusal.map(Either::Right),
                None => handler.handle(request, &peer).await.map(Either::Left),
            };
            // Without more requests to come, a client that does not read its answer is as idle as before.
            if options.keep_alive && !is_last(reply.headers()) {
                slot.answered();
                peer.comes_again();
            }
            requests.handled.store(false, Ordering::Relaxed);
            if !reply.status().is_success() {
                requests.unread.store(true, Ordering::Relaxed);
            }
            Ok::<_, Infallible>(reply)
        });
        let head = HeadLimits { first_line: options.first_line, head: options.head };
        let limits = ClientLimits { write: options.write, head };
        let client = TokioIo::new(ClientStream::new(socket, limits, &requests));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(options.idle.max(options.head))
            // A client that has sent all it wants may close its side and still read the answer.
            .half_close(true)
            .max_buf_size(options.head_bytes)
            .keep_alive(options.keep_alive)
            .title_case_headers(options.title_case_headers)
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
            // A client that goes away or does not speak HTTP is not an error of the server.
            tracing::debug!(peer = ?peer.address, "connection ended: {error}");
        }
    }
}
