//! Clients that are slow, greedy, or gone.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::client::{Answer, CLOSE, Runner, now, raw, secrets, v2, wait_for};

/// Sends byte by byte until the runner has had enough, and gives what it answered and how long that took.
fn trickle(runner: &Runner, at_once: &[u8], slowly: &[u8]) -> (Vec<u8>, Duration) {
    let began = Instant::now();
    let mut stream = runner.connect();
    stream.write_all(at_once).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let reading = std::thread::spawn(move || {
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer);
        answer
    });
    for byte in slowly {
        if reading.is_finished() || stream.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    (reading.join().unwrap(), began.elapsed())
}

#[test]
fn a_client_that_sends_byte_by_byte_is_cut() {
    let runner = Runner::start("request_timeout: 1\n");
    let body = runner.job("a", "touch $0/ran").to_string() + &" ".repeat(1000);
    let (request, _) = v2("/", &body, now(), &secrets(), false);
    let head = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    for (what, at_once) in [("head", 0), ("body", head), ("nothing at all", request.len())] {
        let slowly = if at_once == request.len() { &[] } else { &request[at_once..] };
        let at_once = if slowly.is_empty() { &[] } else { &request[..at_once] };
        let (answer, took) = trickle(&runner, at_once, slowly);
        assert!(took < Duration::from_secs(5), "{what}: {took:?}");
        assert!(took > Duration::from_millis(900), "{what}: {took:?}");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{what}: {answer}");
    }
    assert!(!runner.ran("ran"));
}

/// One answer of a connection that goes on.
fn next_answer(stream: &mut impl Read) -> Answer {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    let length: usize = Answer::read(&bytes[..]).headers["content-length"].to_str().unwrap().parse().unwrap();
    let head = bytes.len();
    bytes.resize(head + length, 0);
    stream.read_exact(&mut bytes[head..]).unwrap();
    Answer::read(&bytes[..])
}

/// A connection carries the requests of a daemon that has proved who it is, and ends with the first that is wrong. What
/// has its time for one request has it for each.
#[test]
fn a_connection_carries_several_requests_of_a_daemon() {
    let mut runner = Runner::start("request_timeout: 1\nallow_v1: true\n");
    let kept = |request: Vec<u8>| String::from_utf8(request).unwrap().replace(CLOSE, "").into_bytes();
    let mut stream = runner.connect();
    let mut job = Vec::new();
    for n in 0..3 {
        let body = runner.job(&n.to_string(), "sleep 0.6").to_string();
        let signed;
        (job, signed) = v2("/", &body, now(), &secrets(), false);
        job = kept(job);
        stream.write_all(&job).unwrap();
        let answer = next_answer(&mut stream);
        answer.verify(&signed);
        assert_eq!((answer.status, answer.headers.get("connection")), (200, None), "{n}");
    }
    stream.write_all(&job).unwrap();
    let replayed = Answer::read(&mut stream);
    assert_eq!((replayed.status, &replayed.headers["connection"]), (401, &"close".parse().unwrap()));

    let body = runner.job("v1", "true").to_string();
    let signature = herald_wire::v1::sign(&secrets(), body.as_bytes());
    let mut stream = runner.connect();
    stream.write_all(&kept(raw("POST", "/", &[("X-Herald-Signature", &signature)], &body))).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 200, "in version 1 it ends with the answer");

    let mut idle = runner.connect();
    idle.write_all(&kept(v2("/heartbeat", "{}", now(), &secrets(), true).0)).unwrap();
    assert_eq!(next_answer(&mut idle).status, 200);
    let began = Instant::now();
    runner.signal("TERM");
    assert!(runner.wait().success());
    assert!(began.elapsed() < Duration::from_secs(5), "an idle connection is not waited for");
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn a_slow_client_does_not_hold_up_others() {
    let runner = Runner::start("");
    let slow: Vec<_> = (0..50).map(|_| runner.connect()).collect();
    for mut stream in &slow {
        stream.write_all(b"POST / HTTP/1.1\r\n").unwrap();
    }
    let began = Instant::now();
    assert_eq!(runner.v2("/", &runner.job("a", "true")).status, 200);
    assert!(began.elapsed() < Duration::from_secs(5));
}

/// More than there are slots for unauthenticated clients.
#[test]
fn silent_connections_do_not_hold_up_others() {
    let runner = Runner::start("");
    let silent: Vec<_> = (0..600).map(|_| runner.connect()).collect();
    let began = Instant::now();
    assert_eq!(runner.v2("/", &runner.job("a", "true")).status, 200);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    drop(silent);
}

