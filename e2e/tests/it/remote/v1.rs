//! Contract, section 4: "Wire version 1 is what the system in the seed speaks", with a server and a client that were
//! written from its sentences alone.
//!
//! | sentence | test |
//! |---|---|
//! | POST of the execution parameters as JSON with X-Herald-Signature: hex(HMAC-SHA256(secret, body)) | `the_daemon_posts_signed_parameters` |
//! | The answer is 200 with application/json | `the_daemon_takes_both_kinds_of_answer`, `the_runner_answers_a_result` |
//! | or multipart/form-data: result (without file), then one octet-stream part for each file | `the_daemon_takes_both_kinds_of_answer`, `the_runner_answers_files_in_parts` |
//! | A command that ran and failed is still a 200 with its exit_code | `the_runner_answers_a_result` |
//! | a job that could not be run is a 500, a bad signature a 401, with the reason as text | `the_runner_answers_500_and_401_with_the_reason`, `the_daemon_tells_the_reason_of_a_refusal` |
//! | A runner takes version 1 only with allow_v1: true | `a_runner_takes_version_1_only_when_told_so` |
//! | Redirects are not followed | `redirects_are_not_followed` |
//! | When the daemon gives up, the runner stops: by the closed connection in version 1 | `a_closed_connection_stops_the_job` |

use e2e::fake::Fake;
use e2e::http::{Message, Response, connect, send};
use e2e::place::Place;
use e2e::program::alive;
use e2e::runner::{Runner, SECRET};
use e2e::sign::{sha256_hex, v1, v1_request};
use e2e::wait::until;
use serde_json::{Value, json};

use super::{assert_failed, captured, run_remote};

/// What the original daemon posts.
fn parameters(job_param: &Value) -> Value {
    json!({
        "id": "0123-4567", "job_id": "0123-4567", "trigger_id": "89ab", "router": "r", "trigger": "t", "selector": "all",
        "task": "k", "executor": "remote", "trigger_param": {}, "select_param": {}, "job_param": job_param,
    })
}

fn post(runner: &Runner, job_param: &Value) -> Response {
    send(runner.address(), &v1_request(SECRET, parameters(job_param).to_string().as_bytes()))
}

fn sh(script: &str) -> Value {
    json!({"cmd": "sh", "arg": ["-c", script]})
}

#[test]
fn the_daemon_posts_signed_parameters() {
    let request = captured("wire: 1", &json!({"cmd": "uptime", "n": 5}));
    assert_eq!(request.target(), ("POST", "/"));
    assert_eq!(request.get("x-herald-signature").map(str::to_lowercase), Some(v1(SECRET, &request.body)));
    assert!(
        request.get("content-type").is_some_and(|kind| kind.starts_with("application/json")),
        "{request:?}"
    );
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["job_param"], json!({"cmd": "uptime", "n": 5}));
    assert_eq!(
        (&body["router"], &body["task"], &body["executor"]),
        (&json!("run"), &json!("job"), &json!("remote_command"))
    );
    assert_eq!(body["id"], body["job_id"]);
}

#[test]
fn the_daemon_takes_both_kinds_of_answer() {
    let place = Place::new();
    let plain =
        Message::response(200, &[("Content-Type", "application/json")], b"{\"a\": 1, \"exit_code\": 0}");
    let ended = run_remote(&place, Fake::answering(plain).address(), "wire: 1", &json!({"cmd": "x"}));
    assert_eq!((&ended["success"], &ended["result"]), (&json!(true), &json!({"a": 1, "exit_code": 0})));

    let failed = Message::response(
        200,
        &[("Content-Type", "application/json; charset=utf-8")],
        b"{\"output\": \"x\", \"exit_code\": 3}",
    );
    let ended = run_remote(&place, Fake::answering(failed).address(), "wire: 1", &json!({"cmd": "x"}));
    assert_eq!((&ended["success"], &ended["result"]["exit_code"]), (&json!(false), &json!(3)), "{ended}");

    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"result\"\r\nContent-Type: application/json\r\n\r\n{{\"k\":1,\"exit_code\":0}}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"file1\"; filename=\"file1.dat\"; sha256sum=\"{}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n\r\n--not\r\n\r\n--b--\r\n",
        sha256_hex(b"\r\n--not\r\n")
    );
    let parts =
        Message::response(200, &[("Content-Type", "multipart/form-data; boundary=b")], body.as_bytes());
    let ended = run_remote(&place, Fake::answering(parts).address(), "wire: 1", &json!({"cmd": "x"}));
    assert_eq!((&ended["success"], &ended["result"]["k"]), (&json!(true), &json!(1)), "{ended}");
    let file = ended["result"]["file"]["file1"].as_str().unwrap();
    let id = ended["job_id"].as_str().unwrap();
    assert_eq!(file, place.text_path(&format!("data/{id}/file1/file1.dat")));
    assert_eq!(std::fs::read_to_string(file).unwrap(), "\r\n--not\r\n");
}

