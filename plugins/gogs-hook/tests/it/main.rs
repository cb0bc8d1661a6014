//! The trigger as Gogs meets it, over TCP and a unix socket; and what every component must do.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod client;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use client::{answer, exchange, post, sign};
use herald_core::activation::{EventSink, Key, Name, NewEvent, Refused};
use herald_core::clock::SystemClock;
use herald_core::conformance::{check_selector, check_trigger};
use herald_core::context::Context;
use herald_core::param::Params;
use herald_core::spec::ComponentType;
use herald_core::trigger::{Activator, ComponentError, Predecessors, Succession, Trigger};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SECRET: &str = "gogs-knows-this-too";
const PUSH: &str = r#"{"ref": "refs/heads/main", "number": 18446744073709551617}"#;

fn made<C: ?Sized>(component: &ComponentType<C>, options: &Value) -> Arc<C> {
    let path = herald_core::problem::Path::top();
    let (options, problems) = component.description.check(options.as_object().unwrap(), &path);
    assert!(problems.is_empty(), "{problems:?}");
    let Ok(made) = (component.factory)(&options, &Context::default()) else { panic!("it cannot be made") };
    made
}

/// Keeps the events that it gets, and has room or not, as configured.
#[derive(Default)]
struct Gate {
    taken: Mutex<Vec<Value>>,
    keys: Mutex<Vec<Option<Key>>>,
    refuse: Mutex<Option<Refused>>,
}

#[async_trait]
impl EventSink for Gate {
    async fn accept(&self, _: Name, params: Params) -> Result<Name, Refused> {
        if let Some(refused) = self.refuse.lock().unwrap().clone() {
            return Err(refused);
        }
        self.taken.lock().unwrap().push(Value::Object(params));
        Ok("event-1".into())
    }

    async fn ready(&self, _: &str) {}

    async fn accept_event(&self, event: NewEvent) -> Result<Name, Refused> {
        let event_id = self.accept(event.trigger, event.trigger_param.into_params()).await?;
        self.keys.lock().unwrap().push(event.key);
        Ok(event_id)
    }
}

struct Running {
    gate: Arc<Gate>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ComponentError>>,
}

