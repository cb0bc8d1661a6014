//! A TCP listener whose place and TLS a reload may change, and the tasks that serve it.

use std::sync::Arc;

use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::options::ServeOptions;
use super::server::{Handler, serve};
use crate::listen::{ListenError, Listener, ListenerTls, bind_tcp};
use crate::tls::{ServerFiles, ServerTls, TlsError};

/// A listener could not be had.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct SocketError {
    /// What wanted it.
    what: &'static str,
    why: SocketErrorReason,
}

#[derive(Debug, thiserror::Error)]
enum SocketErrorReason {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("tls: {}: {_0}", _0.option)]
    Tls(#[from] TlsError),
    #[error("tls: {0}")]
    Load(#[from] JoinError),
}

impl SocketError {
    /// Of a listener itself.
    #[must_use]
    pub fn listen(what: &'static str, error: ListenError) -> Self {
        Self { what, why: error.into() }
    }
}

/// Where something listens on TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpPlace {
    /// The address.
    pub host: String,
    /// The port; 0 takes any that is free.
    pub port: u16,
    /// Its TLS.
    pub tls: Option<ServerFiles>,
}

/// What is served on a TCP port.
pub struct TcpService<H> {
    /// What it is, for people: `the control API`.
    pub what: &'static str,
    handler: Arc<H>,
    open: Option<OpenTcp>,
    /// Those of earlier settings, which answer what they have begun.
    ending: JoinSet<()>,
}

/// A TCP port that is open.
pub struct OpenTcp {
    place: TcpPlace,
    /// Where it listens, with the port that was taken.
    address: String,
    /// TLS, which a reload may change too.
    live_tls: ListenerTls,
    server: ServingTask,
}

impl<H: Handler> TcpService<H> {
    /// Of this handler; it listens nowhere yet.
    pub fn new(what: &'static str, handler: Arc<H>) -> Self {
        Self { what, handler, open: None, ending: JoinSet::new() }
    }

    /// Where it listens; none where it does not.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.open.as_ref().map(|open| &*open.address)
    }

    /// Whether it listens, and with TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.place.tls.is_some())
    }

    /// Listens there.
    ///
    /// # Errors
    /// When the port or its TLS cannot be had.
    pub async fn open(&mut self, place: &TcpPlace) -> Result<(), SocketError> {
        self.open = Some(self.listen(place).await?);
        Ok(())
    }

    async fn listen(&self, place: &TcpPlace) -> Result<OpenTcp, SocketError> {
        let tls = self.tls(place).await?;
        self.listen_with(place, tls).await
    }

    async fn tls(&self, place: &TcpPlace) -> Result<Option<ServerTls>, SocketError> {
        let Some(files) = place.tls.clone() else { return Ok(None) };
        let failed = |why: SocketErrorReason| SocketError { what: self.what, why };
        let loaded = tokio::task::spawn_blocking(move || ServerTls::load(files)).await;
        loaded.map_err(|error| failed(error.into()))?.map(Some).map_err(|error| failed(error.into()))
    }

    async fn listen_with(&self, place: &TcpPlace, tls: Option<ServerTls>) -> Result<OpenTcp, SocketError> {
        let live_tls = ListenerTls::from(tls);
        let listener = bind_tcp(&place.host, place.port).await;
        let listener = listener.map_err(|error| SocketError::listen(self.what, error))?;
        let listener = listener.with_tls(live_tls.clone());
        let address = listener.address();
        tracing::info!("{} listens on {address}{}", self.what, listener.tls_suffix());
        let server = ServingTask::start(listener, self.handler.clone());
        Ok(OpenTcp { place: place.clone(), address, live_tls, server })
    }

    /// Gets hold of what another place needs, while all stays as it is.
    ///
    /// # Errors
    /// When the new port or its TLS cannot be had.
    pub async fn prepare(&self, place: Option<TcpPlace>) -> Result<PreparedTcp, SocketError> {
        let Some(new) = place else { return Ok(PreparedTcp::None) };
        let before = self.open.as_ref().map(|open| &open.place).filter(|before| before.port == new.port);
        let Some(before) = before.filter(|before| before.host == new.host || before.port != 0) else {
            return Ok(PreparedTcp::Beside(Box::new(self.listen(&new).await?)));
        };
        let changed = before.tls != new.tls || before.host != new.host;
        let tls = if changed { Some(self.tls(&new).await?) } else { None };
        Ok(if before.host == new.host {
            PreparedTcp::Same { place: new, tls }
        } else {
            PreparedTcp::InPlace { place: new, tls: tls.flatten() }
        })
    }

    /// Goes by another place from now on. Connections that are not at another place stay open.
    pub async fn exchange(&mut self, prepared: PreparedTcp) {
        match prepared {
            PreparedTcp::None => self.close(),
            PreparedTcp::Beside(open) => {
                self.close();
                self.open = Some(*open);
            }
            PreparedTcp::Same { place, tls } => {
                let Some(open) = &mut self.open else { return };
                if let Some(tls) = tls {
                    open.live_tls.set(tls);
                }
                open.place = place;
            }
            PreparedTcp::InPlace { place, tls } => {
                let Some(open) = self.open.take() else { return };
                let before = open.place.clone();
                open.server.stop().await;
                self.open = match self.listen_with(&place, tls).await {
                    Ok(open) => Some(open),
                    Err(error) => {
                        tracing::error!("{error}; it stays where it was");
                        self.listen(&before).await.inspect_err(|error| tracing::error!("{error}")).ok()
                    }
                };
            }
        }
    }

    /// Ends it aside: the request that asked for that may be one of its own.
    pub fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.ending.spawn(open.server.stop());
        }
    }

    /// Stops it cleanly.
    pub async fn stop(&mut self) {
        self.close();
        while self.ending.join_next().await.is_some() {}
    }
}

/// What another place needs.
pub enum PreparedTcp {
    /// Nothing: it listens on no port.
    None,
    /// Another port, which is open already.
    Beside(Box<OpenTcp>),
    /// The same host and port; other TLS, if that changed.
    Same {
        /// The place.
        place: TcpPlace,
        /// Its TLS.
        tls: Option<Option<ServerTls>>,
    },
    /// The same port of another host: the one must be closed before the other can be opened.
    InPlace {
        /// The place.
        place: TcpPlace,
        /// Its TLS.
        tls: Option<ServerTls>,
    },
}

/// One listener and the task that serves it; dropped, it ends at once.
pub struct ServingTask {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Drop for ServingTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ServingTask {
    /// Serves this listener from now on.
    #[must_use]
    pub fn start<H: Handler>(listener: Listener, handler: Arc<H>) -> Self {
        let stop = CancellationToken::new();
        let serve = serve(vec![listener], ServeOptions::default(), handler, stop.clone());
        Self { task: tokio::spawn(serve), stop }
    }

    /// Stops it cleanly.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let _ = (&mut self.task).await;
    }
}