#[test]
fn the_daemon_tells_the_reason_of_a_refusal() {
    for (status, reason) in [
        (401, "bad signature 4722"),
        (500, "no such program 4723"),
        (404, "nothing here 4724"),
        (503, "busy 4725"),
    ] {
        let place = Place::new();
        let fake =
            Fake::answering(Message::response(status, &[("Content-Type", "text/plain")], reason.as_bytes()));
        let ended = run_remote(&place, fake.address(), "wire: 1", &json!({"cmd": "x"}));
        assert_failed(reason, &ended);
        assert!(ended["error"].as_str().unwrap().contains(reason), "{ended}");
    }
    for body in [&b"{"[..], b"[]", b"", b"\"text\""] {
        let fake = Fake::answering(Message::response(200, &[("Content-Type", "application/json")], body));
        assert_failed(
            "no object",
            &run_remote(&Place::new(), fake.address(), "wire: 1", &json!({"cmd": "x"})),
        );
    }
    let endless = Message::response(500, &[("Content-Type", "text/plain")], &vec![b'x'; 30_000_000]);
    let ended =
        run_remote(&Place::new(), Fake::answering(endless).address(), "wire: 1", &json!({"cmd": "x"}));
    assert!(ended["error"].as_str().unwrap().len() < 100_000, "a reason is bounded");
}

#[test]
fn redirects_are_not_followed() {
    for wire in ["wire: 1", "wire: 2"] {
        for status in [301, 302, 303, 307, 308] {
            let target = Fake::answering(Message::response(
                200,
                &[("Content-Type", "application/json")],
                b"{\"exit_code\":0}",
            ));
            let location = format!("http://{}/", target.address());
            let fake = Fake::answering(Message::response(status, &[("Location", &location)], b""));
            let ended = run_remote(&Place::new(), fake.address(), wire, &json!({"cmd": "x"}));
            assert_failed(&format!("{wire} {status}"), &ended);
            assert!(target.seen().is_empty(), "{wire} {status}: followed");
        }
    }
}

#[test]
fn the_runner_answers_a_result() {
    let place = Place::new();
    let runner = Runner::start(&place, "allow_v1: true\n");
    for (job, expected) in [
        (sh("echo '{\"a\": 1}'"), json!({"a": 1, "exit_code": 0})),
        (sh("printf text"), json!({"output": "text", "exit_code": 0})),
        (sh("printf text; exit 3"), json!({"output": "text", "exit_code": 3})),
    ] {
        let answer = post(&runner, &job);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(
            answer.get("content-type").is_some_and(|kind| kind.starts_with("application/json")),
            "{answer:?}"
        );
        assert_eq!(answer.json(), expected, "{job}");
    }
}

