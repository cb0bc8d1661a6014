//! The HTTP client for one group of settings, created again when the files of its TLS change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, ClientBuilder};

use super::connect_error::{ConnectError, reason};
use crate::tls::{ClientConfig, ClientFiles, ClientTls, install_provider};

/// What holds for all connections of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSettings {
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// The name and version of the client.
    pub user_agent: &'static str,
    /// How long a connection is kept for another request. `None`: each request has one of its own, since a kept one may
    /// be closed by the other side just when something is sent into it.
    pub keep_idle: Option<Duration>,
}

/// How many connections are kept for each host.
const MOST_KEPT: usize = 8;

/// Makes connections.
pub struct HttpConnector {
    settings: ClientSettings,
    tls: Option<ClientTls>,
    current: Mutex<ConfiguredClient>,
}

/// A client, and the TLS configuration that it was created with, if there is one.
#[derive(Clone)]
struct ConfiguredClient {
    client: Client,
    tls: Option<Arc<ClientConfig>>,
}

impl HttpConnector {
    /// Reads the files. Needs a runtime with time.
    ///
    /// # Errors
    /// [`ConnectError`]
    pub async fn new(settings: ClientSettings, files: Option<ClientFiles>) -> Result<Self, ConnectError> {
        // Reading the certificates that the machine trusts takes time, too.
        let read = move || {
            install_provider();
            files.map(ClientTls::load).transpose()
        };
        let tls = tokio::task::spawn_blocking(read).await.map_err(task_failed)??;
        let config = match &tls {
            Some(tls) => Some(tls.config().await),
            None => None,
        };
        let current = create(settings, config).await?;
        Ok(Self { settings, tls, current: Mutex::new(current) })
    }

    /// The client for the next request.
    ///
    /// # Errors
    /// [`ConnectError`]
    pub async fn client(&self) -> Result<Client, ConnectError> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(tls) = &self.tls else { return Ok(current.client) };
        let config = tls.config().await;
        if current.tls.is_some_and(|used| Arc::ptr_eq(&used, &config)) {
            return Ok(current.client);
        }
        let fresh = create(self.settings, Some(config)).await?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = fresh.clone();
        Ok(fresh.client)
    }
}

fn task_failed(error: tokio::task::JoinError) -> ConnectError {
    ConnectError::Client(error.to_string())
}

async fn create(
    settings: ClientSettings,
    tls: Option<Arc<ClientConfig>>,
) -> Result<ConfiguredClient, ConnectError> {
    let build = move || {
        let builder = builder(settings);
        let builder = match &tls {
            Some(tls) => builder.tls_backend_preconfigured(ClientConfig::clone(tls)),
            None => builder,
        };
        match builder.build() {
            Ok(client) => Ok(ConfiguredClient { client, tls }),
            Err(error) => Err(ConnectError::Client(reason(&error))),
        }
    };
    tokio::task::spawn_blocking(build).await.map_err(task_failed)?
}

fn builder(settings: ClientSettings) -> ClientBuilder {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // A variable in the daemon's environment must not send jobs elsewhere.
        .no_proxy()
        .connect_timeout(settings.connect_timeout)
        .tcp_nodelay(true)
        // A job may take hours without any traffic; a dead peer must be noticed all the same.
        .tcp_keepalive(Duration::from_secs(30))
        .tcp_keepalive_interval(Duration::from_secs(10))
        .tcp_keepalive_retries(3)
        .pool_max_idle_per_host(settings.keep_idle.map_or(0, |_| MOST_KEPT))
        .pool_idle_timeout(settings.keep_idle)
        // As the original writes them, for peers that compare names of headers case-sensitively.
        .http1_title_case_headers()
        .user_agent(settings.user_agent)
}
