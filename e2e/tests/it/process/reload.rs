//! Contract, section 16: reload without a gap.
//!
//! | sentence | test |
//! |---|---|
//! | no request is refused, cut or answered 404 because of a reload that keeps its path |
//! `under_load_no_request_notices_a_reload` |
//! | (also when its secret changes, or its trigger has another name) | `under_load_no_request_notices_a_reload` |
//! | (a request that is being answered is finished) | `what_was_begun_before_a_reload_is_finished_after_it` |
//! | (a reload that fails leaves all as it was) | `a_reload_that_fails_leaves_every_listener_open` |
//! | (the same port of another host) | `a_port_moves_to_another_host` |

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use e2e::daemon::Daemon;
use e2e::http::{Message, Response, closed, free_port, post_json, send};
use e2e::place::Place;
use e2e::wait::{SOON, until};
use serde_json::{Value, json};

/// What clients of a port saw.
#[derive(Default)]
struct Seen {
    good: AtomicUsize,
    refused: AtomicUsize,
    cut: AtomicUsize,
    not_found: AtomicUsize,
    other: AtomicUsize,
    over: AtomicBool,
}

impl Seen {
    fn count(&self, response: Option<&Response>) {
        let counter = match response {
            None => &self.cut,
            Some(response) if response.status == 404 => &self.not_found,
            Some(response) if response.status == 200 && response.json()["matched"] == 1 => &self.good,
            Some(_) => &self.other,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    fn connect(&self, address: SocketAddr) -> Option<TcpStream> {
        let stream = TcpStream::connect_timeout(&address, SOON).ok();
        if stream.is_none() {
            self.refused.fetch_add(1, Ordering::SeqCst);
        }
        let stream = stream?;
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        Some(stream)
    }

    /// One request after the other, on one connection or on one each.
    fn client(&self, address: SocketAddr, path: &str, keep: bool) {
        let headers = [("Content-Type", "application/json"), ("Authorization", "Bearer the-common-token-1")];
        let mut request = Message::request("POST", path, &headers, b"{}");
        request.set("Content-Length", "2");
        let close = request.bytes();
        let close = String::from_utf8(close).unwrap();
        let text = if keep { close.replace("Connection: close\r\n", "") } else { close };
        let mut kept = None;
        while !self.over.load(Ordering::SeqCst) {
            let Some(mut stream) = kept.take().or_else(|| self.connect(address).map(BufReader::new)) else {
                continue;
            };
            let written = stream.get_mut().write_all(text.as_bytes());
            let message = written.ok().and_then(|()| Message::read(&mut stream, true));
            let status = |message: &Message| message.start.split(' ').nth(1)?.parse().ok();
            let response =
                message.and_then(|message| status(&message).map(|status| Response { status, message }));
            self.count(response.as_ref());
            kept = response.filter(|_| keep).map(|_| stream);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn numbers(&self) -> [usize; 4] {
        [&self.refused, &self.cut, &self.not_found, &self.other].map(|count| count.load(Ordering::SeqCst))
    }
}

/// The configuration after so many reloads: always the same paths, and other secrets, options and names.
fn config(port: u16, number: usize) -> String {
    let moved = if number.is_multiple_of(2) { "moved" } else { "renamed" };
    format!(
        "
trigger:
  hook: {{type: http, port: {port}, path: /hooks/a, auth: {{token: [the-secret-of-{number}, the-common-token-1]}}}}
  {moved}: {{type: http, port: {port}, path: /hooks/moved, auth: {{token: the-common-token-1}}}}
  free: {{type: http, port: 0, path: /hooks/free, auth: {{token: [the-common-token-1, the-secret-of-{number}]}}}}
  calendar: {{type: cron, cron: '{number} 3 * * *'}}
router:
  a: {{trigger: hook, selector: all, task: {{t: none}}}}
  b: {{trigger: {moved}, selector: all, task: {{t: none}}}}
  c: {{trigger: free, selector: all, task: {{t: none}}}}
"
    )
}

/// Where the trigger `free` listens.
fn port_of(daemon: &Daemon) -> SocketAddr {
    let marker = "http trigger free listening on ";
    daemon.wait_pick(marker, |line| line.split_once(marker)?.1.split('/').next()?.parse().ok())
}

fn reload(daemon: &Daemon, place: &Place, config: &str) {
    let count = || daemon.lines().iter().filter(|line| line.contains("configuration reloaded")).count();
    let before = count();
    place.config_as("heraldd.yml", config);
    daemon.signal("HUP");
    until("the reload", || (count() > before).then_some(()));
}

#[test]
fn under_load_no_request_notices_a_reload() {
    const RELOADS: usize = 10;
    let (place, port, seen) = (Place::new(), free_port(), &Seen::default());
    let daemon = Daemon::start(&place, &config(port, 0));
    let (address, free) = (SocketAddr::from(([127, 0, 0, 1], port)), port_of(&daemon));
    until("the start", || daemon.said("heraldd is ready").then_some(()));
    std::thread::scope(|scope| {
        for (at, path) in [(address, "/hooks/a"), (address, "/hooks/moved"), (free, "/hooks/free")] {
            for keep in [true, false] {
                scope.spawn(move || seen.client(at, path, keep));
            }
        }
        for number in 1..=RELOADS {
            std::thread::sleep(Duration::from_millis(100));
            reload(&daemon, &place, &config(port, number));
        }
        seen.over.store(true, Ordering::SeqCst);
    });
    assert_eq!(seen.numbers(), [0; 4], "refused, cut, 404, other; {}", daemon.log());
    assert!(seen.good.load(Ordering::SeqCst) > 10 * RELOADS, "{:?}", seen.good);
}

#[test]
fn what_was_begun_before_a_reload_is_finished_after_it() {
    let (place, port) = (Place::new(), free_port());
    let script =
        place.script("wait.sh", "echo x >@DIR@/started; while ! test -e @DIR@/go; do sleep 0.05; done");
    let config = |name: &str| {
        format!(
            "
trigger:
  {name}: {{type: http, port: {port}, path: /run, respond: result}}
executor:
  here: {{type: local, work_dir: '@DIR@/work'}}
router:
  r: {{trigger: {name}, selector: all, task: {{t: here}}, job_param: {{cmd: {script}}}}}
"
        )
    };
    let daemon = Daemon::start(&place, &config("before"));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    until("the start", || daemon.said("heraldd is ready").then_some(()));
    let json = [("Content-Type", "application/json")];
    let request = Message::request("POST", "/run", &json, b"{}");
    let waiting = std::thread::spawn(move || send(address, &request));
    place.wait_file("started");
    // One whose body is still to come: it becomes an event of the trigger that has the path then.
    let mut slow = TcpStream::connect(address).unwrap();
    slow.set_read_timeout(Some(SOON)).unwrap();
    slow.write_all(
        b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{",
    )
    .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    reload(&daemon, &place, &config("after").replace("{cmd", "{env: {A: b}, cmd"));
    slow.write_all(b"}").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    place.write("go", "");
    let answer = waiting.join().unwrap();
    assert_eq!(
        (answer.status, &answer.json()["jobs"][0]["status"]),
        (200, &json!("succeeded")),
        "{answer:?}"
    );
    let answer = Message::read(&mut BufReader::new(slow), true).expect("an answer");
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["jobs"][0]["status"], "succeeded", "{answer}");
}

#[test]
fn a_reload_that_fails_leaves_every_listener_open() {
    let (place, port, seen) = (Place::new(), free_port(), &Seen::default());
    let daemon = Daemon::start(&place, &config(port, 0));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    until("the start", || daemon.said("heraldd is ready").then_some(()));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = taken.local_addr().unwrap().port();
    std::thread::scope(|scope| {
        for keep in [true, false] {
            scope.spawn(move || seen.client(address, "/hooks/a", keep));
        }
        let broken =
            config(port, 1).replace("router:", &format!("  new: {{type: http, port: {other}}}\nrouter:"));
        for _ in 0..3 {
            let before = daemon.lines().len();
            place.config_as("heraldd.yml", &broken);
            daemon.signal("HUP");
            until("the report", || {
                daemon.lines()[before..].iter().any(|line| line.contains("not reloaded")).then_some(())
            });
        }
        seen.over.store(true, Ordering::SeqCst);
    });
    assert_eq!(seen.numbers(), [0; 4], "refused, cut, 404, other; {}", daemon.log());
    assert!(seen.good.load(Ordering::SeqCst) > 0);
}

#[test]
fn a_port_moves_to_another_host() {
    let (place, port) = (Place::new(), free_port());
    let config = |host: &str| {
        format!(
            "
trigger: {{manual: {{type: http, host: {host}, port: {port}}}}}
router: {{r: {{trigger: manual, selector: all, task: {{t: none}}}}}}
"
        )
    };
    let daemon = Daemon::start(&place, &config("127.0.0.1"));
    let (first, second) = (([127, 0, 0, 1], port).into(), SocketAddr::from(([127, 0, 0, 2], port)));
    assert_eq!(daemon.address("manual"), first);
    assert!(closed(second));
    reload(&daemon, &place, &config("0.0.0.0"));
    for address in [first, second] {
        until("the new listener", || (!closed(address)).then_some(()));
        assert_eq!(post_json(address, b"{}").status, 200);
    }
    reload(&daemon, &place, &config("127.0.0.2"));
    until("the new listener", || (!closed(second)).then_some(()));
    assert_eq!(post_json(second, b"{}").status, 200);
    until("the end of the old one", || closed(first).then_some(()));
}