#[test]
fn the_runner_answers_files_in_parts() {
    let place = Place::new();
    let runner = Runner::start(&place, "allow_v1: true\n");
    let job = sh(
        "printf 'one\\r\\n--x' >1.dat; printf two >2.dat; echo '{\"file\": {\"file1\": \"1.dat\", \"file2\": \"2.dat\"}, \"k\": 1}'",
    );
    let answer = post(&runner, &job);
    assert_eq!(answer.status, 200, "{answer:?}");
    let kind = answer.get("content-type").unwrap();
    assert!(kind.starts_with("multipart/form-data"), "{kind}");
    let boundary = kind.split_once("boundary=").unwrap().1.trim_matches('"');
    let body = format!("\r\n{}", answer.text());
    let pieces: Vec<&str> = body.split(&format!("\r\n--{boundary}")).collect();
    assert_eq!(pieces.len(), 5, "{body}");
    assert!(pieces[4].starts_with("--"), "{body}");
    let split = |piece: &str| {
        let (head, content) = piece.trim_start_matches("\r\n").split_once("\r\n\r\n").unwrap();
        (head.to_owned(), content.to_owned())
    };
    let (head, content) = split(pieces[1]);
    assert!(
        head.contains("name=\"result\"") && head.to_lowercase().contains("content-type: application/json"),
        "{head}"
    );
    assert_eq!(
        serde_json::from_str::<Value>(&content).unwrap(),
        json!({"k": 1, "exit_code": 0}),
        "without `file`"
    );
    for (piece, name, filename, expected) in
        [(pieces[2], "file1", "1.dat", "one\r\n--x"), (pieces[3], "file2", "2.dat", "two")]
    {
        let (head, content) = split(piece);
        let disposition = format!(
            "form-data; name=\"{name}\"; filename=\"{filename}\"; sha256sum=\"{}\"",
            sha256_hex(expected.as_bytes())
        );
        assert!(head.contains(&disposition), "{head}\n{disposition}");
        assert!(head.to_lowercase().contains("content-type: application/octet-stream"), "{head}");
        assert_eq!(content, expected);
    }
}

#[test]
fn the_runner_answers_500_and_401_with_the_reason() {
    let place = Place::new();
    let runner = Runner::start(&place, "allow_v1: true\n");
    let answer = post(&runner, &json!({"cmd": "/nonexistent/program-4726"}));
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(answer.text().contains("program-4726"), "{answer:?}");
    assert!(answer.get("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{answer:?}");

    let body = parameters(
        &sh("touch @DIR@/ran")
            .to_string()
            .replace("@DIR@", place.path("").to_str().unwrap())
            .parse()
            .unwrap(),
    )
    .to_string();
    let good = v1_request(SECRET, body.as_bytes());
    let signed_as = |signature: Option<&str>| {
        let mut request = good.clone();
        match signature {
            Some(signature) => request.set("X-Herald-Signature", signature),
            None => request.remove("X-Herald-Signature"),
        }
        request
    };
    let mut altered = good.clone();
    altered.body.push(b' ');
    for (what, request) in [
        ("unsigned", signed_as(None)),
        ("empty", signed_as(Some(""))),
        ("no hex", signed_as(Some("zz"))),
        ("cut", signed_as(Some(&v1(SECRET, body.as_bytes())[..32]))),
        ("another secret", v1_request("another-secret-of-some-length", body.as_bytes())),
        ("altered", altered),
    ] {
        let answer = send(runner.address(), &request);
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        assert!(!answer.text().trim().is_empty(), "{what}: {answer:?}");
        assert!(
            !answer.text().contains(&v1(SECRET, body.as_bytes())),
            "an answer that tells the right signature"
        );
    }
    assert!(!place.path("ran").exists());
    let garbage = send(runner.address(), &v1_request(SECRET, b"no json"));
    assert!([400, 500].contains(&garbage.status), "{garbage:?}");
    let get = send(runner.address(), &Message::request("GET", "/", &[], b""));
    assert!([401, 404, 405].contains(&get.status), "{get:?}");
    assert_eq!(send(runner.address(), &good).status, 200);
    assert!(place.path("ran").exists());
}

#[test]
fn a_runner_takes_version_1_only_when_told_so() {
    for more in ["", "allow_v1: false\n"] {
        let place = Place::new();
        let runner = Runner::start(&place, more);
        let answer = post(&runner, &json!({"cmd": "touch", "arg": place.text_path("ran")}));
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(!place.path("ran").exists());
    }
}

#[test]
fn a_closed_connection_stops_the_job() {
    use std::io::Write;
    let place = Place::new();
    let runner = Runner::start(&place, "allow_v1: true\n");
    let script = place.script("slow.sh", "sleep 600 & echo $! >@DIR@/child; echo $$ >@DIR@/pid; wait");
    let request = v1_request(SECRET, parameters(&json!({"cmd": script})).to_string().as_bytes());
    let mut stream = connect(runner.address());
    stream.write_all(&request.bytes()).unwrap();
    let pids: Vec<u32> =
        ["pid", "child"].iter().map(|name| place.wait_file(name).trim().parse().unwrap()).collect();
    drop(stream);
    for pid in pids {
        until("the end of the job", || (!alive(pid)).then_some(()));
    }
    assert_eq!(post(&runner, &sh("echo {}")).status, 200, "the runner goes on");
}
