//! Accepts connections and serves one request on each.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herald_net::tls::ServerTls;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::handle::{Patience, SharedService};
use crate::listen::{Listener, Stream};
use crate::progress::Progress;
use crate::strangers::{Guest, Strangers};

/// How many connections may be open that have not shown that they know the secret. Those that have are bounded by the
/// jobs that they wait for.
const MOST_STRANGERS: usize = 512;
/// After the system could not give a connection, because too many files are open, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The least time between two warnings about that; the failures between them are told at debug.
const WARN_AGAIN: Duration = Duration::from_secs(60);

/// Accepts until `stop`, and then lets go of the sockets. Connections live on as tasks of `tasks`.
pub async fn accept_all(
    listeners: Vec<Listener>,
    service: SharedService,
    patience: Patience,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let strangers = Strangers::new(MOST_STRANGERS);
    let loops = listeners.into_iter().map(|listener| {
        let server =
            Server { service: service.clone(), patience, tasks: tasks.clone(), strangers: strangers.clone() };
        let stop = stop.clone();
        async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = server.accept(&listener) => {}
            }
        }
    });
    futures_util::future::join_all(loops).await;
}

#[derive(Clone)]
struct Server {
    service: SharedService,
    patience: Patience,
    tasks: TaskTracker,
    strangers: Arc<Strangers>,
}

impl Server {
    async fn accept(&self, listener: &Listener) {
        let mut warned: Option<Instant> = None;
        loop {
            let stream = match listener.accept().await {
                Ok(stream) => stream,
                Err(error) => {
                    // Whoever waits may know the secret; those who are in and say nothing must not keep them out.
                    let room_made = is_shortage(&error) && self.strangers.turn_out_oldest();
                    if warned.is_none_or(|at| at.elapsed() >= WARN_AGAIN) {
                        warned = Some(Instant::now());
                        tracing::warn!(%error, "connections cannot be accepted for the moment");
                    } else {
                        tracing::debug!(%error, room_made, "a connection could not be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(guest) = self.strangers.enter().await else { return };
            match stream {
                Stream::Tcp(stream, None) => drop(self.tasks.spawn(self.serve(stream, guest))),
                Stream::Tcp(stream, Some(tls)) => {
                    drop(self.tasks.spawn(self.serve_secured(stream, tls, guest)))
                }
                Stream::Unix(stream) => drop(self.tasks.spawn(self.serve(stream, guest))),
            }
        }
    }

    /// A connection that begins with a handshake, which has a time of its own.
    fn serve_secured(
        &self,
        stream: TcpStream,
        tls: ServerTls,
        guest: Guest,
    ) -> impl Future<Output = ()> + use<> {
        let this = self.clone();
        async move {
            match guest.leave().run_until_cancelled(tls.accept(stream)).await {
                Some(Ok(stream)) => this.serve(stream, guest).await,
                Some(Err(error)) => tracing::debug!(%error, "no TLS connection"),
                None => tracing::debug!("a connection that said too little was closed for another one"),
            }
        }
    }

    fn serve<S>(&self, stream: S, guest: Guest) -> impl Future<Output = ()> + use<S>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (service, patience) = (self.service.clone(), self.patience);
        async move {
            let deadline = Instant::now() + patience.request;
            let leave = guest.leave();
            let guest = Arc::new(Mutex::new(Some(guest)));
            let answer = service_fn(|request| {
                let (service, guest) = (service.clone(), guest.clone());
                async move {
                    let proved = || drop(guest.lock().unwrap_or_else(PoisonError::into_inner).take());
                    Ok::<_, Infallible>(service.answer(request, deadline, proved).await)
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(patience.request)
                // One request on each connection: its time is then simply that of the connection, and no client
                // sends a job into a connection that is just being closed.
                .keep_alive(false)
                // As the original writes them.
                .title_case_headers(true)
                .serve_connection(TokioIo::new(Progress::new(stream, patience.write)), answer);
            match leave.run_until_cancelled(connection).await {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::debug!(%error, "a connection ended early"),
                None => tracing::debug!("a connection that said too little was closed for another one"),
            }
        }
    }
}

/// Whether a connection that is closed may help: there are too many open files, of this process or of the system, or
/// too little memory for sockets.
fn is_shortage(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}