impl Running {
    /// Runs a trigger that was prepared.
    fn start(trigger: Arc<dyn Trigger>) -> Self {
        let (gate, stop) = (Arc::new(Gate::default()), CancellationToken::new());
        let activator = Activator::new("gogs".into(), gate.clone(), Arc::new(SystemClock));
        let ending = stop.clone();
        let task = tokio::spawn(async move { trigger.run(activator, ending).await });
        Self { gate, stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.task).await.unwrap().unwrap().unwrap();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn on_a_port(mut options: Value) -> (Running, u16) {
    let port = free_port();
    options["port"] = json!(port);
    let trigger = made(&gogs_hook::trigger(), &options);
    trigger.prepare().await.unwrap();
    (Running::start(trigger), port)
}

async fn send(port: u16, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    exchange(&mut stream, request).await
}

#[tokio::test]
async fn takes_what_bears_the_signature() {
    let (running, port) = on_a_port(json!({"secret": [SECRET, "the-old-one"]})).await;
    for secret in [SECRET, "the-old-one"] {
        let (status, body) = send(port, &post(&[("X-Gogs-Signature", &sign(secret, PUSH))], PUSH)).await;
        assert_eq!((status, body.as_str()), (200, r#"{"event_id":"event-1"}"#));
    }
    let taken = running.gate.taken.lock().unwrap()[0].clone();
    assert_eq!(taken["event"], "push");
    assert_eq!(taken["delivery"], "d-1");
    assert_eq!(taken["payload"]["ref"], "refs/heads/main");
    assert_eq!(taken["payload"]["number"].to_string(), "18446744073709551617");
    running.stop().await;
}

/// A captured request cannot be sent again as another delivery: what is signed is the key.
#[tokio::test]
async fn a_delivery_is_known_by_its_body() {
    let signature = sign(SECRET, PUSH);
    let signed = |id: &str| {
        let request = String::from_utf8(post(&[("X-Gogs-Signature", &signature)], PUSH)).unwrap();
        request.replacen("X-Gogs-Delivery: d-1\r\n", id, 1).into_bytes()
    };
    let other = PUSH.replacen('{', "{ ", 1);
    let ids = ["X-Gogs-Delivery: d-1\r\n", "X-Gogs-Delivery: d-2\r\n", "", "X-Gogs-Delivery: \r\n"];
    for (window, seconds) in
        [(None, Some(24 * 60 * 60)), (Some(json!("1h")), Some(60 * 60)), (Some(json!(0)), None)]
    {
        let mut options = json!({"secret": SECRET});
        if let Some(window) = window {
            options["dedup_window"] = window;
        }
        let (running, port) = on_a_port(options).await;
        for id in ids {
            assert_eq!(send(port, &signed(id)).await.0, 200, "{id}");
        }
        let request = post(&[("X-Gogs-Signature", &sign(SECRET, &other))], &other);
        assert_eq!(send(port, &request).await.0, 200);
        let keys = running.gate.keys.lock().unwrap().clone();
        let (last, same) = keys.split_last().unwrap();
        assert!(same.len() == 4 && same.iter().all(|key| *key == same[0]), "{keys:?}");
        assert_eq!(same[0].as_ref().map(|key| key.window), seconds.map(Duration::from_secs));
        assert_eq!(same[0] == *last, seconds.is_none(), "another body is another delivery: {keys:?}");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_trigger_takes_the_place_of_another_one() {
    let (port, sent) = (free_port(), |secret: &str| post(&[("X-Gogs-Signature", &sign(secret, PUSH))], PUSH));
    let of = |secret: &str| made(&gogs_hook::trigger(), &json!({"secret": [secret, "both"], "port": port}));
    let mut now = of("first");
    now.prepare().await.unwrap();
    let mut running = Running::start(now.clone());
    assert_eq!(send(port, &sent("first")).await.0, 200);
    for n in 0..10 {
        let secret = format!("secret-{n}");
        let next = of(&secret);
        let before = Predecessors { same: Some(now), others: Vec::new() };
        assert_eq!(next.succeed(&before), Succession::Beside);
        next.prepare().await.unwrap();
        // It was connected before the exchange.
        let mut early = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let old = std::mem::replace(&mut running, Running::start(next.clone()));
        let stopping = old.stop();
        let load = async {
            for _ in 0..5 {
                assert_eq!(send(port, &sent("both")).await.0, 200);
            }
        };
        tokio::join!(stopping, load);
        let (request, mut answer) = (sent(&secret), Vec::new());
        early.write_all(&request).await.unwrap();
        early.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
        assert_eq!(send(port, &sent("first")).await.0, 401);
        now = next;
    }
    // Another trigger with the same port is not one that takes its place.
    let error = of("other").prepare().await.unwrap_err().to_string();
    assert!(error.contains("in use"), "{error}");
    running.stop().await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn rejects_what_is_not_signed() {
    let (running, port) = on_a_port(json!({"secret": SECRET})).await;
    let good = sign(SECRET, PUSH);
    let other = sign("another secret", PUSH);
    let shown = sign("", PUSH);
    let cases: [&[(&str, &str)]; 8] = [
        &[],
        &[("X-Gogs-Signature", "")],
        &[("X-Gogs-Signature", "zz")],
        &[("X-Gogs-Signature", &good[..62])],
        &[("X-Gogs-Signature", &other)],
        &[("X-Gogs-Signature", &shown)],
        &[("X-Gogs-Signature", &good), ("X-Gogs-Signature", &other)],
        &[("X-Hub-Signature", &good)],
    ];
    for headers in cases {
        let (status, body) = send(port, &post(headers, PUSH)).await;
        assert_eq!(status, 401, "{headers:?}: {body}");
        assert!(serde_json::from_str::<Value>(&body).unwrap()["error"].is_string(), "{body}");
    }
    // Signed, but altered on the way.
    let (status, _) = send(port, &post(&[("X-Gogs-Signature", &good)], &PUSH.replace("main", "evil"))).await;
    assert_eq!(status, 401);
    assert!(running.gate.taken.lock().unwrap().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn answers_like_the_http_trigger() {
    let (running, port) = on_a_port(json!({"secret": SECRET})).await;
    let signed = |body: &str| post(&[("X-Gogs-Signature", &sign(SECRET, body))], body);
    let plain = |request: Vec<u8>, from: &str, to: &str| {
        String::from_utf8(request).unwrap().replacen(from, to, 1).into_bytes()
    };
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    for (request, status) in [
        (plain(signed(PUSH), "POST", "PUT"), 405),
        (plain(signed(PUSH), "POST", "GET"), 405),
        (plain(signed(PUSH), "application/json", "text/plain"), 415),
        (plain(signed(PUSH), "application/json", "application/x-www-form-urlencoded"), 415),
        (plain(signed(PUSH), "application/json", "Application/JSON; charset=utf-8"), 200),
        (signed("{"), 400),
        (signed("[1]"), 400),
        (signed(""), 400),
        (signed(&long), 413),
    ] {
        let (answered, body) = send(port, &request).await;
        assert_eq!(answered, status, "{body}");
    }
    let (_, allow) = {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&plain(signed(PUSH), "POST", "DELETE")).await.unwrap();
        answer(&mut stream).await
    };
    assert!(allow.to_ascii_lowercase().contains("allow: post"), "{allow}");
    running.stop().await;
}

#[tokio::test]
async fn says_when_there_is_no_room() {
    let (running, port) = on_a_port(json!({"secret": SECRET})).await;
    for (refused, status) in
        [(Refused::Busy, 429), (Refused::Stopping, 503), (Refused::Unrecorded("disk full".to_owned()), 503)]
    {
        *running.gate.refuse.lock().unwrap() = Some(refused);
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&post(&[("X-Gogs-Signature", &sign(SECRET, PUSH))], PUSH)).await.unwrap();
        let (answered, all) = answer(&mut stream).await;
        assert_eq!(answered, status);
        assert!(all.to_ascii_lowercase().contains("retry-after:"), "{all}");
    }
    running.stop().await;
}

#[tokio::test]
async fn clients_that_wait_hold_up_nobody() {
    let (running, port) = on_a_port(json!({"secret": SECRET})).await;
    let mut idle = Vec::new();
    // More than there are places.
    for _ in 0..70 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        idle.push(stream);
    }
    let began = std::time::Instant::now();
    let (status, _) = send(port, &post(&[("X-Gogs-Signature", &sign(SECRET, PUSH))], PUSH)).await;
    assert_eq!(status, 200);
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    // And they do not hold up the end either.
    running.stop().await;
}

#[tokio::test]
async fn listens_on_a_socket_and_on_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gogs.sock");
    let trigger = made(&gogs_hook::trigger(), &json!({"secret": SECRET, "unix_socket": path}));
    trigger.prepare().await.unwrap();
    let running = Running::start(trigger);
    assert_eq!(mode(&path), 0o600);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let request = post(&[("X-Gogs-Signature", &sign(SECRET, PUSH))], PUSH);
    assert_eq!(exchange(&mut stream, &request).await.0, 200);
    running.stop().await;
    assert!(!path.exists());
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn components_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let options = json!({"secret": SECRET, "port": 0, "unix_socket": folder.path().join("s")});
    check_trigger(made(&gogs_hook::trigger(), &options), Duration::from_millis(100)).await.unwrap();
    check_selector(made(&gogs_hook::selector(), &json!({}))).await.unwrap();
}

#[test]
fn a_secret_is_asked_for() {
    let description = gogs_hook::trigger().description;
    for options in [json!({}), json!({"secret": ""}), json!({"secret": []}), json!({"secret": null})] {
        let path = herald_core::problem::Path::top();
        let (_, problems) = description.check(options.as_object().unwrap(), &path);
        assert_eq!(problems.len(), 1, "{options}: {problems:?}");
    }
}
