//! Listeners with TLS, over real connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use herald_net::listen::{Listener, Shield, bind_tcp};
use herald_net::serve::{Handler, Limits, Peer, serve};
use herald_net::tls::ServerTls;
use herald_net::tls::testing::{Authority, Pair, Validity};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::server_files;

struct Hello;

impl Handler for Hello {
    type Body = Full<Bytes>;

    async fn handle(&self, _: Request<Incoming>, peer: &Peer) -> Response<Self::Body> {
        Response::new(Full::from(format!("hello {}", peer.address.is_some())))
    }
}

struct Place {
    folder: TempDir,
    authority: Authority,
    pair: Pair,
    /// Ends the server.
    _stop: DropGuard,
    address: SocketAddr,
    shield: Shield,
}

impl Place {
    async fn new(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("Authority");
        let pair = authority.issue(folder.path(), "server", &["127.0.0.1"], Validity::Good);
        let shield = Shield::from(Some(ServerTls::load(server_files(&pair, None)).unwrap()));
        let listener = bind_tcp("127.0.0.1", 0).await.unwrap().shielded(shield.clone());
        let Listener::Shielded(tcp, _) = &listener else { panic!("no shield") };
        let address = tcp.local_addr().unwrap();
        assert_eq!((listener.address(), listener.manner()), (address.to_string(), " over TLS"));
        let stop = CancellationToken::new();
        tokio::spawn(serve(vec![listener], limits, Arc::new(Hello), stop.clone()));
        Self { folder, authority, pair, _stop: stop.drop_guard(), address, shield }
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
async fn a_shield_is_exchanged_in_use() {
    let place = Place::new(Limits::default()).await;
    let client = place.client();
    assert_eq!(place.get(&client, "https").await.unwrap(), "hello true");
    assert!(place.get(&place.client(), "http").await.is_err());
    place.shield.set(None);
    assert_eq!(
        place.get(&client, "https").await.unwrap(),
        "hello true",
        "a connection that is there goes on"
    );
    assert!(place.get(&place.client(), "https").await.is_err());
    assert_eq!(place.get(&place.client(), "http").await.unwrap(), "hello true");
}

#[tokio::test]
async fn files_that_change_count_for_new_connections() {
    let place = Place::new(Limits::default()).await;
    let (old, other) = (place.client(), Authority::new("Other Authority"));
    assert!(place.get(&old, "https").await.is_ok());
    other.issue(place.folder.path(), "server", &["127.0.0.1"], Validity::Good);
    let taken_up = async {
        while place.get(&place.client(), "https").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), taken_up).await.unwrap();
    assert!(place.get(&old, "https").await.is_ok(), "a connection that is there goes on");
    std::fs::write(&place.pair.cert, "nonsense").unwrap();
    let listener = Place { authority: other, ..place };
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(listener.get(&listener.client(), "https").await.is_ok(), "what cannot be used changes nothing");
}

#[tokio::test]
async fn who_says_nothing_makes_room() {
    let limits = Limits { connections: 2, fair: Duration::from_millis(50), ..Limits::default() };
    let place = Place::new(limits).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(place.address).await.unwrap());
    }
    let got = tokio::time::timeout(Duration::from_secs(10), place.get(&place.client(), "https")).await;
    assert_eq!(got.unwrap().unwrap(), "hello true");
    let mut space = [0; 16];
    let ended = tokio::time::timeout(Duration::from_secs(10), silent[0].read(&mut space)).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}
