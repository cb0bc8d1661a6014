//! The listeners of the API.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use herald_control::places::socket_folder::{self, PrivateFolder};
use herald_net::listen::{Listener, UnixSocket, bind_unix};
use herald_net::serve::{PreparedTcp, ServingTask, SocketError, TcpPlace, TcpService};

use super::authenticate::AuthenticatedRouter;
use super::context::Api;
use crate::config::ApiSettings;

/// The file of the socket in `state_dir`.
const SOCKET: &str = "heraldd.sock";
const SOCKET_MODE: u32 = 0o600;
/// How long acts may take when the daemon stops.
const ACTS_END: Duration = Duration::from_secs(5);
const WHAT: &str = "the control API";

/// A running API; dropped, it ends at once.
pub struct ApiListeners {
    /// What it speaks of.
    pub api: Arc<Api>,
    socket: Option<ServingTask>,
    /// Where that is when there is no `state_dir`. Removed once the socket is gone.
    private: Option<PrivateFolder>,
    tcp: TcpService<AuthenticatedRouter>,
}

/// What other settings of the API need.
pub struct PreparedApi(PreparedTcp);

impl ApiListeners {
    /// Listens on the socket in this folder, if there is one, and on TCP where the settings say so.
    ///
    /// # Errors
    /// When a listener cannot be had.
    pub async fn start(
        folder: Option<&Path>,
        tcp: Option<&ApiSettings>,
        api: Arc<Api>,
    ) -> Result<Self, SocketError> {
        let service = TcpService::new(WHAT, Arc::new(AuthenticatedRouter::new(&api, false)));
        let mut serving = Self { api, socket: None, private: None, tcp: service };
        let socket = match folder {
            Some(folder) => Some(bind_unix(&folder.join(SOCKET), SOCKET_MODE).await),
            None => serving.bind_private().await.map(Ok),
        };
        if let Some(socket) = socket {
            let socket = socket.map_err(|error| SocketError::listen(WHAT, error))?;
            let router = Arc::new(AuthenticatedRouter::new(&serving.api, true));
            serving.socket = Some(ServingTask::start(Listener::Unix(socket), router));
        }
        if let Some(settings) = tcp {
            serving.tcp.open(&place(settings)).await?;
        }
        Ok(serving)
    }

    /// The socket of a daemon without a `state_dir`. It runs without one where that cannot be had: another daemon may
    /// have the same configuration.
    async fn bind_private(&mut self) -> Option<UnixSocket> {
        let path = socket_folder::path(Path::new(&self.api.config));
        let socket = path.join(SOCKET);
        let bound = match PrivateFolder::create(path) {
            Ok(folder) => {
                self.private = Some(folder);
                bind_unix(&socket, SOCKET_MODE).await.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        let at = socket.display();
        bound
            .inspect(|_| tracing::info!("the control socket is {at}"))
            .inspect_err(|error| tracing::warn!("there is no control socket at {at}: {error}"))
            .ok()
    }

    /// Gets hold of what other settings need, while all stays as it is.
    ///
    /// # Errors
    /// When the new port or its TLS cannot be had.
    pub async fn prepare(&self, settings: Option<&ApiSettings>) -> Result<PreparedApi, SocketError> {
        self.tcp.prepare(settings.map(place)).await.map(PreparedApi)
    }

    /// Goes by other settings from now on. Connections that are not at another place stay open.
    pub async fn exchange(&mut self, prepared: PreparedApi) {
        self.tcp.exchange(prepared.0).await;
    }

    /// Stops it cleanly.
    pub async fn stop(mut self) {
        self.api.closing.cancel();
        if let Some(socket) = self.socket {
            socket.stop().await;
        }
        self.tcp.stop().await;
        // Whose client has left; what was begun is finished, where that does not take long.
        self.api.acts.close();
        let _ = tokio::time::timeout(ACTS_END, self.api.acts.wait()).await;
    }
}

fn place(settings: &ApiSettings) -> TcpPlace {
    TcpPlace {
        host: settings.host.clone(),
        port: settings.port,
        tls: settings.tls.as_ref().map(|tls| tls.0.clone()),
    }
}
