use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::activation::{EventSink, Name, Refused};
use herald_core::clock::SystemClock;
use herald_core::context::Context;
use herald_core::param::Params;
use herald_core::spec::Options;
use herald_core::trigger::{Activator, ComponentError, Predecessors, Succession, Trigger};
use herald_net::serve::{BodyError, ListenAddress};
use herald_requests::RejectedRequest;
use http::HeaderValue;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::http_trigger::HttpTrigger;
use super::{describe, options};

const LONG: Duration = Duration::from_secs(20);

/// Takes events or refuses them, as configured; a gate may hold it up.
#[derive(Default)]
struct Taken {
    params: Mutex<Vec<Params>>,
    refuse: Mutex<Option<Refused>>,
    gate: Option<Notify>,
    waiting: Notify,
}

#[async_trait]
impl EventSink for Taken {
    async fn accept(&self, trigger: Name, params: Params) -> Result<Name, Refused> {
        assert_eq!(&*trigger, "manual");
        if let Some(gate) = &self.gate {
            self.waiting.notify_one();
            gate.notified().await;
        }
        if let Some(refused) = self.refuse.lock().unwrap().clone() {
            return Err(refused);
        }
        let mut taken = self.params.lock().unwrap();
        taken.push(params);
        Ok(format!("event-{}", taken.len()).as_str().into())
    }

    async fn ready(&self, _: &str) {}
}

struct Server {
    address: Option<SocketAddr>,
    taken: Arc<Taken>,
    stop: CancellationToken,
    run: JoinHandle<Result<(), ComponentError>>,
}

fn trigger(given: Value) -> HttpTrigger {
    HttpTrigger::new(&Options(given.as_object().unwrap().clone()), &Context::default()).unwrap()
}

/// Limits that a test can wait for.
fn hasty(given: Value) -> HttpTrigger {
    let mut trigger = trigger(given);
    let check = Arc::get_mut(&mut trigger.check).unwrap();
    check.body_time = Duration::from_millis(300);
    trigger.limits.head = Duration::from_millis(300);
    trigger.limits.drain = Duration::from_millis(300);
    trigger
}

async fn start(trigger: HttpTrigger, taken: Taken) -> Server {
    trigger.prepare().await.unwrap();
    let address = trigger.held.lock().unwrap().iter().find_map(|held| held.listener().address().parse().ok());
    let taken = Arc::new(taken);
    let activator = Activator::new("manual".into(), taken.clone(), Arc::new(SystemClock));
    let stop = CancellationToken::new();
    let run = tokio::spawn({
        let stop = stop.clone();
        async move { trigger.run(activator, stop).await }
    });
    Server { address, taken, stop, run }
}

async fn served() -> Server {
    start(trigger(json!({"port": 0})), Taken::default()).await
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address.unwrap()).await.unwrap()
    }

    /// Sends bytes on a connection of their own and returns all that comes back until it is closed.
    async fn send(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }

    async fn end(self) -> Vec<Params> {
        self.stop.cancel();
        timeout(LONG, self.run).await.unwrap().unwrap().unwrap();
        self.taken.params.lock().unwrap().clone()
    }
}

async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut answer)).await.expect("the connection stays open");
    // One that is cut ends so, when the last byte sent was not read.
    assert!(
        read.as_ref().map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true),
        "{read:?}"
    );
    String::from_utf8(answer).unwrap()
}

/// Reads one answer off a connection that stays open.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    loop {
        let mut byte = [0];
        timeout(LONG, stream.read_exact(&mut byte)).await.expect("no answer").unwrap();
        answer.push(byte[0]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return text.into_owned();
            }
        }
    }
}

