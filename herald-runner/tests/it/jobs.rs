//! What a daemon can do with a job: run it, lose the connection, join it, stop it.

use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use herald_base::output::Stream;
use serde_json::{Value, json};

use crate::client::{Answer, Runner, now, read, secrets, v2, wait_for};

#[test]
fn a_job_gives_its_result() {
    let runner = Runner::start("");
    let answer = runner
        .v2("/any/path", &runner.job("a", r#"echo '{"x": 12345678901234567890123, "exit_code": "no"}'"#));
    let result = answer.json();
    assert_eq!(result["x"].to_string(), "12345678901234567890123");
    assert_eq!(result["exit_code"], 0);
    assert_eq!(answer.headers["content-type"], "application/json");
    let answer = runner.v2("/", &runner.job("b", "echo hello; exit 7"));
    assert_eq!(answer.json()["exit_code"], 7);
    assert!(answer.json()["output"].as_str().unwrap().contains("hello"));
    // The line may come a moment after the answer.
    wait_for("the end of the job in the log", || {
        let log = runner.log();
        log.contains("job_id=b") && log.contains("router=r") && log.contains("exit_code=7")
    });
}

#[test]
fn a_broken_connection_ends_nothing_and_the_job_can_be_joined() {
    let runner = Runner::start("");
    let job = runner.job("a", "echo ran >> $0/ran; while [ ! -e $0/go ]; do sleep 0.05; done; echo finished");
    let body = job.to_string();
    let mut broken = runner.connect();
    broken.write_all(&v2("/", &body, now(), &secrets(), false).0).unwrap();
    wait_for("the job", || runner.path("ran").exists());
    broken.shutdown(Shutdown::Both).unwrap();
    drop(broken);

    let (request, signed) = v2("/", &body, now(), &secrets(), true);
    let mut joined = runner.connect();
    joined.write_all(&request).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    std::fs::write(runner.path("go"), "").unwrap();
    let answer = Answer::read(joined);
    answer.verify(&signed);
    assert!(answer.json()["output"].as_str().unwrap().contains("finished"));

    let kept = runner.v2("/", &job);
    assert_eq!(kept.body, answer.body, "the result is kept");
    assert_eq!(read(&runner.path("ran")).lines().count(), 1, "and the job ran once");

    let mut second = job.clone();
    second["attempt"] = json!(2);
    runner.v2("/", &second);
    assert_eq!(read(&runner.path("ran")).lines().count(), 2, "another attempt is another job");
}

#[test]
fn joining_an_unknown_job_starts_nothing() {
    let runner = Runner::start("keep_results: 0.2\n");
    let job = runner.job("a", "echo ran >> $0/ran");
    let join = || {
        let (request, signed) = v2("/", &job.to_string(), now(), &secrets(), true);
        let answer = runner.send(&request);
        answer.verify(&signed);
        answer.status
    };
    assert_eq!(join(), 404);
    assert!(!runner.ran("ran"));
    runner.v2("/", &job);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(join(), 404, "no longer kept");
}

#[test]
fn a_signed_cancel_stops_the_job() {
    let runner = Runner::start("kill_grace: 1\n");
    let job = runner.job("a", "touch $0/started; sleep 600");
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let began = Instant::now();
            (runner.v2("/", &job), began.elapsed())
        });
        wait_for("the job", || runner.path("started").exists());
        let cancel = json!({"job_id": "a", "attempt": 1});
        let wrong = json!({"job_id": "a", "attempt": 2});
        assert_eq!(runner.v2("/cancel", &wrong).json(), json!({"state": "unknown"}));
        assert_eq!(runner.v2("/cancel", &cancel).json(), json!({"state": "stopping"}));
        waiting.join().unwrap()
    });
    let (answer, took) = waiting;
    assert!(took < Duration::from_secs(15), "{took:?}");
    let (request, signed) = v2("/", &job.to_string(), now(), &secrets(), false);
    assert_eq!(
        runner.send(&request).verify(&signed).ending,
        Some(herald_wire::ending::EndingName::Cancelled)
    );
    assert_eq!(answer.status, 200);
    let cancel = json!({"job_id": "a", "attempt": 1});
    assert_eq!(runner.v2("/cancel", &cancel).json(), json!({"state": "ended"}));
    assert_eq!(runner.v2("/cancel", &json!({})).status, 400);
}

#[test]
fn a_cancel_that_overtakes_its_job_keeps_it_from_running() {
    let runner = Runner::start("");
    let cancel = json!({"job_id": "a", "attempt": 1});
    assert_eq!(runner.v2("/cancel", &cancel).json(), json!({"state": "unknown"}));
    let answer = runner.v2("/", &runner.job("a", "touch $0/ran"));
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert!(answer.text().contains("cancelled before"));
    assert!(!runner.ran("ran"));
}

#[test]
fn in_version_1_a_closed_connection_stops_the_job() {
    let runner = Runner::start("allow_v1: true\nkill_grace: 1\n");
    let job = runner.job("a", "touch $0/started; sleep 3; touch $0/ended").to_string();
    let signature = herald_wire::v1::sign(&secrets(), job.as_bytes());
    let mut stream = runner.connect();
    stream.write_all(&crate::client::raw("POST", "/", &[("X-Herald-Signature", &signature)], &job)).unwrap();
    wait_for("the job", || runner.path("started").exists());
    drop(stream);
    wait_for("its end", || runner.log().contains("cancelled"));
    std::thread::sleep(Duration::from_secs(4));
    assert!(!runner.path("ended").exists());
}

