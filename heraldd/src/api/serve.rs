//! The listeners of the API.

use std::path::Path;
use std::sync::Arc;

use herald_core::trigger::ComponentError;
use herald_net::tls::ServerTls;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::authenticate::AuthenticatedRouter;
use super::context::Api;
use crate::config::ApiSettings;
use herald_net::listen::{ListenError, Listener, ListenerTls, bind_tcp, bind_unix};
use herald_net::serve::{self, ServeOptions};

/// The file of the socket in `state_dir`.
const SOCKET: &str = "heraldd.sock";
const SOCKET_MODE: u32 = 0o600;

/// A listener could not be had.
#[derive(Debug, thiserror::Error)]
#[error("the control API: {0}")]
pub enum SocketError {
    /// The port or socket.
    Listen(#[from] ListenError),
    /// Its TLS.
    Tls(#[from] ComponentError),
}

/// A running API; dropped, it ends at once.
pub struct Serving {
    /// What it speaks of.
    pub api: Arc<Api>,
    socket: Option<Server>,
    tcp: Option<Tcp>,
    /// Those of earlier settings, which answer what they have begun.
    ending: JoinSet<()>,
}

/// The API on a TCP port.
pub struct Tcp {
    settings: ApiSettings,
    /// TLS, which a reload may change too.
    live_tls: ListenerTls,
    server: Server,
}

impl Serving {
    /// Listens on the socket in this folder, if there is one, and on TCP where the settings say so.
    ///
    /// # Errors
    /// When a listener cannot be had.
    pub async fn start(
        folder: Option<&Path>,
        tcp: Option<&ApiSettings>,
        api: Arc<Api>,
    ) -> Result<Self, SocketError> {
        let mut serving = Self { api, socket: None, tcp: None, ending: JoinSet::new() };
        if let Some(folder) = folder {
            let socket = bind_unix(&folder.join(SOCKET), SOCKET_MODE).await?;
            serving.socket = Some(Server::start(Listener::Unix(socket), &serving.api, true));
        }
        if let Some(settings) = tcp {
            serving.tcp = Some(serving.listen(settings).await?);
        }
        Ok(serving)
    }

    async fn listen(&self, settings: &ApiSettings) -> Result<Tcp, SocketError> {
        let tls = tls(settings).await?;
        self.listen_with(settings, tls).await
    }

    async fn listen_with(&self, settings: &ApiSettings, tls: Option<ServerTls>) -> Result<Tcp, SocketError> {
        let live_tls = ListenerTls::from(tls);
        let listener = bind_tcp(&settings.host, settings.port).await?.with_tls(live_tls.clone());
        tracing::info!("the control API listens on {}{}", listener.address(), listener.tls_suffix());
        let server = Server::start(listener, &self.api, false);
        Ok(Tcp { settings: settings.clone(), live_tls, server })
    }

    /// Gets hold of what other settings need, while all stays as it is.
    ///
    /// # Errors
    /// When the new port or its TLS cannot be had.
    pub async fn prepare(&self, settings: Option<&ApiSettings>) -> Result<PreparedApi, SocketError> {
        let Some(new) = settings else { return Ok(PreparedApi::None) };
        let before = self.tcp.as_ref().map(|tcp| &tcp.settings).filter(|before| before.port == new.port);
        let Some(before) = before.filter(|before| before.host == new.host || before.port != 0) else {
            return Ok(PreparedApi::Beside(Box::new(self.listen(new).await?)));
        };
        let changed = before.tls != new.tls || before.host != new.host;
        let tls = if changed { Some(tls(new).await?) } else { None };
        let settings = Box::new(new.clone());
        Ok(if before.host == new.host {
            PreparedApi::Same { settings, tls }
        } else {
            PreparedApi::InPlace { settings, tls: tls.flatten() }
        })
    }

    /// Goes by other settings from now on. Connections that are not at another place stay open.
    pub async fn exchange(&mut self, prepared: PreparedApi) {
        match prepared {
            PreparedApi::None => {
                let before = self.tcp.take();
                self.end(before);
            }
            PreparedApi::Beside(tcp) => {
                let before = self.tcp.replace(*tcp);
                self.end(before);
            }
            PreparedApi::Same { settings, tls } => {
                let Some(tcp) = &mut self.tcp else { return };
                if let Some(tls) = tls {
                    tcp.live_tls.set(tls);
                }
                tcp.settings = *settings;
            }
            PreparedApi::InPlace { settings, tls } => {
                let before = self.tcp.take().map(|tcp| (tcp.settings.clone(), tcp));
                let Some((before, tcp)) = before else { return };
                tcp.server.stop().await;
                self.tcp = match self.listen_with(&settings, tls).await {
                    Ok(tcp) => Some(tcp),
                    Err(error) => {
                        tracing::error!("{error}; it stays where it was");
                        self.listen(&before).await.inspect_err(|error| tracing::error!("{error}")).ok()
                    }
                };
            }
        }
    }

    /// Ends it aside: the request that asked for the reload may be one of its own.
    fn end(&mut self, tcp: Option<Tcp>) {
        if let Some(tcp) = tcp {
            self.ending.spawn(tcp.server.stop());
        }
    }

    /// Stops it cleanly.
    pub async fn stop(mut self) {
        self.api.closing.cancel();
        for server in self.socket.into_iter().chain(self.tcp.map(|tcp| tcp.server)) {
            server.stop().await;
        }
        while self.ending.join_next().await.is_some() {}
    }
}

/// What other settings of the API need.
pub enum PreparedApi {
    /// Nothing: it listens on no port.
    None,
    /// Another port, which is open already.
    Beside(Box<Tcp>),
    /// The same host and port; other TLS, if that changed.
    Same {
        /// The settings.
        settings: Box<ApiSettings>,
        /// Their TLS.
        tls: Option<Option<ServerTls>>,
    },
    /// The same port of another host: the one must be closed before the other can be opened.
    InPlace {
        /// The settings.
        settings: Box<ApiSettings>,
        /// Their TLS.
        tls: Option<ServerTls>,
    },
}

async fn tls(settings: &ApiSettings) -> Result<Option<ServerTls>, ComponentError> {
    match &settings.tls {
        Some(tls) => tls.load().await.map(Some),
        None => Ok(None),
    }
}

/// One listener and the task that serves it.
struct Server {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    fn start(listener: Listener, api: &Arc<Api>, is_socket: bool) -> Self {
        let router = Arc::new(AuthenticatedRouter::new(api, is_socket));
        let stop = CancellationToken::new();
        let serve = serve::serve(vec![listener], ServeOptions::default(), router, stop.clone());
        Self { task: tokio::spawn(serve), stop }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        let _ = (&mut self.task).await;
    }
}
