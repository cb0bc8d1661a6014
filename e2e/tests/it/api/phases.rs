//! The API while the daemon stops, and without a `state_dir`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::daemon::Daemon;
use e2e::http::{Message, Response, send};
use e2e::place::Place;
use e2e::wait::until;
use serde_json::json;

use super::{CONFIG, ask, get, job_with};

const TOKEN: &str = "correct-horse-battery";

#[test]
fn while_it_stops_it_says_so_and_still_answers() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &format!("{CONFIG}\nshutdown_grace: 10s\n"));
    let job = job_with(&place, &daemon.post(&json!({"do": "slow"})), "running");
    daemon.signal("TERM");
    let ready = || ask(&place, "GET", "/readyz", "");
    until("it is not ready any more", || (ready().status == 503).then_some(()));
    assert!(ready().json()["detail"].as_str().unwrap().contains("stopping"), "{:?}", ready());
    assert_eq!(get(&place, "/healthz"), json!({"status": "ok"}), "it lives");
    // The configuration would not be applied any more: this is reported at once.
    let began = Instant::now();
    let refused = ask(&place, "POST", "/v1/reload", "");
    assert!(refused.status == 503 && began.elapsed() < Duration::from_secs(5), "{refused:?}");
    assert_eq!(ask(&place, "POST", "/v1/triggers/manual", "{}").status, 503);
    let id = job["id"].as_str().unwrap();
    assert_eq!(get(&place, &format!("/v1/jobs/{id}"))["status"], "running");
    assert_eq!(ask(&place, "POST", &format!("/v1/jobs/{id}/cancel"), "").status, 202);
    assert_eq!(daemon.wait_end(), Some(0));
}

fn call(address: SocketAddr, method: &str, path: &str, body: &str) -> Response {
    let mut request =
        Message::request(method, path, &[("Content-Type", "application/json")], body.as_bytes());
    request.set("Authorization", &format!("Bearer {TOKEN}"));
    send(address, &request)
}

#[test]
fn without_a_state_dir_the_latest_is_told_on_tcp() {
    let place = Place::new();
    let config = CONFIG.replace("state_dir: '@DIR@/state'", "state_dir: none");
    let daemon = Daemon::start(&place, &format!("{config}\napi: {{port: 0, token: {TOKEN}}}\n"));
    let marker = "the control API listens on ";
    let address = daemon.wait_pick(marker, |line| line.split_once(marker)?.1.trim().parse().ok());
    let event = daemon.post(&json!({"do": "quick", "password": "p4ssw0rd"}));
    let list = || call(address, "GET", "/v1/jobs?status=succeeded", "").json()["items"].clone();
    let job = until("its end", || list().get(0).cloned());
    let id = job["id"].as_str().unwrap();
    assert_eq!(job["event_id"], event);
    let whole = call(address, "GET", &format!("/v1/jobs/{id}"), "").json();
    assert_eq!(whole["result"], json!({"output": "hello\n", "exit_code": 0}));
    assert!(!whole.to_string().contains("p4ssw0rd") && !whole.to_string().contains("hunter2"), "{whole}");
    assert_eq!(call(address, "GET", &format!("/v1/jobs/{id}/log"), "").text(), "hello\n");
    let explained = call(address, "GET", &format!("/v1/events/{event}"), "").json();
    assert_eq!(explained["decisions"].as_array().unwrap().len(), 2, "{explained}");
    let again = call(address, "POST", &format!("/v1/jobs/{id}/retry"), "");
    assert_eq!(again.status, 201, "{again:?}");
    until("the new job's end", || (list().as_array().unwrap().len() == 2).then_some(()));
    assert_eq!(call(address, "GET", "/v1/info", "").json()["state_dir"], json!(null));
    assert_eq!(call(address, "GET", "/readyz", "").status, 200);
    assert!(!place.path("state").join("heraldd.sock").exists(), "nothing is written");
}
