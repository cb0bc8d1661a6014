//! Contract, section 2: "http trigger, answers".
//!
//! | sentence | test |
//! |---|---|
//! | POST, application/json, a JSON object: 200 {"event_id"} | `a_json_object_is_accepted` |
//! | body that is not JSON, or not an object: 400 | `what_is_no_json_object_is_400` |
//! | another method: 405 with Allow | `another_method_is_405_with_allow` |
//! | another content type: 415 | `another_content_type_is_415` |
//! | a Host that is neither loopback, the configured one, nor in allowed_hosts: 403 | `a_foreign_host_is_403_on_loopback` |
//! | body over max_body (default 1 MiB): 413 | `a_body_over_max_body_is_413`, `max_body_is_1_mib_by_default` |
//! | the daemon cannot take more: 429 or 503 with Retry-After | [`crate::process`] |
//! | Errors are application/json: {"error"} | all |
//! | no value of any kind may crash or stall the daemon | `no_body_stalls_the_daemon` |
//! | a client that sends slowly is cut (issue) and delays nobody | `a_slow_client_is_cut_and_delays_nobody` |

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::daemon::Daemon;
use e2e::http::{Message, Response, connect, exchange, send};
use e2e::place::Place;
use serde_json::json;

const JSON: (&str, &str) = ("Content-Type", "application/json");

struct Web {
    _place: Place,
    daemon: Daemon,
    address: SocketAddr,
}

impl Web {
    fn start(options: &str) -> Self {
        let place = Place::new();
        let config = format!(
            "trigger: {{manual: {{type: http, port: 0{options}}}}}
router: {{r: {{trigger: manual, selector: match_map, task: {{p: print}}, select_param: {{match_key: shown}}}}}}
"
        );
        let daemon = Daemon::start(&place, &config);
        let address = daemon.address("manual");
        Self { _place: place, daemon, address }
    }

    fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Response {
        send(self.address, &Message::request("POST", "/", headers, body))
    }

    fn accepts(&self, what: &str, response: &Response) {
        assert_eq!(response.status, 200, "{what}: {response:?}");
        assert!(
            response.json()["event_id"].as_str().is_some_and(|id| !id.is_empty()),
            "{what}: {response:?}"
        );
        assert_json(response);
    }
}

fn assert_json(response: &Response) {
    let kind = response.get("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/json"), "{response:?}");
}

fn assert_error(what: &str, response: &Response, status: u16) {
    assert_eq!(response.status, status, "{what}: {response:?}");
    assert_json(response);
    assert!(response.json()["error"].as_str().is_some_and(|error| !error.is_empty()), "{what}: {response:?}");
}

#[test]
fn a_json_object_is_accepted() {
    let web = Web::start("");
    let first = web.post(&[JSON], b"{\"shown\": 1}");
    web.accepts("plain", &first);
    let event = first.json()["event_id"].clone();
    web.daemon.wait_print("the event", |job| {
        job["trigger_id"] == event && job["trigger_param"] == json!({"shown": 1})
    });
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=\"utf-8\""]
    {
        web.accepts(kind, &web.post(&[("Content-Type", kind)], b"{}"));
    }
    web.accepts("spaces", &web.post(&[JSON], b" \r\n{ }\n"));
    // Chunks, and two requests on one connection.
    let chunked = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
        1\r\n{\r\n9\r\n\"shown\":2\r\n1\r\n}\r\n0\r\n\r\n";
    let mut stream = connect(web.address);
    for _ in 0..2 {
        web.accepts("chunked", &exchange(&mut stream, chunked, false).unwrap());
    }
}

#[test]
fn what_is_no_json_object_is_400() {
    let web = Web::start("");
    let cases: [&[u8]; 11] = [
        b"",
        b"hello",
        b"{",
        b"[]",
        b"5",
        b"\"text\"",
        b"null",
        b"{\"a\":1} {}",
        b"{'a':1}",
        b"{\"a\":\xff}",
        b"{\"a\":NaN}",
    ];
    for body in cases {
        assert_error(&String::from_utf8_lossy(body), &web.post(&[JSON], body), 400);
    }
    assert!(web.daemon.printed().is_empty());
}

#[test]
fn another_method_is_405_with_allow() {
    let web = Web::start("");
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"] {
        let response = send(web.address, &Message::request(method, "/", &[JSON], b"{\"shown\":1}"));
        assert_eq!(response.status, 405, "{method}: {response:?}");
        assert_eq!(response.get("allow"), Some("POST"), "{method}: {response:?}");
        if method != "HEAD" {
            assert_error(method, &response, 405);
        }
    }
}

#[test]
fn another_content_type_is_415() {
    let web = Web::start("");
    let kinds = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "application/jsonx",
        "text/json",
        "application",
        "",
    ];
    for kind in kinds {
        assert_error(kind, &web.post(&[("Content-Type", kind)], b"{\"shown\":1}"), 415);
    }
    assert_error("none", &web.post(&[], b"{\"shown\":1}"), 415);
    assert!(web.daemon.printed().is_empty());
}

