//! Opens connections to Redis: TCP, TLS, a unix socket, or the master that Sentinel names.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use herald_net::tls::{ClientFiles, ClientTls, explain};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, RedisConnectionInfo, RedisError, Value};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::invalid::InvalidQueueSettings;
use crate::redis::cluster::ClusterPlace;
use crate::redis::reply;
use crate::settings::{QueueAddress, QueueSettings, ServerPlace};

/// For a connection, its handshake and its authentication.
const CONNECT: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug)]
pub(crate) struct ConnectFailure {
    /// Whether the server was reached and refused access.
    pub(crate) denied: bool,
    pub(crate) problem: String,
}

impl ConnectFailure {
    fn unreachable(problem: impl Into<String>) -> Self {
        Self { denied: false, problem: problem.into() }
    }
}

/// An open connection. It is closed when this is dropped.
pub(crate) struct OpenConnection {
    pub(crate) connection: MultiplexedConnection,
    /// Differs for each start of each server; empty as long as it was not asked for.
    pub(crate) run_id: Arc<str>,
    driver: JoinHandle<()>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// How to connect.
pub(crate) struct Connecting {
    pub(crate) address: QueueAddress,
    username: Option<String>,
    password: Option<String>,
    tls: Option<ClientTls>,
}

impl Connecting {
    /// Reads the files of TLS. Blocks shortly.
    pub(crate) fn new(settings: &QueueSettings) -> Result<Self, InvalidQueueSettings> {
        let address = QueueAddress::parse(&settings.url)?;
        let tls = if address.tls {
            let files: ClientFiles = settings.tls.clone().unwrap_or_default();
            Some(ClientTls::load(files).map_err(|error| InvalidQueueSettings::Tls(error.to_string()))?)
        } else {
            None
        };
        let username = settings.username.clone().or_else(|| address.username.clone());
        let password = settings.password.clone().or_else(|| address.password.clone());
        Ok(Self { address, username, password, tls })
    }

    /// Opens a connection whose requests wait this long for their answers: to the server of the settings, or to
    /// another one of its cluster.
    pub(crate) async fn open(
        &self,
        other: Option<&ClusterPlace>,
        answers: Duration,
    ) -> Result<OpenConnection, ConnectFailure> {
        let late = |_| ConnectFailure::unreachable(format!("no connection within {} s", CONNECT.as_secs()));
        let opened = async {
            match other {
                Some(place) => self.tcp(&place.host, place.port, answers).await,
                None => self.open_now(answers).await,
            }
        };
        timeout(CONNECT, opened).await.map_err(late)?
    }

    async fn open_now(&self, answers: Duration) -> Result<OpenConnection, ConnectFailure> {
        match &self.address.place {
            ServerPlace::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| io_failure(&error))?;
                self.speak(stream, answers).await
            }
            ServerPlace::Tcp { host, port } => self.tcp(host, *port, answers).await,
            ServerPlace::Sentinel { hosts, master } => {
                let (host, port) = self.master(hosts, master).await?;
                let open = self.tcp(&host, port, answers).await?;
                is_master(open).await
            }
        }
    }

    async fn tcp(&self, host: &str, port: u16, answers: Duration) -> Result<OpenConnection, ConnectFailure> {
        let stream = connect_tcp(host, port).await.map_err(|error| io_failure(&error))?;
        let Some(tls) = &self.tls else { return self.speak(stream, answers).await };
        let mut config = (*tls.config().await).clone();
        config.alpn_protocols.clear();
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| ConnectFailure::unreachable("its host is not a valid name for TLS"))?;
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .map_err(|error| io_failure(&error))?;
        self.speak(stream, answers).await
    }

    /// Authenticates and selects the database.
    async fn speak<S>(&self, stream: S, answers: Duration) -> Result<OpenConnection, ConnectFailure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut info = RedisConnectionInfo::default()
            .set_db(self.address.db)
            .set_lib_name("herald", env!("CARGO_PKG_VERSION"));
        if let Some(username) = &self.username {
            info = info.set_username(username);
        }
        if let Some(password) = &self.password {
            info = info.set_password(password);
        }
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(answers));
        let (connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config)
            .await
            .map_err(|error| redis_failure(&error))?;
        Ok(OpenConnection { connection, run_id: "".into(), driver: tokio::spawn(driver) })
    }

    async fn master(&self, hosts: &[(String, u16)], master: &str) -> Result<(String, u16), ConnectFailure> {
        let mut last = ConnectFailure::unreachable("no sentinel is named");
        for (host, port) in hosts {
            match timeout(CONNECT / 3, self.ask_sentinel(host, *port, master)).await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(failure)) => last = failure,
                Err(_) => last = ConnectFailure::unreachable("the sentinels do not answer"),
            }
        }
        Err(last)
    }

    async fn ask_sentinel(
        &self,
        host: &str,
        port: u16,
        master: &str,
    ) -> Result<(String, u16), ConnectFailure> {
        let stream = connect_tcp(host, port).await.map_err(|error| io_failure(&error))?;
        let plain = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(CONNECT));
        let (connection, driver) = MultiplexedConnection::new_with_config(&plain, stream, config)
            .await
            .map_err(|error| redis_failure(&error))?;
        let mut open = OpenConnection { connection, run_id: "".into(), driver: tokio::spawn(driver) };
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("get-master-addr-by-name").arg(master);
        let answer: Value =
            ask.query_async(&mut open.connection).await.map_err(|error| redis_failure(&error))?;
        let parts = reply::texts(&answer);
        match parts.as_slice() {
            [host, port] => match port.parse() {
                Ok(port) => Ok((host.clone(), port)),
                Err(_) => Err(ConnectFailure::unreachable("the sentinel answers without a valid port")),
            },
            _ => Err(ConnectFailure::unreachable(format!("the sentinels know no master `{master}`"))),
        }
    }
}

/// A sentinel can be late: what it names must say of itself that it is the master.
async fn is_master(mut open: OpenConnection) -> Result<OpenConnection, ConnectFailure> {
    let role: Value =
        redis::cmd("ROLE").query_async(&mut open.connection).await.map_err(|error| redis_failure(&error))?;
    match reply::items(&role).first().and_then(reply::text).as_deref() {
        Some("master") => Ok(open),
        _ => Err(ConnectFailure::unreachable("the server that the sentinels name is not a master yet")),
    }
}

async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "its host has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn io_failure(error: &io::Error) -> ConnectFailure {
    ConnectFailure::unreachable(io_text(error))
}

fn io_text(error: &io::Error) -> String {
    explain(error).unwrap_or_else(|| match error.raw_os_error() {
        Some(_) => error.kind().to_string(),
        None => error.to_string(),
    })
}

fn redis_failure(error: &RedisError) -> ConnectFailure {
    let denied = error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"));
    ConnectFailure { denied, problem: redis_text(error) }
}

/// An error of the client library for people.
pub(crate) fn redis_text(error: &RedisError) -> String {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    match (source, error.code()) {
        (Some(source), _) => io_text(source),
        (None, Some(code)) => format!("{code} {}", error.detail().unwrap_or_default()).trim().to_owned(),
        (None, None) if error.is_timeout() => "no answer in time".to_owned(),
        (None, None) => error.to_string(),
    }
}
