//! Contract, section 12: executor `http_request`. The servers are sockets of the test, or another heraldd.
//!
//! | sentence | test |
//! |---|---|
//! | method, url, headers, json, auth; result: status, headers, json or body | `a_request_and_its_result` |
//! | timeout, expect, max_response | `what_makes_a_request_fail` |
//! | tls | `over_tls` |
//! | retries belong to the policy; the Idempotency-Key is the job's id in every attempt | `attempts_have_one_key` |
//! | section 7: a job that was running becomes lost, and is tried again where its policy says so | `a_killed_daemon_sends_again` |
//! | section 2: secrets are shown nowhere | `secrets_are_sent_and_not_shown` |
//! | what an event holds cannot add headers | `events_add_no_headers` |
//! | validation is total | `what_is_wrong_is_found_at_start` |

use std::sync::atomic::{AtomicUsize, Ordering};

use e2e::daemon::{DONE, Daemon};
use e2e::fake::Fake;
use e2e::http::Message;
use e2e::place::Place;
use e2e::program::run_to_end;
use e2e::wait::until;
use herald_net::tls::testing::{Authority, Validity};
use serde_json::{Value, json};

/// A router `run` that sends a request with these parameters.
fn config(executor: &str, job_param: &Value, policy: &str) -> String {
    format!(
        "state_dir: '@DIR@/state'\ntrigger: {{manual: {{type: http, port: 0}}}}\nexecutor: {{api: {{type: http_request{executor}}}}}\n\
         router:\n  run: {{trigger: manual, selector: all, task: {{send: api}}, job_param: {job_param}{policy}}}\n{DONE}"
    )
}

fn url(server: &Fake, path: &str) -> String {
    format!("http://{}{path}", server.address())
}

#[test]
fn a_request_and_its_result() {
    let json =
        Message::response(201, &[("Content-Type", "application/json"), ("X-Id", "7")], b"{\"id\":[7]}");
    let server = Fake::answering(json);
    let place = Place::new();
    let params = json!({
        "method": "PUT", "url": url(&server, "/v1/{{ trigger_param.name }}"), "query": {"q": "{{ trigger_param.q }}"},
        "headers": {"X-Name": "{{ trigger_param.name }}"}, "json": "{{ trigger_param }}",
    });
    let daemon = Daemon::start(&place, &config("", &params, ""));
    let event = json!({"name": "shop", "q": "a&b ü", "deep": {"list": [1, null]}});
    let done = daemon.post_and_wait(&event);
    let result = &done["result"];
    assert_eq!(
        (&done["success"], &result["status"], &result["json"]),
        (&json!(true), &json!(201), &json!({"id": [7]}))
    );
    assert_eq!((&result["headers"]["x-id"], result.get("body")), (&json!("7"), None));
    let request = server.wait_first();
    assert_eq!(request.target(), ("PUT", "/v1/shop?q=a%26b+%C3%BC"));
    let sent: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(sent["deep"], event["deep"]);
    assert_eq!(
        (request.get("x-name"), request.get("content-type")),
        (Some("shop"), Some("application/json"))
    );
    assert_eq!(request.get("idempotency-key"), done["job_id"].as_str());
}

#[test]
fn what_makes_a_request_fail() {
    let server = Fake::start(|request| match request.target().1 {
        "/none" => None,
        "/slow" => {
            std::thread::sleep(std::time::Duration::from_secs(3));
            None
        }
        "/large" => Some(Message::response(200, &[], &[b'x'; 2000])),
        "/moved" => Some(Message::response(302, &[("Location", "/")], b"")),
        _ => Some(Message::response(409, &[], b"it exists\n")),
    });
    let place = Place::new();
    let params = json!({
        "url": url(&server, "{{ trigger_param.path }}"), "expect": "{{ trigger_param.expect|default('200-299') }}",
    });
    let daemon = Daemon::start(&place, &config(", timeout: 500ms, max_response: 1KB", &params, ""));
    let origin = url(&server, "");
    for (event, status, error) in [
        (json!({"path": "/x"}), "failed", "answered 409 Conflict, expected 200-299: it exists"),
        (json!({"path": "/x", "expect": 409}), "succeeded", ""),
        (json!({"path": "/moved"}), "failed", "answered 302 Found, expected 200-299; see `follow_redirects`"),
        (json!({"path": "/none"}), "failed", "connection closed before message completed"),
        (json!({"path": "/slow"}), "timed_out", "no complete response within 500ms (timeout)"),
        (json!({"path": "/large"}), "failed", "is larger than 1000 bytes (max_response)"),
    ] {
        let done = daemon.post_and_wait(&event);
        let said = done["error"].as_str().unwrap_or_default();
        assert_eq!(done["status"], status, "{event}: {done}");
        assert!(said.contains(error) && (error.is_empty() || said.starts_with(&origin)), "{event}: {said}");
    }
}

