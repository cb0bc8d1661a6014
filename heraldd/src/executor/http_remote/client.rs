//! The HTTP client of one runner, made anew when the files of its TLS change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herald_net::tls::{ClientConfig, ClientFiles, ClientTls, install_provider};
use reqwest::{Client, ClientBuilder};

use super::mishap::reason;

/// Makes connections to one runner.
pub(super) struct Connector {
    connect_timeout: Duration,
    tls: Option<ClientTls>,
    made: Mutex<Made>,
}

/// A client, and the TLS that it was made with, if that is its own.
#[derive(Clone)]
struct Made {
    client: Client,
    with: Option<Arc<ClientConfig>>,
}

impl Connector {
    /// Reads the files. Takes a runtime, and its time.
    ///
    /// # Errors
    /// One sentence.
    pub(super) async fn new(connect_timeout: Duration, files: Option<ClientFiles>) -> Result<Self, String> {
        // Reading the certificates that the machine trusts takes its time, too.
        let read = move || {
            install_provider();
            files.map(ClientTls::load).transpose().map_err(|error| format!("tls: {}: {error}", error.option))
        };
        let tls = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())??;
        let with = match &tls {
            Some(tls) => Some(tls.config().await),
            None => None,
        };
        let made = make(connect_timeout, with).await?;
        Ok(Self { connect_timeout, tls, made: Mutex::new(made) })
    }

    /// The client for the next request.
    ///
    /// # Errors
    /// One sentence.
    pub(super) async fn client(&self) -> Result<Client, String> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(tls) = &self.tls else { return Ok(made.client) };
        let now = tls.config().await;
        if made.with.is_some_and(|with| Arc::ptr_eq(&with, &now)) {
            return Ok(made.client);
        }
        let made = make(self.connect_timeout, Some(now)).await?;
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = made.clone();
        Ok(made.client)
    }
}

async fn make(connect_timeout: Duration, with: Option<Arc<ClientConfig>>) -> Result<Made, String> {
    let build = move || {
        let builder = builder(connect_timeout);
        let builder = match &with {
            Some(tls) => builder.tls_backend_preconfigured(ClientConfig::clone(tls)),
            None => builder,
        };
        let client = builder.build();
        client
            .map(|client| Made { client, with })
            .map_err(|error| format!("the HTTP client cannot be made: {}", reason(&error)))
    };
    tokio::task::spawn_blocking(build).await.map_err(|error| error.to_string())?
}

fn builder(connect_timeout: Duration) -> ClientBuilder {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // A variable in the daemon's environment must not send jobs elsewhere.
        .no_proxy()
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        // A job may take hours in which nothing is said; a peer that is gone must be missed all the same.
        .tcp_keepalive(Duration::from_secs(30))
        .tcp_keepalive_interval(Duration::from_secs(10))
        .tcp_keepalive_retries(3)
        // A kept connection may be closed by the other side just when a job is sent into it.
        .pool_max_idle_per_host(0)
        // As the original writes them, for whoever compares names of headers letter by letter.
        .http1_title_case_headers()
        .user_agent(concat!("heraldd/", env!("CARGO_PKG_VERSION")))
}