/// More than the system lets the runner open, though fewer than its places: it closes the oldest to get at the others.
#[test]
fn silent_connections_that_take_all_descriptors_do_not_hold_up_others() {
    let runner = Runner::start("");
    let id = i32::try_from(runner.child.id()).unwrap();
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count() as u64;
    let bound = Rlimit { current: Some(open + 10), maximum: Some(open + 10) };
    prlimit(Pid::from_raw(id), Resource::Nofile, bound).unwrap();
    let silent: Vec<_> = (0..30).map(|_| runner.connect()).collect();
    wait_for("the first warning", || runner.log().contains("too many open files"));
    let began = Instant::now();
    // A cancel needs no descriptors of its own.
    assert_eq!(runner.v2("/cancel", &json!({"job_id": "a", "attempt": 1})).status, 200);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let log = runner.log();
    let warnings = log.lines().filter(|line| line.contains("WARN") && line.contains("too many open files"));
    assert!((1..=3).contains(&warnings.count()), "not one for each attempt:\n{log}");
    drop(silent);
}

/// Together they send more than the runner keeps of requests that are arriving.
#[test]
fn long_bodies_that_do_not_end_do_not_hold_up_short_ones() {
    let runner = Runner::start("");
    let size = 31 << 20;
    let hogs: Vec<_> = (0..10)
        .map(|_| {
            let mut stream = runner.connect();
            std::thread::spawn(move || {
                let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
                // Signed: bodies of others are not read.
                let (request, _) = v2("/", &" ".repeat(size), now(), &secrets(), false);
                let _ = stream.write_all(&request[..request.len() - 1]);
                stream
            })
        })
        .collect();
    let hogs: Vec<_> = hogs.into_iter().map(|hog| hog.join().unwrap()).collect();
    let began = Instant::now();
    assert_eq!(runner.v2("/", &runner.job("a", "true")).status, 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(hogs);
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    let runner = Runner::start("max_body: 64KiB\n");
    let fits = runner.job("a", "true").to_string();
    let fits = format!("{fits}{}", " ".repeat(65536 - fits.len()));
    let (request, _) = v2("/", &fits, now(), &secrets(), false);
    assert_eq!(runner.send(&request).status, 200);

    let (request, _) = v2("/", &format!("{fits} "), now(), &secrets(), false);
    assert_eq!(runner.send(&request).status, 413);
    let (request, _) = v2("/", &" ".repeat(8 << 20), now(), &secrets(), false);
    assert_eq!(runner.send(&request).status, 413);

    let (request, _) = v2("/", "x", now(), &secrets(), false);
    let head = String::from_utf8(request).unwrap().replace("Content-Length: 1", "Transfer-Encoding: chunked");
    let mut chunked = head.strip_suffix('x').unwrap().as_bytes().to_vec();
    for _ in 0..20 {
        chunked.extend_from_slice(b"1000\r\n");
        chunked.extend_from_slice(&[b' '; 4096]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(runner.send(&chunked).status, 413);
}

/// 24 bodies of 31 MiB: nothing of them is read, however much of them comes.
#[test]
fn an_unsigned_body_is_refused_before_it_is_read() {
    let runner = Runner::start("allow_v1: true\n");
    let before = runner.resident_mib();
    let mut streams = Vec::new();
    for head in ["", "Signature-Input: x\r\nSignature: x\r\n", "X-Herald-Signature: x\r\n"] {
        for _ in 0..8 {
            let mut stream = runner.connect();
            let head = format!("POST / HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {}\r\n\r\n", 31 << 20);
            stream.write_all(head.as_bytes()).unwrap();
            let began = Instant::now();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 401");
            assert!(began.elapsed() < Duration::from_secs(2), "it does not wait for the body");
            streams.push(stream);
        }
    }
    assert!(runner.resident_mib() < before + 20, "{before} MiB before, {} MiB", runner.resident_mib());
}

#[test]
fn a_client_that_has_closed_its_side_gets_its_answer() {
    let runner = Runner::start("");
    let body = runner.job("a", "sleep 0.3").to_string();
    let (request, signed) = v2("/", &body, now(), &secrets(), false);
    let mut stream = runner.connect();
    stream.write_all(&request).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = Answer::read(stream);
    assert_eq!(answer.status, 200);
    answer.verify(&signed);
}

#[test]
fn rejections_are_logged_once_a_second_with_their_count() {
    let runner = Runner::start("");
    for _ in 0..50 {
        assert_eq!(runner.send(&raw("POST", "/", &[], "{}")).status, 401);
    }
    wait_for("the count", || runner.log().contains("others="));
    let log = runner.log();
    let lines = log.lines().filter(|line| line.contains("request rejected")).count();
    assert!((2..=10).contains(&lines), "{lines} lines:\n{log}");
}

#[test]
fn a_body_that_breaks_off_runs_nothing() {
    let runner = Runner::start("");
    let body = runner.job("a", "touch $0/ran").to_string();
    let (request, _) = v2("/", &body, now(), &secrets(), false);
    let mut stream = runner.connect();
    stream.write_all(&request[..request.len() - 1]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert!(!runner.ran("ran"));
}

#[test]
fn heads_without_end_are_refused() {
    let runner = Runner::start("");
    let mut endless = b"POST / HTTP/1.1\r\nX: ".to_vec();
    endless.resize(2 << 20, b'x');
    let mut stream = runner.connect();
    // The runner may close before all was sent.
    let _ = stream.write_all(&endless);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    let answer: Answer = runner.v2("/", &runner.job("a", "true"));
    assert_eq!(answer.status, 200);
}