#[test]
fn a_foreign_host_is_403_on_loopback() {
    let web = Web::start(", allowed_hosts: [herald.example, Upper.Example]");
    let port = web.address.port();
    let with_port = |host: &str| format!("{host}:{port}");
    for host in [
        "localhost",
        "127.0.0.1",
        "[::1]",
        "127.9.9.9",
        "LOCALHOST",
        "herald.example",
        "HERALD.example",
        "upper.example",
    ] {
        for host in [host.to_owned(), with_port(host)] {
            web.accepts(&host, &web.post(&[JSON, ("Host", &host)], b"{}"));
        }
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evillocalhost",
        "evil.example:localhost",
        "herald.example.evil.example",
        "sub.herald.example",
        "10.0.0.1",
        "localhost@evil.example",
    ] {
        let response = web.post(&[JSON, ("Host", host)], b"{\"shown\":1}");
        assert!([400, 403].contains(&response.status), "{host}: {response:?}");
        if !host.contains([':', '@']) {
            assert_error(host, &response, 403);
        }
    }
    // The method or the body of such a request does not matter.
    let foreign = Message::request("GET", "/", &[("Host", "evil.example")], b"");
    assert!([403, 405].contains(&send(web.address, &foreign).status));
    let nameless =
        b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"shown\":1}";
    let response = exchange(connect(web.address), nameless, false).unwrap();
    assert!([400, 403].contains(&response.status), "no Host: {response:?}");
    assert!(web.daemon.printed().is_empty());
}

#[test]
fn a_body_over_max_body_is_413() {
    let web = Web::start(", max_body: 100");
    let body = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8)).into_bytes();
    web.accepts("at the limit", &web.post(&[JSON], &body(100)));
    assert_error("over it", &web.post(&[JSON], &body(101)), 413);
    let chunk = "x".repeat(1000);
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n{chunk}\r\n0\r\n\r\n"
    );
    assert_error("chunked", &exchange(connect(web.address), chunked.as_bytes(), false).unwrap(), 413);
    let claims = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999999999999\r\n\r\n{";
    assert_error("claimed", &exchange(connect(web.address), claims, false).unwrap(), 413);
}

#[test]
fn max_body_is_1_mib_by_default() {
    let web = Web::start("");
    let body = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8)).into_bytes();
    web.accepts("1 MiB", &web.post(&[JSON], &body(1 << 20)));
    assert_error("1 MiB + 1", &web.post(&[JSON], &body((1 << 20) + 1)), 413);
}

#[test]
fn no_body_stalls_the_daemon() {
    let web = Web::start("");
    let deep = format!("{{\"shown\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let wide = format!("{{\"shown\":0.{}}}", "1".repeat(500_000));
    let keys: Vec<String> = (0..50_000).map(|number| format!("\"k{number}\":0")).collect();
    let bodies = [
        deep,
        wide,
        format!("{{{}}}", keys.join(",")),
        "{\"shown\":1e1000000000}".to_owned(),
        "{\"shown\":-1e-1000000000}".to_owned(),
        "{\"shown\":\"\\u0000\\ud83d\\ude00\\r\\n\\u001b[31m\"}".to_owned(),
        "{\"shown\":\"\\ud800\"}".to_owned(),
        "{\"\":{\"\":1},\"/\":1,\"shown\":null,\"__proto__\":1}".to_owned(),
    ];
    for body in bodies {
        let response = web.post(&[JSON], body.as_bytes());
        assert!([200, 400].contains(&response.status), "{response:?} for {}", &body[..60.min(body.len())]);
        web.accepts("the next", &web.post(&[JSON], b"{}"));
    }
    let event = web.post(&[JSON], b"{\"shown\":\"last\"}").json()["event_id"].clone();
    web.daemon.wait_print("the last", |job| job["trigger_id"] == event);
}

#[test]
fn a_slow_client_is_cut_and_delays_nobody() {
    let web = Web::start("");
    let slow = |bytes: &'static [u8]| {
        let mut stream = connect(web.address);
        stream.write_all(bytes).unwrap();
        std::thread::spawn(move || {
            let started = Instant::now();
            stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            while started.elapsed() < Duration::from_secs(45) {
                let mut buffer = [0; 4096];
                match stream.read(&mut buffer) {
                    Ok(0) => return Some(started.elapsed()),
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                        return Some(started.elapsed());
                    }
                    // Nothing yet: a further byte, as a patient attacker would.
                    Err(_) if stream.write_all(b" ").is_err() => return Some(started.elapsed()),
                    _ => {}
                }
            }
            None
        })
    };
    let slow = [
        slow(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow:"),
        slow(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"),
    ];
    for _ in 0..20 {
        let started = Instant::now();
        web.accepts("beside them", &web.post(&[JSON], b"{}"));
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    }
    for client in slow {
        let cut = client.join().unwrap().expect("cut within 45 s");
        assert!(cut < Duration::from_secs(35), "cut after {cut:?}");
    }
}
