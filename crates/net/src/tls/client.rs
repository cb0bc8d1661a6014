//! The side that connects.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::sign::SingleCertAndKey;
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::tls::pem::{TlsError, TlsFile, pair};
use crate::tls::provider::provider;
use crate::tls::watch::Watched;

/// What a client shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `client_cert`: its certificate, then those that link it to its authority.
    pub cert: PathBuf,
    /// `client_key`: the private key that fits it.
    pub key: PathBuf,
}

/// The files of a client, PEM all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// `ca`: the authorities that are trusted, instead of those that the machine trusts.
    pub ca: Option<PathBuf>,
    /// What it shows to servers that ask for a certificate.
    pub identity: Option<Identity>,
}

impl ClientFiles {
    fn ca(&self) -> Option<TlsFile<'_>> {
        self.ca.as_ref().map(|file| TlsFile { option: "ca", file })
    }

    fn identity(&self) -> Option<[TlsFile<'_>; 2]> {
        let Identity { cert, key } = self.identity.as_ref()?;
        Some([TlsFile { option: "client_cert", file: cert }, TlsFile { option: "client_key", file: key }])
    }

    fn all(&self) -> Vec<PathBuf> {
        let identity = self.identity.iter().flat_map(|Identity { cert, key }| [cert, key]);
        self.ca.iter().chain(identity).cloned().collect()
    }

    fn make(&self) -> Result<ClientConfig, TlsError> {
        let none = PathBuf::new();
        let wrong = |error: rustls::Error| TlsError {
            option: "ca",
            file: self.ca.as_ref().unwrap_or(&none).clone(),
            what: format!("cannot be used: {error}"),
        };
        let identity = self.identity().map(|[cert, key]| pair(cert, key)).transpose()?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(wrong)?;
        let builder = match self.ca() {
            Some(named) => builder.with_root_certificates(named.authorities()?),
            None => builder.with_platform_verifier().map_err(|error| TlsError {
                option: "ca",
                file: PathBuf::from("the authorities of this machine"),
                what: format!("cannot be used: {error}; name a file of authorities"),
            })?,
        };
        let mut config = match identity {
            Some(pair) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Whether they can be used. Blocks.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn check(&self) -> Result<(), TlsError> {
        self.make().map(drop)
    }

    /// What is not wrong, and deserves to be said: a certificate out of its time, a key that others can read. Blocks.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.ca().map(|named| named.doubtful_certificates()).unwrap_or_default();
        if let Some([cert, key]) = self.identity() {
            warnings.extend(cert.doubtful_certificates());
            warnings.extend(key.doubtful_key());
        }
        warnings
    }
}

/// TLS of a client. Cheap to clone.
#[derive(Clone)]
pub struct ClientTls {
    watched: Arc<Watched<ClientConfig>>,
}

impl ClientTls {
    /// Reads the files. Blocks.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(files: ClientFiles) -> Result<Self, TlsError> {
        Ok(Self { watched: Watched::new(files.all(), move || files.make())? })
    }

    /// By the files as they are now. As long as they do not change it is the same `Arc`; sessions are resumed only
    /// with the settings that they began with.
    pub async fn config(&self) -> Arc<ClientConfig> {
        self.watched.current().await
    }
}
