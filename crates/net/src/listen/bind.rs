//! Listeners, before anything is served.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use rustix::net::sockopt::set_tcp_keepidle;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::listen::error::{ListenError, ListenReason};
use crate::listen::listener_tls::ListenerTls;
use crate::listen::unix_socket::UnixSocket;
use crate::tls::ServerTls;

/// How many connections may wait to be accepted: past that the kernel drops them, and clients try again after a second.
const BACKLOG: u32 = 1024;
/// After how long without traffic a client is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// What connections come in on.
#[derive(Debug)]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A TCP port with TLS, as long as that is set.
    Tls(TcpListener, ListenerTls),
    /// A unix socket.
    Unix(UnixSocket),
}

impl Listener {
    /// The same with TLS; a unix socket stays as it is.
    #[must_use]
    pub fn with_tls(self, tls: impl Into<ListenerTls>) -> Self {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => Self::Tls(listener, tls.into()),
            Self::Unix(socket) => Self::Unix(socket),
        }
    }

    /// Where it listens, for people: `127.0.0.1:8123` or `unix:/run/herald.sock`.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => {
                listener.local_addr().map_or_else(|_| "?".to_owned(), |at| at.to_string())
            }
            Self::Unix(socket) => format!("unix:{}", socket.path().display()),
        }
    }

    /// What may follow the address: ` over TLS`, where that is so.
    #[must_use]
    pub fn tls_suffix(&self) -> &'static str {
        if self.tls().is_some() { " over TLS" } else { "" }
    }

    /// The TLS of connections from now on.
    pub(crate) fn tls(&self) -> Option<ServerTls> {
        match self {
            Self::Tls(_, tls) => tls.get(),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }

    /// Whether only this machine reaches it over TCP: then any web page that a browser here shows reaches it too.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => {
                listener.local_addr().is_ok_and(|at| at.ip().to_canonical().is_loopback())
            }
            Self::Unix(_) => false,
        }
    }
}

/// Listens on a TCP port; 0 takes any that is free. A name is looked up, and its first address that can be had is
/// taken.
///
/// # Errors
/// Names the address and what to do.
pub async fn bind_tcp(host: &str, port: u16) -> Result<Listener, ListenError> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let addresses: Vec<SocketAddr> = lookup_host((bare, port))
        .await
        .map_err(|error| {
            ListenReason::system("the host cannot be looked up: ", &error).at(shown(host, port))
        })?
        .collect();
    let mut first = None;
    for address in addresses {
        match listen(address) {
            Ok(listener) => return Ok(Listener::Tcp(listener)),
            Err(error) => first = first.or(Some(error)),
        }
    }
    let error = first.unwrap_or_else(|| Error::new(ErrorKind::NotFound, "the host has no address"));
    Err(reason(port, error).at(shown(host, port)))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the connections of the process before to be forgotten.
    socket.set_reuseaddr(true)?;
    // Its connections inherit this: a peer that lost its power is noticed.
    socket.set_keepalive(true)?;
    set_tcp_keepidle(&socket, KEEPALIVE)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn shown(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn reason(port: u16, error: Error) -> ListenReason {
    match error.kind() {
        ErrorKind::AddrInUse => ListenReason::new("the port is in use").help(format!(
            "stop the program that uses it (`ss -ltnp 'sport = :{port}'` names it) or set another `port`"
        )),
        ErrorKind::AddrNotAvailable => {
            ListenReason::new("no network interface of this machine has this address")
                .help("set another `host`")
        }
        ErrorKind::PermissionDenied => ListenReason::new("permission denied")
            .help("take a `port` from 1024 on, or give Herald the capability CAP_NET_BIND_SERVICE"),
        _ => ListenReason::from(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn listens_and_says_where() {
        for (host, loopback) in [("127.0.0.1", true), ("localhost", true), ("0.0.0.0", false)] {
            let listener = bind_tcp(host, 0).await.unwrap();
            assert_eq!(listener.is_loopback(), loopback, "{host}");
            assert!(!listener.address().ends_with(":0"), "{}", listener.address());
        }
    }

    #[tokio::test]
    async fn connections_inherit_keepalive() {
        let Listener::Tcp(listener) = bind_tcp("127.0.0.1", 0).await.unwrap() else { panic!("not TCP") };
        let _client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        assert!(rustix::net::sockopt::socket_keepalive(&accepted).unwrap());
        assert_eq!(rustix::net::sockopt::tcp_keepidle(&accepted).unwrap(), KEEPALIVE);
    }

    #[tokio::test]
    async fn a_socket_is_named_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = Listener::Unix(crate::listen::unix_socket::bind_unix(&path, 0o600).await.unwrap());
        assert_eq!(listener.address(), format!("unix:{}", path.display()));
        assert!(!listener.is_loopback());
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let first = bind_tcp("127.0.0.1", 0).await.unwrap();
        let port = first.address().rsplit(':').next().unwrap().parse().unwrap();
        let error = bind_tcp("127.0.0.1", port).await.unwrap_err().to_string();
        assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("in use"), "{error}");
    }

    #[tokio::test]
    async fn other_failures_say_what_to_do() {
        let error = bind_tcp("203.0.113.7", 0).await.unwrap_err().to_string();
        assert!(error.contains("203.0.113.7:0") && error.contains("`host`"), "{error}");
        let error = bind_tcp("no such host", 0).await.unwrap_err().to_string();
        assert!(error.contains("no such host"), "{error}");
    }
}
