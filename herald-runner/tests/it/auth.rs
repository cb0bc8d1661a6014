//! Nothing runs for anybody who does not prove, freshly, that they have the secret.

use std::io::Write;

use herald_wire::runner_id::RunnerId;
use herald_wire::secret::Secrets;
use serde_json::json;

use crate::client::{Answer, Runner, SECRET, id, now, raw, secrets, v2, v2_for};

fn text(request: Vec<u8>) -> String {
    String::from_utf8(request).unwrap()
}

#[test]
fn what_is_not_authentic_gets_401_and_runs_nothing() {
    let runner = Runner::start("");
    let body = runner.job("a", "touch $0/ran").to_string();
    let good = || text(v2("/", &body, now(), &secrets(), false).0);
    let stranger = Secrets::new(["some other secret, long enough"]).unwrap();
    let v1 = herald_wire::v1::sign(&secrets(), body.as_bytes());
    let cases = [
        ("unsigned", text(raw("POST", "/", &[], &body))),
        ("altered body", good().replace("touch", "mkdir")),
        ("altered path", good().replace("POST / ", "POST /other ")),
        ("altered to cancel", good().replace("POST / ", "POST /cancel ")),
        ("altered query is not signed, so the path must be", good().replace("POST / ", "POST //?x ")),
        ("old", text(v2("/", &body, now() - 302, &secrets(), false).0)),
        ("future", text(v2("/", &body, now() + 60, &secrets(), false).0)),
        ("another secret", text(v2("/", &body, now(), &stranger, false).0)),
        ("no digest", good().replace("content-digest: ", "x-digest: ")),
        ("no input", good().replace("signature-input: ", "x-input: ")),
        ("join added", good().replace("Host:", "Herald-Join: only\r\nHost:")),
        ("version 1, which is not allowed", text(raw("POST", "/", &[("X-Herald-Signature", &v1)], &body))),
    ];
    for (what, request) in cases {
        let answer = runner.send(request.as_bytes());
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        assert!(!answer.body.is_empty(), "{what}");
        assert!(answer.headers.get("signature").is_none(), "{what}");
    }
    let put = runner.send(good().replace("POST", "PUT").as_bytes());
    assert_eq!((put.status, put.headers["allow"].to_str().unwrap()), (405, "POST"));
    assert!(!runner.ran("ran"));
    assert!(!runner.log().contains(SECRET));
    assert_eq!(runner.send(good().as_bytes()).status, 200);
    assert!(runner.ran("ran"));
}

/// Version 2.1: a request is for one runner, also where others share the secret.
#[test]
fn what_is_for_another_runner_or_for_none_runs_nothing() {
    let other = RunnerId::try_from("another-runner".to_owned()).unwrap();
    let old = "allow: ['2.0']\n";
    for (lines, to, path, status) in [
        ("", Some(&other), "/", 401),
        ("", None, "/", 401),
        ("", Some(&other), "/log", 401),
        ("", None, "/cancel", 401),
        ("", Some(&other), "/heartbeat", 401),
        (old, Some(&other), "/", 401),
        (old, None, "/", 200),
        (old, Some(&id()), "/", 200),
    ] {
        let runner = Runner::start(lines);
        let body = runner.job("a", "touch $0/ran").to_string();
        // A join of the job that is not there would be a 404.
        let joins = path == "/log" || path == "/heartbeat";
        let (request, signed) = v2_for(to, path, &body, now(), &secrets(), joins);
        let answer = runner.send(&request);
        assert_eq!(answer.status, status, "{lines}{to:?} {path}: {}", answer.text());
        // The daemon learns from it which runner this is.
        answer.verify(&signed);
        assert_eq!(runner.ran("ran"), status == 200, "{lines}{to:?} {path}");
    }
}

/// How a daemon finds out which runner it is: the one request without it, which can do nothing else.
#[test]
fn a_runner_says_which_it_is_to_those_who_know_its_secret() {
    let runner = Runner::start("");
    let body = runner.job("a", "touch $0/ran").to_string();
    for (to, joins, status) in [(None, true, 200), (Some(&id()), true, 200), (None, false, 401)] {
        let (request, signed) = v2_for(to, "/heartbeat", &body, now(), &secrets(), joins);
        let answer = runner.send(&request);
        assert_eq!(answer.status, status, "{to:?} {joins}: {}", answer.text());
        answer.verify(&signed);
        if status == 200 {
            assert_eq!(answer.json()["id"], json!(id()));
            assert_eq!(runner.send(&request).status, 401, "{to:?}: seen before");
        }
    }
    let unknown = Secrets::new(["some other secret, long enough"]).unwrap();
    let (request, _) = v2_for(None, "/heartbeat", "{}", now(), &unknown, true);
    assert_eq!(runner.send(&request).status, 401);
    assert!(!runner.ran("ran"));
}