#[test]
fn over_tls() {
    let (there, here) = (Place::new(), Place::new());
    let (good, other) = (Authority::new("Good"), Authority::new("Other"));
    good.write(&here.path("ca.crt"));
    other.write(&here.path("other.crt"));
    good.issue(&there.path(""), "server", &["127.0.0.1"], Validity::Good);
    let server = Daemon::start(
        &there,
        "trigger: {manual: {type: http, port: 0, tls: {cert: '@DIR@/server.crt', key: '@DIR@/server.key'}}}\n\
         router: {r: {trigger: manual, selector: all, task: {show: print}, job_param: {print_key: trigger_param}}}\n",
    );
    let url = format!("https://{}/", server.address("manual"));
    for (ca, status) in [("ca.crt", "succeeded"), ("other.crt", "failed")] {
        let executor = format!(", tls: {{ca: '@DIR@/{ca}'}}");
        let daemon = Daemon::start(&here, &config(&executor, &json!({"url": url, "json": {"n": ca}}), ""));
        let done = daemon.post_and_wait(&json!({}));
        assert_eq!(done["status"], status, "{done}");
        if status == "succeeded" {
            assert!(done["result"]["json"]["event_id"].is_string(), "{done}");
            server.wait_for(&[r#"{"n":"ca.crt"}"#]);
        } else {
            let error = done["error"].as_str().unwrap();
            assert!(error.contains("authority that is not trusted"), "{error}");
        }
    }
}

#[test]
fn attempts_have_one_key() {
    let count = AtomicUsize::new(0);
    let server = Fake::start(move |_| {
        let status = if count.fetch_add(1, Ordering::SeqCst) < 2 { 503 } else { 200 };
        Some(Message::response(status, &[], b""))
    });
    let place = Place::new();
    let params = json!({"url": url(&server, "/"), "body": "{{ job_id }}"});
    let daemon = Daemon::start(&place, &config("", &params, ", policy: {retry: {max: 5, delay: 10ms}}"));
    let done = daemon.post_and_wait(&json!({}));
    assert_eq!((&done["status"], &done["attempts"]), (&json!("succeeded"), &json!(3)), "{done}");
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    let job = done["job_id"].as_str();
    assert!(seen.iter().all(|request| request.get("idempotency-key") == job));
}

#[test]
fn a_killed_daemon_sends_again() {
    let count = AtomicUsize::new(0);
    let server = Fake::start(move |_| {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            std::thread::sleep(std::time::Duration::from_secs(4));
            return None;
        }
        Some(Message::response(200, &[], b""))
    });
    let place = Place::new();
    let config = |on: &str| {
        let policy = format!(", policy: {{retry: {{max: 5, delay: 10ms, on: {on}}}}}");
        config("", &json!({"url": url(&server, "/"), "json": {"secret": "abcdefgh"}}), &policy)
    };
    let daemon = Daemon::start(&place, &config("[failed, timed_out, lost]"));
    let event = daemon.post(&json!({}));
    let _ = server.wait_first();
    daemon.signal("KILL");
    let _ = daemon.wait_end();
    let daemon = Daemon::start(&place, &config("[failed, timed_out, lost]"));
    let done = daemon.done(&event);
    assert_eq!((&done["status"], &done["attempts"]), (&json!("succeeded"), &json!(2)), "{done}");
    let seen = server.seen();
    assert_eq!(seen[0].get("idempotency-key"), seen[1].get("idempotency-key"));
    assert_eq!(seen[0].body, seen[1].body, "the secret is there in the second attempt as well");
}

#[test]
fn secrets_are_sent_and_not_shown() {
    let server = Fake::start(|request| {
        let all = format!("{:?} {}", request.headers, String::from_utf8_lossy(&request.body));
        Some(Message::response(500, &[("X-Echo", &all)], all.as_bytes()))
    });
    let place = Place::new();
    place.write("token", "bearer-of-news-1");
    let address = server.address();
    let params = json!({"url": format!("http://user:pass-of-url-2@{address}/"), "json": {"password": "pass-in-body-3"}});
    let first = config("", &params, "");
    let second =
        config(", auth: {bearer: '${file:token}'}", &json!({"url": format!("http://{address}/")}), "");
    for (config, header) in [(first, "Basic dXNlcjpwYXNzLW9mLXVybC0y"), (second, "Bearer bearer-of-news-1")] {
        let daemon = Daemon::start(&place, &config);
        let done = daemon.post_and_wait(&json!({}));
        assert_eq!(done["status"], "failed");
        assert_eq!(server.seen().last().unwrap().get("authorization"), Some(header));
        daemon.signal("TERM");
        let _ = daemon.wait_end();
        for secret in ["pass-of-url-2", "pass-in-body-3", "bearer-of-news-1", "dXNlcjpwYXNzLW9mLXVybC0y"] {
            assert!(!daemon.log().contains(secret), "{secret}: {}", daemon.log());
            let mut grep = std::process::Command::new("grep");
            let found = run_to_end(grep.args(["-rlaF", secret]).arg(place.path("state")));
            assert_eq!(found.stdout, "", "{secret}");
        }
    }
    assert_eq!(server.seen()[0].body, br#"{"password":"pass-in-body-3"}"#);
}

#[test]
fn events_add_no_headers() {
    let server = Fake::answering(Message::response(200, &[], b""));
    let place = Place::new();
    let params = json!({"url": url(&server, "/{{ trigger_param.p }}"), "headers": {"X-Name": "{{ trigger_param.h }}"}});
    let daemon = Daemon::start(&place, &config("", &params, ""));
    for (event, error) in [
        (json!({"p": "", "h": "a\r\nX-Evil: 1"}), "headers/X-Name: the value holds a line break"),
        (json!({"p": " HTTP/1.1\r\nX-Evil: 1", "h": "a"}), "a URL cannot hold spaces"),
    ] {
        let done = daemon.post_and_wait(&event);
        assert!(done["error"].as_str().unwrap().contains(error), "{event}: {done}");
    }
    assert_eq!(server.seen().len(), 0);
    assert_eq!(daemon.post_and_wait(&json!({"p": "x", "h": "a"}))["success"], true);
    until("the one request", || (server.seen().len() == 1).then_some(()));
}

#[test]
fn what_is_wrong_is_found_at_start() {
    for (executor, params, says) in [
        (", url: 'ftp://h/'", json!({}), "a URL here begins with http:// or https://"),
        (", auth: {basic: {user: u}}", json!({}), "the option `password` of `basic` is missing"),
        (", json: 1, form: {}", json!({}), "`form` is given as well as `json`"),
        ("", json!({"url": "http://h/", "body": "x", "json": 1}), "`body` is given as well as `json`"),
        ("", json!({"url": "http://h/", "expect": ["2xx"]}), "`2xx` is not a status code"),
        ("", json!({"url": "http://h/", "method": "post"}), "expected a method in capital letters"),
        ("", json!({"url": "http://h/", "auth": {"bearer": ""}}), "is empty"),
    ] {
        let place = Place::new();
        let config = place.config(&config(executor, &params, ""));
        let ended = run_to_end(place.bare("heraldd").arg("check").arg(config));
        assert_eq!(ended.code, Some(2), "{executor} {params}: {}", ended.text());
        assert!(ended.text().contains(says), "{executor} {params}: {}", ended.text());
    }
}
