//! Where an etcd is, and how to authenticate.

use std::time::Duration;

use herald_base::secret_name::MASKED;
use herald_net::tls::ClientFiles;
use reqwest::Url;

/// One etcd: a server, or a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdSettings {
    /// Its name in the configuration.
    pub name: String,
    /// The URLs of its members, `http` or `https`, at least one. They are tried in this order.
    pub endpoints: Vec<Url>,
    /// For one request and its answer. A watch has this long to begin.
    pub timeout: Duration,
    /// The user, where etcd has authentication enabled.
    pub credentials: Option<EtcdCredentials>,
    /// The certificates to trust and to present, if not those of the machine.
    pub tls: Option<ClientFiles>,
}

/// A user of etcd.
#[derive(Clone, PartialEq, Eq)]
pub struct EtcdCredentials {
    /// The user's name.
    pub username: String,
    /// The password. Secret.
    pub password: String,
}

impl std::fmt::Debug for EtcdCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EtcdCredentials")
            .field("username", &self.username)
            .field("password", &MASKED)
            .finish()
    }
}
