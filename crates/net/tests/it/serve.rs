//! Listeners with TLS, over real connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use herald_net::listen::{Listener, ListenerTls, bind_tcp};
use herald_net::serve::{ClientBody, Handler, Peer, ServeOptions, serve};
use herald_net::tls::ServerTls;
use herald_net::tls::testing::{Authority, Pair, Validity};
use http::{Request, Response};
use http_body_util::Full;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::server_files;

struct Hello;

impl Handler for Hello {
    type Body = Full<Bytes>;

    async fn handle(&self, _: Request<ClientBody>, peer: &Peer) -> Response<Self::Body> {
        Response::new(Full::from(format!("hello {}", peer.address.is_some())))
    }
}

struct TlsServer {
    folder: TempDir,
    authority: Authority,
    pair: Pair,
    /// Ends the server.
    _stop: DropGuard,
    address: SocketAddr,
    tls: ListenerTls,
}

impl TlsServer {
    async fn new(options: ServeOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("Authority");
        let pair = authority.issue(folder.path(), "server", &["127.0.0.1"], Validity::Good);
        let tls = ListenerTls::from(Some(ServerTls::load(server_files(&pair, None)).unwrap()));
        let listener = bind_tcp("127.0.0.1", 0).await.unwrap().with_tls(tls.clone());
        let Listener::Tls(tcp, _) = &listener else { panic!("no TLS") };
        let address = tcp.local_addr().unwrap();
        assert_eq!((listener.address(), listener.tls_suffix()), (address.to_string(), " over TLS"));
        let stop = CancellationToken::new();
        tokio::spawn(serve(vec![listener], options, Arc::new(Hello), stop.clone()));
        Self { folder, authority, pair, _stop: stop.drop_guard(), address, tls }
    }

    fn client(&self) -> reqwest::Client {
        herald_net::tls::install_provider();
        let ca = reqwest::Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap()
    }

    async fn get(&self, client: &reqwest::Client, scheme: &str) -> Result<String, reqwest::Error> {
        client.get(format!("{scheme}://{}/", self.address)).send().await?.text().await
    }
}

#[tokio::test]
async fn tls_is_replaced_in_use() {
    let server = TlsServer::new(ServeOptions::default()).await;
    let client = server.client();
    assert_eq!(server.get(&client, "https").await.unwrap(), "hello true");
    assert!(server.get(&server.client(), "http").await.is_err());
    server.tls.set(None);
    assert_eq!(
        server.get(&client, "https").await.unwrap(),
        "hello true",
        "a connection that is there goes on"
    );
    assert!(server.get(&server.client(), "https").await.is_err());
    assert_eq!(server.get(&server.client(), "http").await.unwrap(), "hello true");
}

#[tokio::test]
async fn changed_files_are_used_for_new_connections() {
    let server = TlsServer::new(ServeOptions::default()).await;
    let (old, other) = (server.client(), Authority::new("Other Authority"));
    assert!(server.get(&old, "https").await.is_ok());
    other.issue(server.folder.path(), "server", &["127.0.0.1"], Validity::Good);
    let loaded = async {
        while server.get(&server.client(), "https").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), loaded).await.unwrap();
    assert!(server.get(&old, "https").await.is_ok(), "a connection that is there goes on");
    std::fs::write(&server.pair.cert, "nonsense").unwrap();
    let listener = TlsServer { authority: other, ..server };
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(listener.get(&listener.client(), "https").await.is_ok(), "what cannot be used changes nothing");
}

#[tokio::test]
async fn silent_connections_are_evicted() {
    let options =
        ServeOptions { connections: 2, min_hold: Duration::from_millis(50), ..ServeOptions::default() };
    let server = TlsServer::new(options).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    let got = tokio::time::timeout(Duration::from_secs(10), server.get(&server.client(), "https")).await;
    assert_eq!(got.unwrap().unwrap(), "hello true");
    let mut space = [0; 16];
    let ended = tokio::time::timeout(Duration::from_secs(10), silent[0].read(&mut space)).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}
