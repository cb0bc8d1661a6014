//! The side that is connected to.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
pub use tokio_rustls::server::TlsStream as Secured;

use crate::tls::pem::{TlsError, TlsFile, pair};
use crate::tls::provider::provider;
use crate::tls::watch::Watched;

/// How long a handshake may take.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long, and for how many bytes, the rest of what a rejected client sends is read so that it hears why.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 << 10;

/// The files of a listener, PEM all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// `cert`: the certificate, then those that link it to its authority.
    pub cert: PathBuf,
    /// `key`: the private key that fits it.
    pub key: PathBuf,
    /// `client_ca`: the authorities of which clients must have a certificate; none asks clients for nothing.
    pub client_ca: Option<PathBuf>,
}

impl ServerFiles {
    fn cert(&self) -> TlsFile<'_> {
        TlsFile { option: "cert", file: &self.cert }
    }

    fn key(&self) -> TlsFile<'_> {
        TlsFile { option: "key", file: &self.key }
    }

    fn client_ca(&self) -> Option<TlsFile<'_>> {
        self.client_ca.as_ref().map(|file| TlsFile { option: "client_ca", file })
    }

    fn make(&self) -> Result<ServerConfig, TlsError> {
        let wrong = |named: TlsFile<'_>, error: &dyn std::fmt::Display| TlsError {
            option: named.option,
            file: named.file.to_owned(),
            what: format!("cannot be used: {error}"),
        };
        let pair = pair(self.cert(), self.key())?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(self.cert(), &error))?;
        let builder = match self.client_ca() {
            None => builder.with_no_client_auth(),
            Some(named) => {
                let roots = Arc::new(named.authorities()?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| wrong(named, &error))?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
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
        let authorities = self.client_ca().map(|named| named.doubtful_certificates()).unwrap_or_default();
        self.cert()
            .doubtful_certificates()
            .into_iter()
            .chain(self.key().doubtful_key())
            .chain(authorities)
            .collect()
    }
}

/// TLS of a listener. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls {
    files: Arc<ServerFiles>,
    watched: Arc<Watched<ServerConfig>>,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Reads the files. Blocks.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(files: ServerFiles) -> Result<Self, TlsError> {
        let all = [&files.cert, &files.key].into_iter().chain(&files.client_ca).cloned().collect();
        let of = Arc::new(files.clone());
        Ok(Self { files: of, watched: Watched::new(all, move || files.make())? })
    }

    /// The files that it goes by.
    #[must_use]
    pub fn files(&self) -> &ServerFiles {
        &self.files
    }

    /// Shakes hands with a client, by the files as they are now. A session of before a change is not resumed.
    ///
    /// # Errors
    /// When the client does not speak TLS, takes longer than [`HANDSHAKE`], or has not the certificate that it needs.
    pub async fn accept<S>(&self, stream: S) -> io::Result<Secured<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(self.watched.current().await);
        match timeout(HANDSHAKE, acceptor.accept(stream).into_fallible()).await {
            Ok(Ok(secured)) => Ok(secured),
            Ok(Err((error, stream))) => {
                // It has what it needs to know, or is gone.
                let _ = timeout(LINGER, linger(stream)).await;
                Err(error)
            }
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long")),
        }
    }
}

/// Closes a connection in a way that lets the client read the last word, though it may have sent more than was read:
/// otherwise the kernel resets the connection, and the word is lost.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut space = [0; 4096];
    let mut left = LINGER_BYTES;
    while left > 0 {
        match stream.read(&mut space).await? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}
