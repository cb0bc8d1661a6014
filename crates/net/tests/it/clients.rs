//! Clients that are slow, many, gone, or have said all they want to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use herald_net::listen::{Listener, bind_tcp, bind_unix};
use herald_net::serve::{ClientBody, Handler, Peer, ServeOptions, serve};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

const GET: &[u8] = b"GET /now HTTP/1.1\r\nHost: x\r\n\r\n";
const SOON: Duration = Duration::from_millis(900);

/// Answers after a while, waits for the server as `respond: result` does, or reports when its client goes.
struct Desk {
    gone: mpsc::UnboundedSender<()>,
}

impl Handler for Desk {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<ClientBody>, peer: &Peer) -> Response<Self::Body> {
        let mut answer = Response::new(Full::from("done"));
        match request.uri().path() {
            "/soon" => tokio::time::sleep(Duration::from_millis(300)).await,
            "/known" => {
                peer.authenticated();
                tokio::time::sleep(Duration::from_millis(600)).await;
            }
            "/gone" => {
                peer.closed().await;
                self.gone.send(()).unwrap();
            }
            path @ ("/wait" | "/wait-too") => match peer.wait(&path.into()) {
                Some(waiting) => waiting.for_work(tokio::time::sleep(Duration::from_secs(3))).await,
                None => *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
            },
            _ => {}
        }
        answer
    }
}

struct Server {
    address: SocketAddr,
    gone: mpsc::UnboundedReceiver<()>,
    /// Ends it.
    _stop: DropGuard,
}

impl Server {
    async fn with(options: ServeOptions) -> Self {
        let listener = bind_tcp("127.0.0.1", 0).await.unwrap();
        let Listener::Tcp(tcp) = &listener else { panic!("no TCP") };
        let address = tcp.local_addr().unwrap();
        Self::of(listener, options, address)
    }

