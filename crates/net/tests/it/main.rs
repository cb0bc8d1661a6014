//! Handshakes with real certificates, in memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod change;
mod clients;
mod file;
mod handshake;
mod requests;
mod serve;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use herald_net::tls::testing::{Authority, Pair};
use herald_net::tls::{ClientFiles, ClientTls, Identity, Secured, ServerFiles, ServerTls, explain};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A folder with an authority in it.
struct Fixture {
    folder: TempDir,
    authority: Authority,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("Good Authority");
        authority.write(&folder.path().join("ca.crt"));
        Self { folder, authority }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ca(&self) -> PathBuf {
        self.path().join("ca.crt")
    }
}

fn server_files(pair: &Pair, client_ca: Option<PathBuf>) -> ServerFiles {
    ServerFiles { cert: pair.cert.clone(), key: pair.key.clone(), client_ca }
}

fn client_files(ca: PathBuf, identity: Option<&Pair>) -> ClientFiles {
    let identity = identity.map(|pair| Identity { cert: pair.cert.clone(), key: pair.key.clone() });
    ClientFiles { ca: Some(ca), identity }
}

/// A connection that both sides agree to.
struct Connection {
    client: TlsStream<DuplexStream>,
    server: Secured<DuplexStream>,
}

impl Connection {
    /// A word each way.
    async fn talk(&mut self) {
        let mut word = [0; 4];
        self.client.write_all(b"ping").await.unwrap();
        self.server.read_exact(&mut word).await.unwrap();
        self.server.write_all(b"pong").await.unwrap();
        self.client.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"pong");
    }

    /// What the server showed.
    fn shown(&self) -> CertificateDer<'static> {
        self.client.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }
}

/// Connects to `localhost`. The error is what the client can tell its user, and then what the server said.
async fn connect(server: &ServerTls, client: &ClientTls, name: &str) -> Result<Connection, String> {
    let connector = TlsConnector::from(client.config().await);
    let (here, there) = duplex(64 << 10);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connecting = async {
        let mut stream = connector.connect(name, here).await?;
        // In TLS 1.3 a client that is rejected learns this only now.
        let mut word = [0; 5];
        stream.read_exact(&mut word).await?;
        Ok::<_, std::io::Error>(stream)
    };
    let accepting = async {
        let mut stream = server.accept(there).await?;
        stream.write_all(b"hello").await?;
        Ok::<_, std::io::Error>(stream)
    };
    match tokio::join!(connecting, accepting) {
        (Ok(client), Ok(server)) => Ok(Connection { client, server }),
        (Err(error), _) => Err(explain(&error).unwrap_or_else(|| format!("unexplained: {error}"))),
        (Ok(_), Err(error)) => panic!("the server alone failed: {error}"),
    }
}

fn load(server: ServerFiles, client: ClientFiles) -> (ServerTls, ClientTls) {
    (ServerTls::load(server).unwrap(), ClientTls::load(client).unwrap())
}

/// The certificate in a file.
fn certificate(file: &Path) -> CertificateDer<'static> {
    use rustls_pki_types::pem::PemObject as _;
    CertificateDer::from_pem_file(file).unwrap()
}

/// The same files as the client sees them, kept: no session is resumed with other settings.
fn same<T>(one: &Arc<T>, other: &Arc<T>) -> bool {
    Arc::ptr_eq(one, other)
}
