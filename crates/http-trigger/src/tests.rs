mod connections;
mod listening;

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

#[test]
fn allowed_hosts_are_names() {
    for (hosts, says) in [
        (json!("proxy.example"), ""),
        (json!(["proxy.example:8443", "[::1]", "::1", "10.0.0.1", "Upper_1.example."]), ""),
        (json!([]), ""),
        (json!("http://proxy.example"), "write  proxy.example"),
        (json!(["ok.example", "https://proxy.example:8443/hooks"]), "write  proxy.example:8443"),
        (json!("proxy.example/"), "write  proxy.example"),
        (json!("*.example"), "write each name in full, as an entry of its own"),
        (json!("a.example, b.example"), "write each name in full, as an entry of its own"),
        (json!("https://user@proxy.example/"), "write each name in full, as an entry of its own"),
        (json!(["ok.example", ""]), "remove it, or write a name such as herald.example.com"),
        (json!(""), "remove it, or write a name such as herald.example.com"),
    ] {
        let given = json!({"allowed_hosts": hosts});
        let (_, problems) = describe().check(given.as_object().unwrap(), &herald_core::problem::Path::top());
        let help: Vec<_> =
            problems.iter().map(|problem| problem.help.as_deref().unwrap_or_default()).collect();
        let expected: Vec<&str> = Some(says).filter(|says| !says.is_empty()).into_iter().collect();
        assert_eq!(help, expected, "{hosts}: {problems:?}");
    }
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