/// Nonces that were removed, or put back from a copy, while the runner was stopped or killed.
#[test]
fn a_replay_is_refused_also_when_the_nonces_were_lost() {
    for restores in [false, true] {
        let mut runner = Runner::start("");
        let nonces = runner.path("work/nonces");
        let copy = std::fs::read(&nonces).unwrap();
        let body = runner.job("a", "echo ran >> $0/ran").to_string();
        let (request, _) = v2("/", &body, now(), &secrets(), false);
        assert_eq!(runner.send(&request).status, 200);
        runner.child.kill().unwrap();
        runner.child.wait().unwrap();
        if restores {
            std::fs::write(&nonces, &copy).unwrap();
        } else {
            std::fs::remove_file(&nonces).unwrap();
        }
        let runner = Runner::start_in(runner.folder.clone(), "");
        let again = runner.send(&request);
        assert_eq!(again.status, 401, "{restores}: {}", again.text());
        assert!(runner.log().contains("requests signed before now are rejected"), "{}", runner.log());
        // Who signs now is not rejected, in the very second of the start either.
        let next = runner.v2("/", &runner.job("b", "echo ran >> $0/ran"));
        assert_eq!(next.status, 200, "{restores}: {}", next.text());
        assert_eq!(crate::client::read(&runner.path("ran")).lines().count(), 2);
    }
}

#[test]
fn version_1_only_with_leave_and_its_own_checks() {
    let runner = Runner::start("allow_v1: true\n");
    let job = runner.job("a", "echo ran >> $0/ran; exit 3");
    let answer = runner.v1(&job);
    assert_eq!(answer.json()["exit_code"], 3, "a command that ran and failed is a 200");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert!(answer.headers.get("signature").is_none());

    let body = job.to_string();
    let good = herald_wire::v1::sign(&secrets(), body.as_bytes());
    for (signature, body) in
        [(good.as_str(), body.replace('a', "b")), (&good[2..], body.clone()), ("", body.clone())]
    {
        let answer = runner.send(&raw("POST", "/", &[("X-Herald-Signature", signature)], &body));
        assert_eq!(answer.status, 401, "{signature}");
    }
    // What the original sends: parameters that we do not know, and some missing.
    let mut minimal = serde_json::json!({"job_param": job["job_param"], "whatever": [1, null]});
    minimal["id"] = "x/y".into();
    assert_eq!(runner.v1(&minimal).json()["exit_code"], 3);
    assert_eq!(crate::client::read(&runner.path("ran")).lines().count(), 2);
}

#[test]
fn a_replay_is_refused_also_after_a_crash() {
    let mut runner = Runner::start("");
    let body = runner.job("a", "echo ran >> $0/ran").to_string();
    let (request, _) = v2("/", &body, now(), &secrets(), false);
    assert_eq!(runner.send(&request).status, 200);
    let again = runner.send(&request);
    assert_eq!((again.status, again.text().as_str()), (401, "replayed request: its nonce was used before\n"));

    runner.child.kill().unwrap();
    runner.child.wait().unwrap();
    let runner = Runner::start_in(runner.folder.clone(), "");
    assert_eq!(runner.send(&request).status, 401);
    assert_eq!(crate::client::read(&runner.path("ran")).lines().count(), 1);
}

/// The nonce is on disk before the job starts: a runner killed in the middle of the job still knows it.
#[test]
fn a_nonce_is_written_before_its_job_starts() {
    let mut runner = Runner::start("");
    let body = runner.job("a", "touch $0/started; sleep 600").to_string();
    let (request, _) = v2("/", &body, now(), &secrets(), false);
    let mut stream = runner.connect();
    stream.write_all(&request).unwrap();
    crate::client::wait_for("the job", || runner.path("started").exists());
    runner.child.kill().unwrap();
    runner.child.wait().unwrap();
    let runner = Runner::start_in(runner.folder.clone(), "");
    assert_eq!(runner.send(&request).status, 401);
}

#[test]
fn a_secret_changes_without_a_gap() {
    let (old, new) = ("an old secret, long enough", "a new secret, long enough");
    let runner = Runner::start(&format!("secret: ['{new}', '{old}']\n"));
    for known in [&[old][..], &[new], &[new, old], &[old, new]] {
        let secrets = Secrets::new(known).unwrap();
        let body = runner.job(&format!("{}", known.concat().len()), "true").to_string();
        let (request, signed) = v2("/", &body, now(), &secrets, false);
        let answer = runner.send(&request);
        assert_eq!(answer.status, 200, "{known:?}: {}", answer.text());
        answer.verify_with(&signed, &secrets);
    }
}

#[test]
fn a_reload_takes_over_new_secrets_and_survives_a_bad_file() {
    let runner = Runner::start("");
    let config = runner.path("config.yml");
    let before = crate::client::read(&config);
    std::fs::write(&config, "secret: short\n").unwrap();
    runner.signal("HUP");
    crate::client::wait_for("the report", || runner.log().contains("too short"));
    assert_eq!(runner.v2("/", &runner.job("a", "true")).status, 200);

    std::fs::write(&config, before.replace(SECRET, "quite another secret of length")).unwrap();
    runner.signal("HUP");
    crate::client::wait_for("the reload", || runner.log().contains("secrets updated"));
    let (request, _) = v2("/", "{}", now(), &secrets(), false);
    assert_eq!(runner.send(&request).status, 401);
}

#[test]
fn errors_are_signed_once_the_caller_is_known() {
    let runner = Runner::start("");
    for (body, status, text) in [
        ("not json", 400, "not JSON"),
        ("[]", 400, "not a JSON object"),
        (r#"{"job_id":"../x"}"#, 400, "slash"),
        (r#"{"job_id":"x","attempt":-1}"#, 400, "attempt"),
        (r#"{"job_id":"y","job_param":{"cmd":"/no/such/program"}}"#, 500, "/no/such/program"),
    ] {
        let (request, signed) = v2("/", body, now(), &secrets(), false);
        let answer: Answer = runner.send(&request);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.text().contains(text), "{body}: {}", answer.text());
        answer.verify(&signed);
    }
}