/// A request without the end of its head: the caller adds headers.
fn post(headers: &str, body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn post_json(body: &str) -> String {
    post("Content-Type: application/json\r\n", body)
}

/// The status and the body of an answer, whose form is checked on the way.
fn parts(answer: &str) -> (u16, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(head.contains("content-type: application/json"), "{head}");
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

#[tokio::test]
async fn what_load_balancers_ask_the_program_webhook() {
    let get = |method: &str, path: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    };
    let server =
        start(trigger(json!({"port": 0, "path": "/hooks/a", "body": "webhook"})), Taken::default()).await;
    let answer = server.send(&get("GET", "/")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nOK"), "{answer}");
    let answer = server.send(&get("HEAD", "/")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    for (method, path) in [("POST", "/"), ("GET", "/x"), ("GET", "/hooks")] {
        let answer = server.send(&get(method, path)).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    assert!(server.end().await.is_empty());
    let server = start(trigger(json!({"port": 0, "path": "/hooks/a"})), Taken::default()).await;
    assert!(server.send(&get("GET", "/")).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn an_object_becomes_an_event() {
    let server = served().await;
    for (n, target) in ["/", "/any/path?with=query"].iter().enumerate() {
        let request = post_json(r#"{"command":"uptime","n":123456789012345678901}"#)
            .replace("/ ", &format!("{target} "));
        let (status, body) = parts(&server.send(&request).await);
        assert_eq!((status, body), (200, json!({"event_id": format!("event-{}", n + 1)})));
    }
    let taken = server.end().await;
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0]["command"], "uptime");
    assert_eq!(taken[0]["n"].to_string(), "123456789012345678901");
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let server = start(trigger(json!({"port": 0, "max_body": 64})), Taken::default()).await;
    let chunked = |chunks: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\n\r\n{chunks}"
        )
    };
    let long = "x".repeat(65);
    for (request, status, says) in [
        (post_json("{}"), 200, "event-1"),
        (post("Content-Type: Application/Json; charset=utf-8\r\n", "{}"), 200, "event-2"),
        (chunked("2\r\n{\"\r\n5\r\na\":1}\r\n0\r\n\r\n"), 200, "event-3"),
        (post_json("").replace("Host: localhost", "Host: 127.0.0.1:9"), 400, "empty"),
        (post_json("nonsense"), 400, "line 1 column 2"),
        (post_json("[1,2]"), 400, "a list"),
        (post_json("{\"a\":1,}"), 400, "not JSON"),
        (post_json("{}").replace("POST", "GET"), 405, "POST"),
        (post_json("{}").replace("POST", "PUT"), 405, "POST"),
        (post_json("{}").replace("POST", "OPTIONS"), 405, "POST"),
        (post_json("{}").replace("POST", "BREW"), 405, "POST"),
        (post("", "{}"), 415, "application/json"),
        (post("Content-Type: text/plain\r\n", "{}"), 415, "application/json"),
        (post("Content-Type: application/x-www-form-urlencoded\r\n", "a=1"), 415, "application/json"),
        (post("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", "{}"), 415, "compressed"),
        (post_json("{}").replace("Host: localhost", "Host: evil.example"), 403, "allowed_hosts"),
        (post_json("{}").replace("Host: localhost\r\n", ""), 400, "Host"),
        (post_json("{}").replace("Host: localhost", "Host: localhost\r\nHost: evil"), 400, "Host"),
        (post_json("{}").replace("POST /", "POST http://evil.example/"), 403, "allowed_hosts"),
        (post_json(&long), 413, "max_body, 64 bytes"),
        (
            chunked(&format!("30\r\n{}\r\n30\r\n{}\r\n0\r\n\r\n", " ".repeat(48), " ".repeat(48))),
            413,
            "max_body",
        ),
        (chunked("zz\r\n"), 400, "could not be read"),
        // A proxy in front could see another end of the body.
        (
            chunked("0\r\n\r\n").replace(": chunked", ": gzip, chunked"),
            400,
            "Transfer-Encoding must be there once",
        ),
        (
            chunked("0\r\n\r\n").replace(": chunked", ": chunked\r\nTransfer-Encoding: chunked"),
            400,
            "Transfer-Encoding must be there once",
        ),
        (chunked("2\r\n{}\r\n0\r\n\r\n").replace(": chunked", ": Chunked"), 200, "event-4"),
    ] {
        let answer = server.send(&request).await;
        let (found, body) = parts(&answer);
        assert_eq!(found, status, "{request}\n{answer}");
        assert!(body.to_string().contains(says), "{request}\n{answer}");
        assert_eq!(body.get("error").is_some(), status != 200, "{answer}");
        assert_eq!(answer.contains("\r\nallow: POST\r\n"), status == 405, "{answer}");
    }
    assert_eq!(server.end().await.len(), 4);
}

#[tokio::test]
async fn a_refused_event_is_never_a_2xx() {
    for (refused, status, after) in [
        (Refused::Busy, 429, "1"),
        (Refused::Stopping, 503, "5"),
        (Refused::Unrecorded("disk full".to_owned()), 503, "5"),
    ] {
        let says = refused.to_string();
        let taken = Taken { refuse: Mutex::new(Some(refused)), ..Taken::default() };
        let server = start(trigger(json!({"port": 0})), taken).await;
        let answer = server.send(&post_json("{}")).await;
        assert_eq!(parts(&answer), (status, json!({ "error": says })));
        assert!(answer.contains(&format!("\r\nretry-after: {after}\r\n")), "{answer}");
        assert!(server.end().await.is_empty());
    }
}

#[test]
fn where_there_is_no_room_for_a_body_it_can_come_later() {
    let reply = RejectedRequest::of_body(&BodyError::NoRoom, 9, LONG).reply();
    assert_eq!(
        (reply.status().as_u16(), &reply.headers()["retry-after"]),
        (503, &HeaderValue::from_static("5"))
    );
}

#[tokio::test]
async fn hosts_may_be_allowed() {
    let given = json!({"port": 0, "allowed_hosts": ["herald.example.com", "proxy"]});
    let server = start(trigger(given), Taken::default()).await;
    for (host, status) in
        [("herald.example.com", 200), ("PROXY:80", 200), ("other.example.com", 403), ("[::1]:1", 200)]
    {
        let request = post_json("{}").replace("Host: localhost", &format!("Host: {host}"));
        assert_eq!(parts(&server.send(&request).await).0, status, "{host}");
    }
    server.end().await;
}

#[tokio::test]
async fn other_listeners_take_any_host() {
    let server = start(trigger(json!({"port": 0, "host": "0.0.0.0"})), Taken::default()).await;
    let request = post_json("{}").replace("Host: localhost", "Host: herald.example.com");
    assert_eq!(parts(&server.send(&request).await).0, 200);
    server.end().await;
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let server = served().await;
    let mut stream = server.connect().await;
    let request = post_json("{}").replace("Connection: close\r\n", "");
    for n in 1..=3 {
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(parts(&answer(&mut stream).await), (200, json!({"event_id": format!("event-{n}")})));
    }
    // All at once, answered in order.
    stream.write_all(request.repeat(3).as_bytes()).await.unwrap();
    for n in 4..=6 {
        assert_eq!(parts(&answer(&mut stream).await), (200, json!({"event_id": format!("event-{n}")})));
    }
    // A refusal does not cost the connection.
    stream.write_all(request.replace("POST", "GET").as_bytes()).await.unwrap();
    assert_eq!(parts(&answer(&mut stream).await).0, 405);
    server.end().await;
}

#[tokio::test]
async fn too_large_is_said_before_the_body_is_sent() {
    let server = served().await;
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n";
    let mut stream = server.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(parts(&answer(&mut stream).await).0, 413);
    // A client that asks first gets the response without sending the body.
    let expecting = head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let mut stream = server.connect().await;
    stream.write_all(expecting.as_bytes()).await.unwrap();
    assert_eq!(parts(&answer(&mut stream).await).0, 413);
    server.end().await;
}

/// Who signs nothing is rejected before the body is read; what is signed is seen with the body alone.
#[tokio::test]
async fn unsigned_bodies_are_not_read() {
    let github = json!({"provider": "github", "secret": "sixteen-bytes-and-more"});
    let hmac = json!({"hmac": {"header": "x-sign", "secret": "sixteen-bytes-and-more", "prefix": "v1=", "algorithm": "sha256",
        "encoding": "hex"}});
    let old = "X-Slack-Request-Timestamp: 1531420618\r\nX-Slack-Signature: v0=a2114d57\r\n";
    let slack = json!({"provider": "slack", "secret": "sixteen-bytes-and-more"});
    for (auth, headers, status) in [
        (&github, "", "401"),
        (&github, "X-Hub-Signature-256: 00\r\n", "401"),
        (&github, "X-Hub-Signature-256: sha256=00\r\n", "100"),
        (&hmac, "", "401"),
        (&hmac, "X-Sign: 00\r\n", "401"),
        (&hmac, "X-Sign: v1=00\r\n", "100"),
        (&slack, "X-Slack-Signature: v0=00\r\n", "401"),
        (&slack, old, "100"),
    ] {
        let server = start(trigger(json!({"port": 0, "auth": auth})), Taken::default()).await;
        let mut stream = server.connect().await;
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\
             Expect: 100-continue\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(std::str::from_utf8(&begin).unwrap(), format!("HTTP/1.1 {status}"), "{auth} {headers}");
        drop(stream);
        server.end().await;
    }
}

#[tokio::test]
async fn a_client_that_sends_too_much_still_sees_the_answer() {
    let server = served().await;
    for _ in 0..20 {
        let answer = server.send(&post_json(&"x".repeat(2_000_000))).await;
        assert_eq!(parts(&answer).0, 413);
    }
    server.end().await;
}

#[tokio::test]
async fn expecting_clients_are_asked_for_the_body() {
    let server = served().await;
    let mut stream = server.connect().await;
    let request = post("Content-Type: application/json\r\nExpect: 100-continue\r\n", "{}");
    stream.write_all(request.strip_suffix("{}").unwrap().as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    timeout(LONG, stream.read_exact(&mut go_on)).await.unwrap().unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").await.unwrap();
    assert_eq!(parts(&rest(&mut stream).await).0, 200);
    server.end().await;
}

/// Writes byte by byte until the server has had enough.
async fn drip(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    for byte in bytes {
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        sleep(Duration::from_millis(40)).await;
    }
}

#[tokio::test]
async fn slow_clients_are_cut() {
    let server = start(hasty(json!({"port": 0})), Taken::default()).await;
    let begun = Instant::now();
    // A head, byte by byte; a body, byte by byte; nothing at all.
    let request = post_json(&format!("{{\"a\":\"{}\"}}", "x".repeat(100)));
    let head_end = request.find("{\"a\"").unwrap();
    let head = async {
        let mut stream = server.connect().await;
        let (mut read, mut write) = stream.split();
        tokio::join!(drip(&mut write, &request.as_bytes()[..60]), rest(&mut read)).1
    };
    let body = async {
        let mut stream = server.connect().await;
        let (mut read, mut write) = stream.split();
        write.write_all(&request.as_bytes()[..head_end]).await.unwrap();
        tokio::join!(drip(&mut write, &request.as_bytes()[head_end..head_end + 60]), rest(&mut read)).1
    };
    let idle = async { rest(&mut server.connect().await).await };
    let (head, body, idle) = tokio::join!(head, body, idle);
    assert_eq!((head.as_str(), idle.as_str()), ("", ""));
    let (status, body) = parts(&body);
    assert_eq!(status, 408);
    assert!(body["error"].as_str().unwrap().contains("within 0.3 s"), "{body}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(server.end().await.is_empty());
}

#[tokio::test]
async fn connections_past_the_limit_wait() {
    let mut few = hasty(json!({"port": 0}));
    // One address has half of them.
    few.limits.connections = 4;
    few.limits.min_hold = Duration::from_secs(1);
    let server = start(few, Taken::default()).await;
    let mut idle = (server.connect().await, server.connect().await);
    // Their heads are whole, so they are not closed at once.
    let head = post_json("{}").replace("{}", "");
    idle.0.write_all(head.as_bytes()).await.unwrap();
    idle.1.write_all(head.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    assert_eq!(parts(&server.send(&post_json("{}")).await).0, 200);
    assert!(begun.elapsed() > Duration::from_millis(500), "it did not wait");
    drop(idle);
    server.end().await;
}

#[tokio::test]
async fn connections_that_say_nothing_make_room() {
    let mut few = hasty(json!({"port": 0}));
    few.limits.connections = 4;
    few.limits.head = LONG;
    few.limits.min_hold = Duration::from_millis(100);
    let server = start(few, Taken::default()).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    first.write_all(b"POST / HT").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    assert_eq!(parts(&server.send(&post_json("{}")).await).0, 200);
    assert!(begun.elapsed() < LONG / 4, "{:?}", begun.elapsed());
    assert_eq!(rest(&mut first).await, "");
    second.write_all(post_json("{}").as_bytes()).await.unwrap();
    assert_eq!(parts(&rest(&mut second).await).0, 200);
    server.end().await;
}

#[tokio::test]
async fn the_end_answers_what_it_began_and_closes_the_rest() {
    let taken = Taken { gate: Some(Notify::new()), ..Taken::default() };
    let mut patient = hasty(json!({"port": 0}));
    patient.limits.drain = LONG;
    let server = start(patient, taken).await;
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(post_json("{}").replace("Connection: close\r\n", "").as_bytes()).await.unwrap();
    server.taken.waiting.notified().await;
    server.stop.cancel();
    assert_eq!(rest(&mut idle).await, "");
    let address = server.address.unwrap();
    while TcpStream::connect(address).await.is_ok() {
        sleep(Duration::from_millis(5)).await;
    }
    server.taken.gate.as_ref().unwrap().notify_one();
    assert_eq!(parts(&rest(&mut busy).await), (200, json!({"event_id": "event-1"})));
    assert_eq!(server.end().await.len(), 1);
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let taken = Taken { gate: Some(Notify::new()), ..Taken::default() };
    let server = start(hasty(json!({"port": 0})), taken).await;
    let mut stuck = server.connect().await;
    stuck.write_all(post_json("{}").as_bytes()).await.unwrap();
    server.taken.waiting.notified().await;
    let begun = Instant::now();
    server.end().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(rest(&mut stuck).await, "");
}

#[tokio::test]
async fn a_dropped_run_ends_its_connections() {
    let server = served().await;
    let mut stream = server.connect().await;
    stream.write_all(post_json("{}").replace("Connection: close\r\n", "").as_bytes()).await.unwrap();
    answer(&mut stream).await;
    server.run.abort();
    assert_eq!(rest(&mut stream).await, "");
}

async fn over_socket(path: &Path) -> (u16, Value) {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(post_json("{}").replace("localhost", "any.name").as_bytes()).await.unwrap();
    parts(&rest(&mut stream).await)
}

#[tokio::test]
async fn a_unix_socket_alone_or_beside_the_port() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("herald.sock");
    for (more, mode, with_tcp) in [
        (json!({}), 0o600, false),
        (json!({"unix_socket_mode": "0660"}), 0o660, false),
        (json!({"unix_socket_mode": 0o666}), 0o666, false),
        (json!({"port": 0}), 0o600, true),
        (json!({"port": 0, "host": "localhost"}), 0o600, true),
    ] {
        let mut given = more.clone();
        given["unix_socket"] = json!(path);
        let server = start(trigger(given), Taken::default()).await;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode, "{more}");
        assert_eq!(over_socket(&path).await.0, 200, "{more}");
        assert_eq!(server.address.is_some(), with_tcp, "{more}");
        if with_tcp {
            assert_eq!(parts(&server.send(&post_json("{}")).await).0, 200);
        }
        server.end().await;
        assert!(!path.exists());
    }
}

#[tokio::test]
async fn a_taken_port_shows_before_the_start() {
    let server = served().await;
    let port = server.address.unwrap().port();
    let error = trigger(json!({ "port": port })).prepare().await.unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("in use"), "{error}");
    server.end().await;
    trigger(json!({ "port": port })).prepare().await.unwrap();
}

/// Runs a trigger that takes the place of another one.
async fn follow(given: Value, before: &Arc<HttpTrigger>) -> (Arc<HttpTrigger>, Server) {
    let next = Arc::new(trigger(given));
    let before = Predecessors { same: Some(before.clone()), others: Vec::new() };
    assert_eq!(next.succeed(&before), Succession::Beside);
    next.prepare().await.unwrap();
    (next.clone(), run(next, Taken::default()))
}

fn run(trigger: Arc<HttpTrigger>, taken: Taken) -> Server {
    let address = trigger.held.lock().unwrap().iter().find_map(|held| held.listener().address().parse().ok());
    let taken = Arc::new(taken);
    let activator = Activator::new("manual".into(), taken.clone(), Arc::new(SystemClock));
    let stop = CancellationToken::new();
    let run = tokio::spawn({
        let stop = stop.clone();
        async move { trigger.run(activator, stop).await }
    });
    Server { address, taken, stop, run }
}

#[tokio::test]
async fn a_trigger_takes_the_place_of_another_one_on_open_connections() {
    let taken = Taken { gate: Some(Notify::new()), ..Taken::default() };
    let mut now = Arc::new(trigger(json!({"port": 0, "max_body": 10})));
    now.prepare().await.unwrap();
    let first = run(now.clone(), taken);
    let address = first.address;
    let (mut busy, mut kept) = (first.connect().await, first.connect().await);
    busy.write_all(post_json("{}").as_bytes()).await.unwrap();
    first.taken.waiting.notified().await;
    let (before, mut server) = (first.taken.clone(), first);
    let request = |body: &str| post_json(body).replace("Connection: close\r\n", "");
    for size in 20..23 {
        let (next, next_server) = follow(json!({"port": 0, "max_body": size}), &now).await;
        assert_eq!(next_server.address, address, "the port stays");
        // Requests wait until it is mounted.
        kept.write_all(request(&format!("{:size$}", "{}")).as_bytes()).await.unwrap();
        assert_eq!(parts(&answer(&mut kept).await).0, 200, "{size}");
        let old = std::mem::replace(&mut server, next_server);
        old.stop.cancel();
        timeout(LONG, old.run).await.unwrap().unwrap().unwrap();
        now = next;
        kept.write_all(request(&format!("{:size$}", "{}")).as_bytes()).await.unwrap();
        assert_eq!(parts(&answer(&mut kept).await).0, 200, "{size}");
        assert_eq!(parts(&server.send(&post_json(&" ".repeat(size + 1))).await).0, 413);
    }
    // What the first one began, it finishes.
    before.gate.as_ref().unwrap().notify_one();
    assert_eq!(parts(&rest(&mut busy).await), (200, json!({"event_id": "event-1"})));
    assert_eq!(before.params.lock().unwrap().len(), 1);
    assert_eq!(server.end().await.len(), 2);
    assert!(TcpStream::connect(address.unwrap()).await.is_err(), "the last one closes the port");
}

#[tokio::test]
async fn a_trigger_that_is_announced_and_does_not_come_changes_nothing() {
    let now = Arc::new(trigger(json!({"port": 0})));
    now.prepare().await.unwrap();
    let server = run(now.clone(), Taken::default());
    let next = trigger(json!({"port": 0, "max_body": 1}));
    next.succeed(&Predecessors { same: Some(now.clone()), others: Vec::new() });
    next.prepare().await.unwrap();
    let begun = Instant::now();
    let sent = async { parts(&server.send(&post_json("{}")).await).0 };
    let given_up = async {
        sleep(Duration::from_millis(100)).await;
        drop(next);
    };
    assert_eq!(tokio::join!(sent, given_up).0, 200);
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    server.end().await;
}

#[test]
fn what_a_trigger_has_to_wait_for() {
    for (before, next, all) in [
        (json!({"port": 8123}), json!({"port": 8123, "max_body": 5}), false),
        (json!({"port": 8123}), json!({"port": 8124}), false),
        (json!({"port": 8123}), json!({"port": 8123, "host": "0.0.0.0"}), true),
        (json!({"port": 0}), json!({"port": 0, "host": "0.0.0.0"}), false),
        (
            json!({"unix_socket": "/run/a"}),
            json!({"unix_socket": "/run/a", "unix_socket_mode": "0660"}),
            false,
        ),
    ] {
        let other: Arc<dyn Trigger> = Arc::new(trigger(before.clone()));
        let expected = if all { Succession::AfterAll } else { Succession::Beside };
        for before in [
            Predecessors { same: Some(other.clone()), others: Vec::new() },
            Predecessors { same: None, others: vec![other.clone()] },
        ] {
            assert_eq!(trigger(next.clone()).succeed(&before), expected, "{next}");
        }
        assert_eq!(trigger(next).succeed(&Predecessors::default()), Succession::Beside);
    }
}

#[tokio::test]
async fn a_socket_changes_its_permissions_while_it_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("herald.sock");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
    let now = Arc::new(trigger(json!({"unix_socket": path})));
    now.prepare().await.unwrap();
    let server = run(now.clone(), Taken::default());
    assert_eq!((over_socket(&path).await.0, mode()), (200, 0o600));
    let (_, next) = follow(json!({"unix_socket": path, "unix_socket_mode": "0660"}), &now).await;
    server.end().await;
    assert_eq!((over_socket(&path).await.0, mode()), (200, 0o660));
    next.end().await;
    assert!(!path.exists());
}

#[test]
fn options_are_checked() {
    for (size, fine) in [(json!("1MiB"), true), (json!(1), true), (json!(0), false), (json!("2GiB"), false)] {
        assert_eq!(options::check_max_body(&size).is_ok(), fine, "{size}");
    }
    let default = trigger(json!({}));
    assert_eq!(default.listen_addresses, [ListenAddress::Tcp("127.0.0.1".to_owned(), 8123)]);
    assert_eq!(default.check.max_body, 1 << 20);
}

#[test]
fn hosts_that_cannot_be_are_found_before_the_start() {
    for (host, good) in [
        ("127.0.0.1", true),
        ("::1", true),
        ("[::1]", true),
        ("localhost", true),
        ("", false),
        ("127.0.0.1:80", false),
        ("localhost:80", false),
        ("http://127.0.0.1", false),
        ("two words", false),
    ] {
        let given = json!({"host": host});
        let (_, problems) = describe().check(given.as_object().unwrap(), &herald_core::problem::Path::top());
        assert_eq!(problems.is_empty(), good, "{host}: {problems:?}");
    }
}
