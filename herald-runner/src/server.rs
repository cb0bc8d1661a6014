//! Accepts connections and serves one request on each.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::handle::{Patience, SharedService};
use crate::listen::{Listener, Stream};
use crate::progress::Progress;

/// How many connections may be open that have not shown that they know the secret. Those that have are bounded by the
/// jobs that they wait for.
const MOST_STRANGERS: usize = 512;
/// After the system could not give a connection, because too many files are open, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until `stop`, and then lets go of the sockets. Connections live on as tasks of `tasks`.
pub async fn accept_all(
    listeners: Vec<Listener>,
    service: SharedService,
    patience: Patience,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let strangers = Arc::new(Semaphore::new(MOST_STRANGERS));
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

struct Server {
    service: SharedService,
    patience: Patience,
    tasks: TaskTracker,
    strangers: Arc<Semaphore>,
}

impl Server {
    async fn accept(&self, listener: &Listener) {
        loop {
            let Ok(permit) = self.strangers.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok(Stream::Tcp(stream)) => self.serve(stream, permit),
                Ok(Stream::Unix(stream)) => self.serve(stream, permit),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn serve<S>(&self, stream: S, permit: tokio::sync::OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (service, patience) = (self.service.clone(), self.patience);
        self.tasks.spawn(async move {
            let deadline = Instant::now() + patience.request;
            let permit = Arc::new(Mutex::new(Some(permit)));
            let answer = service_fn(|request| {
                let (service, permit) = (service.clone(), permit.clone());
                async move {
                    let proved = || drop(permit.lock().unwrap_or_else(PoisonError::into_inner).take());
                    Ok::<_, Infallible>(service.answer(request, deadline, proved).await)
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(patience.request)
                // One request on each connection: its time is then simply that of the connection, and no client
                // sends a job into a connection that is just being closed.
                .keep_alive(false)
                .serve_connection(TokioIo::new(Progress::new(stream, patience.write)), answer);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}