#[test]
fn above_max_jobs_the_daemon_is_asked_to_come_back() {
    let runner = Runner::start("max_jobs: 1\n");
    let hold = runner.job("a", "touch $0/started; while [ ! -e $0/go ]; do sleep 0.05; done").to_string();
    let mut stream = runner.connect();
    stream.write_all(&v2("/", &hold, now(), &secrets(), false).0).unwrap();
    wait_for("the job", || runner.path("started").exists());
    let next: Value = runner.job("b", "true");
    let answer = runner.v2("/", &next);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.headers.contains_key("retry-after"));
    std::fs::write(runner.path("go"), "").unwrap();
    assert_eq!(Answer::read(stream).status, 200);
    assert_eq!(runner.v2("/", &next).status, 200);
}

/// A daemon need not ask for output that is short, nor for the rest of what it has read.
#[test]
fn short_output_comes_with_the_answer() {
    let runner = Runner::start("");
    let files = "echo r > $0/f; echo '{\"file\": {\"f\": \"'$0'/f\"}}'";
    for (id, script, length, pieces) in [
        ("a", "true", 0, 0),
        ("b", "echo out; sleep 0.1; echo err >&2; exit 3", 18, 2),
        ("c", "head -c 3000 /dev/zero", 3005, 0),
        ("d", "head -c 300000 /dev/zero", 300_000, 0),
    ] {
        let (request, signed) = v2("/", &runner.job(id, script).to_string(), now(), &secrets(), false);
        let output = runner.send(&request).verify(&signed).output.unwrap();
        // It is read in as many pieces as the pipe gives.
        assert_eq!((output.length / 1000, output.pieces.len()), (length / 1000, pieces), "{script}");
        let asked = runner.v2("/log", &json!({"job_id": id, "attempt": 1, "from": output.length})).json();
        assert_eq!((&asked["end"], &asked["pieces"]), (&json!(true), &json!([])), "{script}");
    }
    let manifest = runner.send(&v2("/", &runner.job("f", files).to_string(), now(), &secrets(), false).0);
    assert!(manifest.text().contains(r#""output":{"length":"#), "with files, too: {}", manifest.text());
}

#[test]
fn output_is_read_while_the_job_runs() {
    let runner = Runner::start("log_limit: 64KiB");
    let job = runner.job(
        "a",
        "echo one; echo two >&2; while [ ! -e $0/go ]; do sleep 0.05; done; head -c 100000 /dev/zero",
    );
    let ask = |attempt: u32, from: u64, wait_ms: u64| {
        let body = json!({"job_id": "a", "attempt": attempt, "from": from, "wait_ms": wait_ms});
        let (request, signed) = v2("/log", &body.to_string(), now(), &secrets(), true);
        let answer = runner.send(&request);
        answer.verify(&signed);
        answer
    };
    assert_eq!(ask(1, 0, 0).status, 404, "nobody has sent it yet");
    let (request, signed) = v2("/", &job.to_string(), now(), &secrets(), false);
    let mut sent = runner.connect();
    sent.write_all(&request).unwrap();
    let mut seen = Vec::new();
    let mut from = 0;
    let mut read = |from: &mut u64, wait_ms: u64| -> Value {
        let answer = ask(1, *from, wait_ms);
        if answer.status != 200 {
            return Value::Null;
        }
        let said = answer.json();
        for piece in said["pieces"].as_array().unwrap() {
            let piece: herald_wire::log::OutputPiece = serde_json::from_value(piece.clone()).unwrap();
            seen.push((piece.stream, piece.bytes().unwrap()));
        }
        *from = said["next"].as_u64().unwrap();
        said
    };
    wait_for("both lines", || {
        read(&mut from, 100);
        from == 18
    });
    let quiet = read(&mut from, 50);
    assert_eq!((&quiet["end"], quiet["pieces"].as_array().unwrap().len()), (&json!(false), 0));
    std::fs::write(runner.path("go"), "").unwrap();
    let mut last = Value::Null;
    wait_for("the end", || {
        last = read(&mut from, 1000);
        last["end"] == true
    });
    let answer = Answer::read(sent);
    answer.verify(&signed);
    let of = |wanted| -> Vec<u8> {
        seen.iter().filter(|(stream, _)| *stream == wanted).flat_map(|(_, bytes)| bytes.clone()).collect()
    };
    assert_eq!(of(Stream::Stderr), b"two\n");
    assert_eq!((of(Stream::Stdout).len(), &of(Stream::Stdout)[..4]), (64 * 1024 - 4, &b"one\n"[..]));
    let whole = ask(1, 0, 0).json();
    assert_eq!((&whole["end"], &whole["truncated"]), (&json!(true), &json!(true)), "kept, within its limit");
    assert_eq!(ask(1, 3, 0).status, 400, "there is no such position");
    assert_eq!(ask(2, 0, 0).status, 404, "another attempt has its own");
    let unsigned = runner.send(&crate::client::raw("POST", "/log", &[], r#"{"job_id": "a", "attempt": 1}"#));
    assert_eq!(unsigned.status, 401);
}