    fn of(listener: Listener, options: ServeOptions, address: SocketAddr) -> Self {
        let (sender, gone) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        tokio::spawn(serve(vec![listener], options, Arc::new(Desk { gone: sender }), stop.clone()));
        Self { address, gone, _stop: stop.drop_guard() }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection that has sent this.
    async fn sent(&self, bytes: &[u8]) -> TcpStream {
        let mut client = self.connect().await;
        client.write_all(bytes).await.unwrap();
        client
    }
}

/// The first line of the answer; empty when there is none.
async fn answer<S: AsyncRead + Unpin>(client: &mut S) -> String {
    let mut space = [0; 1024];
    let read = timeout(Duration::from_secs(20), client.read(&mut space)).await.unwrap().unwrap_or(0);
    let text = String::from_utf8_lossy(&space[..read]).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

async fn half_closed<S: AsyncRead + AsyncWrite + Unpin>(mut client: S) -> String {
    client.write_all(b"GET /soon HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    answer(&mut client).await
}

#[tokio::test]
async fn a_client_that_has_closed_its_side_gets_its_answer() {
    let server = Server::with(ServeOptions::default()).await;
    assert_eq!(half_closed(server.connect().await).await, "HTTP/1.1 200 OK");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = Listener::Unix(bind_unix(&path, 0o600).await.unwrap());
    let _server = Server::of(listener, ServeOptions::default(), server.address);
    assert_eq!(half_closed(UnixStream::connect(&path).await.unwrap()).await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn the_end_of_a_client_is_seen_whatever_it_sent_before() {
    let mut server = Server::with(ServeOptions::default()).await;
    for more in ["", "GET / HTTP/1.1\r\n"] {
        let client = server.sent(format!("GET /gone HTTP/1.1\r\nHost: x\r\n\r\n{more}").as_bytes()).await;
        let seen = timeout(Duration::from_millis(300), server.gone.recv());
        assert!(seen.await.is_err(), "it is there");
        drop(client);
        timeout(Duration::from_secs(5), server.gone.recv()).await.expect("it is seen").unwrap();
    }
}

#[tokio::test]
async fn heads_that_do_not_come_are_cut_and_idle_connections_are_not() {
    let options = ServeOptions {
        first_line: Duration::from_millis(500),
        head: Duration::from_millis(1000),
        ..ServeOptions::default()
    };
    let server = Server::with(options).await;
    for (sent, expected) in [("", 500), ("GET /", 500), ("GET / HTTP/1.1\r\nHost: x\r\n", 1000)] {
        let began = Instant::now();
        let mut client = server.sent(sent.as_bytes()).await;
        assert_eq!(answer(&mut client).await, "", "{sent}");
        let took = began.elapsed().as_millis();
        assert!((expected..expected + 400).contains(&took), "{sent}: {took}");
    }
    let mut client = server.sent(GET).await;
    assert_eq!(answer(&mut client).await, "HTTP/1.1 200 OK");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    client.write_all(GET).await.unwrap();
    assert_eq!(answer(&mut client).await, "HTTP/1.1 200 OK", "it was idle, not slow");
    client.write_all(b"GET /soon HTTP/1.1\r\n").await.unwrap();
    let began = Instant::now();
    assert_eq!(answer(&mut client).await, "", "this one is slow");
    assert!(began.elapsed() >= SOON);
}

/// Who has proved who they are is not limited while they wait for an answer; their connection is as others are when it
/// is idle afterwards.
#[tokio::test]
async fn a_kept_connection_makes_room_when_it_is_idle_and_not_before() {
    let options = ServeOptions { connections: 2, min_hold: Duration::ZERO, ..ServeOptions::default() };
    let server = Server::with(options).await;
    let known = b"GET /known HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut client = server.sent(known).await;
    for round in 0..2 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(server.connect().await);
        }
        assert_eq!(answer(&mut client).await, "HTTP/1.1 200 OK", "{round}: it waits for its answer");
        drop(others);
        if round == 0 {
            client.write_all(known).await.unwrap();
        }
    }
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(server.sent(b"GET / HTTP/1.1\r\n").await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(answer(&mut client).await, "", "it was closed for one of them");
}

#[tokio::test]
async fn a_slow_body_has_its_handlers_time() {
    let options = ServeOptions { head: Duration::from_millis(300), ..ServeOptions::default() };
    let server = Server::with(options).await;
    let mut client = server.sent(b"POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n").await;
    assert_eq!(answer(&mut client).await, "HTTP/1.1 200 OK");
}

/// More than there are slots, again and again.
#[tokio::test]
async fn slow_clients_that_come_back_do_not_hold_up_others() {
    let server = Server::with(ServeOptions { connections: 32, ..ServeOptions::default() }).await;
    let address = server.address;
    let slow = tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            for _ in 0..100 {
                if let Ok(mut client) = TcpStream::connect(address).await {
                    let _ = client.write_all(b"GET / HT").await;
                    open.push(client);
                }
            }
            open.drain(..open.len().saturating_sub(300));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..20 {
        let began = Instant::now();
        let mut client = server.sent(GET).await;
        assert_eq!(answer(&mut client).await, "HTTP/1.1 200 OK");
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    }
    slow.abort();
}

/// More than there are slots, all of them waiting for the server.
#[tokio::test]
async fn clients_that_wait_for_the_server_do_not_hold_up_others() {
    let options = ServeOptions { connections: 16, waiting: 16, ..ServeOptions::default() };
    let server = Server::with(options).await;
    let mut waiting = Vec::new();
    for _ in 0..8 {
        waiting.push(server.sent(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    for _ in 0..16 {
        let mut refused = server.sent(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(answer(&mut refused).await, "HTTP/1.1 503 Service Unavailable");
        let mut other = server.sent(GET).await;
        assert_eq!(answer(&mut other).await, "HTTP/1.1 200 OK");
    }
    let mut other = server.sent(b"GET /wait-too HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    for client in &mut waiting {
        assert_eq!(answer(client).await, "HTTP/1.1 200 OK", "they get their answers");
    }
    assert_eq!(answer(&mut other).await, "HTTP/1.1 200 OK");
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// Their answers cannot be seen any more by anybody, and their places are needed.
#[tokio::test]
async fn clients_that_are_gone_make_room_for_others_that_wait() {
    let options = ServeOptions { waiting: 4, ..ServeOptions::default() };
    let server = Server::with(options).await;
    for _ in 0..4 {
        let mut client = server.sent(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await;
        client.shutdown().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut client = server.sent(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(answer(&mut client).await, "HTTP/1.1 200 OK");
}
