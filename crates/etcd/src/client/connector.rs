//! The HTTP client of one etcd, created when it is first used, and again when the files of its TLS change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herald_net::tls::{ClientConfig, ClientFiles, ClientTls, install_provider};
use reqwest::Client;
use tokio::sync::OnceCell;

use super::fault::reason;
use crate::error::EtcdError;

/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Makes connections to the members of one etcd.
pub(crate) struct GatewayConnector {
    connect_timeout: Duration,
    files: Option<ClientFiles>,
    tls: OnceCell<Option<ClientTls>>,
    current: Mutex<Option<GatewayClient>>,
}

/// A client, and the TLS configuration that it was created with, if there is one.
#[derive(Clone)]
struct GatewayClient {
    client: Client,
    tls: Option<Arc<ClientConfig>>,
}

impl GatewayConnector {
    pub(crate) fn new(connect_timeout: Duration, files: Option<ClientFiles>) -> Self {
        Self { connect_timeout, files, tls: OnceCell::new(), current: Mutex::new(None) }
    }

    /// The client for the next request.
    pub(crate) async fn client(&self) -> Result<Client, EtcdError> {
        let tls = self.tls.get_or_try_init(|| load(self.files.clone())).await?;
        let config = match tls {
            Some(tls) => Some(tls.config().await),
            None => None,
        };
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(current) = current.filter(|current| same(current.tls.as_ref(), config.as_ref())) {
            return Ok(current.client);
        }
        let connect_timeout = self.connect_timeout;
        let fresh = in_background(move || create(connect_timeout, config)).await?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
        Ok(fresh.client)
    }
}

fn same(one: Option<&Arc<ClientConfig>>, other: Option<&Arc<ClientConfig>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// Reading the certificates that the machine trusts takes time, too.
async fn load(files: Option<ClientFiles>) -> Result<Option<ClientTls>, EtcdError> {
    in_background(move || {
        install_provider();
        let tls = files.map(ClientTls::load).transpose();
        tls.map_err(|error| EtcdError::Tls(format!("{}: {error}", error.option)))
    })
    .await
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EtcdError> + Send + 'static,
) -> Result<T, EtcdError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(EtcdError::Tls(error.to_string())))
}

fn create(connect_timeout: Duration, tls: Option<Arc<ClientConfig>>) -> Result<GatewayClient, EtcdError> {
    let builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // A variable in the daemon's environment must not send keys elsewhere.
        .no_proxy()
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("heraldd/", env!("CARGO_PKG_VERSION")));
    let builder = match &tls {
        Some(tls) => builder.tls_backend_preconfigured(ClientConfig::clone(tls)),
        None => builder,
    };
    match builder.build() {
        Ok(client) => Ok(GatewayClient { client, tls }),
        Err(error) => Err(EtcdError::Tls(reason(&error))),
    }
}
