//! Connections: accepted up to a limit, served within time limits, ended.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::delivery::Receiver;
use crate::listen::Listeners;
use crate::places::{Guest, Places};

/// How many connections are open at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 64;
/// How long the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a whole connection may last: a client that takes nothing of its answer ends here.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// How many bytes the head of a request may have.
const HEAD_BYTES: usize = 64 << 10;
/// At the end: how long requests that are being answered may take.
const DRAIN: Duration = Duration::from_secs(3);
/// The wait when no connection can be accepted, for want of file descriptors say.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves until `stop`, then lets what is being answered finish for a moment. Dropped, it ends all connections.
pub(crate) async fn serve(listeners: Listeners, receiver: Arc<Receiver>, stop: CancellationToken) {
    let forced = CancellationToken::new();
    let door = Door {
        receiver,
        places: Places::new(CONNECTIONS),
        tasks: TaskTracker::new(),
        forced: forced.clone(),
        stop,
    };
    let _end_all = forced.clone().drop_guard();
    let tcp = async {
        if let Some(tcp) = &listeners.tcp {
            door.accept_all(|| async { tcp.accept().await.map(|(stream, _)| stream) }).await;
        }
    };
    let unix = async {
        if let Some(unix) = &listeners.unix {
            door.accept_all(|| async { unix.listener.accept().await.map(|(stream, _)| stream) }).await;
        }
    };
    tokio::join!(tcp, unix);
    // New clients are refused from here on.
    drop(listeners);
    door.tasks.close();
    if tokio::time::timeout(DRAIN, door.tasks.wait()).await.is_err() {
        forced.cancel();
        door.tasks.wait().await;
    }
}

struct Door {
    receiver: Arc<Receiver>,
    places: Arc<Places>,
    tasks: TaskTracker,
    forced: CancellationToken,
    stop: CancellationToken,
}

impl Door {
    async fn accept_all<S, F>(&self, accept: impl Fn() -> F)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = io::Result<S>>,
    {
        let mut failing = false;
        loop {
            match self.stop.run_until_cancelled(accept()).await {
                None => return,
                Some(Ok(stream)) => {
                    failing = false;
                    let Some(Some(guest)) = self.stop.run_until_cancelled(self.places.enter()).await else {
                        return;
                    };
                    self.spawn(stream, guest);
                }
                Some(Err(error)) => {
                    if !failing {
                        tracing::warn!("connections cannot be accepted for the moment: {error}");
                    }
                    failing = true;
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    /// Owned by the tracker; ends with its client, in time, or by force.
    fn spawn<S>(&self, stream: S, guest: Guest)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (receiver, stop, forced) = (self.receiver.clone(), self.stop.clone(), self.forced.clone());
        self.tasks.spawn(async move {
            let connection = tokio::time::timeout(CONNECTION_TIME, connection(stream, &receiver, &stop));
            guest.leave().run_until_cancelled(forced.run_until_cancelled(connection)).await;
            drop(guest);
        });
    }
}

async fn connection<S>(stream: S, receiver: &Receiver, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| async { Ok::<_, Infallible>(receiver.receive(request).await) });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        // One request on each: how long a connection has lasted is then how long its client has needed.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        // A client that goes away, or speaks no HTTP, is its own affair.
        tracing::debug!("connection ended: {error}");
    }
}
