//! Asks URLs whether an application works after a deployment.

use std::time::Duration;

use async_trait::async_trait;
use herald_deploy::{HealthCheck, NoHealthAnswer};
use herald_net::client::{ClientSettings, ConnectError, HttpConnector, reason};
use tokio::sync::OnceCell;

/// Each attempt has its own limit, which is not longer.
const SETTINGS: ClientSettings = ClientSettings {
    connect_timeout: Duration::from_secs(5),
    user_agent: concat!("herald-runner/", env!("CARGO_PKG_VERSION")),
    keep_idle: None,
};

/// The HTTP client of health checks; made for the first one.
#[derive(Default)]
pub(crate) struct HttpHealth {
    connector: OnceCell<HttpConnector>,
}

impl HttpHealth {
    async fn connector(&self) -> Result<&HttpConnector, ConnectError> {
        self.connector.get_or_try_init(|| HttpConnector::new(SETTINGS, None)).await
    }
}

#[async_trait]
impl HealthCheck for HttpHealth {
    async fn status_code(&self, url: &str) -> Result<u16, NoHealthAnswer> {
        let no_client = |error: ConnectError| NoHealthAnswer(error.to_string());
        let client = self.connector().await.map_err(no_client)?.client().await.map_err(no_client)?;
        // Its body is not read: the status code says it all.
        let answer = client.get(url).send().await.map_err(|error| NoHealthAnswer(reason(&error)))?;
        Ok(answer.status().as_u16())
    }
}
