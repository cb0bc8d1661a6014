//! Contract, section 8, as far as it is there: the control API over `<state_dir>/heraldd.sock`.
//!
//! | sentence | test |
//! |---|---|
//! | served on `<state_dir>/heraldd.sock` (0600) | `the_socket_is_the_users_own` |
//! | history, newest first; one job with its attempts, parameters (secrets masked), result; explain | `jobs_and_events_are_told` |
//! | cancel; activate now with a JSON object | `jobs_are_started_and_cancelled` |
//! | the same from the command line, as tables or JSON, in a pipe | `the_command_line_says_the_same` |
//! | `application/problem+json` errors | `every_mistake_is_a_problem` |
//! | `/healthz`, `/readyz` | `jobs_and_events_are_told` |

use std::os::unix::fs::PermissionsExt;

use e2e::daemon::Daemon;
use e2e::http::{Message, Response, send_unix};
use e2e::place::Place;
use e2e::program::{Ended, run_to_end};
use e2e::wait::until;
use serde_json::{Value, json};

const CONFIG: &str = "
state_dir: '@DIR@/state'
trigger:
  manual: {type: http, port: 0}
executor:
  local_command: {type: local, work_dir: '@DIR@/work'}
router:
  quick:
    trigger: manual
    selector: match_map
    task: {k: local_command}
    select_param: {match_key: do, match_value: quick}
    job_param: {cmd: echo, arg: hello, env: {MY_TOKEN: hunter2hunter2}}
  slow:
    trigger: manual
    selector: match_map
    task: {k: local_command}
    select_param: {match_key: do, match_value: slow}
    job_param: {cmd: sleep, arg: 300}
";

fn ask(place: &Place, method: &str, path: &str, body: &str) -> Response {
    let headers = [("Host", "localhost"), ("Content-Type", "application/json"), ("Connection", "close")];
    send_unix(&place.path("state/heraldd.sock"), &Message::request(method, path, &headers, body.as_bytes()))
}

fn get(place: &Place, path: &str) -> Value {
    let response = ask(place, "GET", path, "");
    assert_eq!((response.status, response.get("content-type")), (200, Some("application/json")), "{path}");
    response.json()
}

fn start(place: &Place) -> Daemon {
    let daemon = Daemon::start(place, CONFIG);
    daemon.address("manual");
    daemon
}

/// The job of this event, once it has this status.
fn job_with(place: &Place, event: &str, status: &str) -> Value {
    until(status, || {
        let jobs = get(place, "/v1/jobs");
        let found = jobs["items"].as_array().unwrap().iter().find(|job| job["event_id"] == event).cloned();
        found.filter(|job| job["status"] == status)
    })
}

#[test]
fn the_socket_is_the_users_own() {
    let place = Place::new();
    let _daemon = start(&place);
    let socket = std::fs::metadata(place.path("state/heraldd.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
}

#[test]
fn jobs_and_events_are_told() {
    let place = Place::new();
    let daemon = start(&place);
    let events: Vec<String> =
        (0..3).map(|n| daemon.post(&json!({"do": "quick", "n": n, "password": "p4ssw0rd"}))).collect();
    let job = job_with(&place, &events[2], "succeeded");
    job_with(&place, &events[0], "succeeded");
    let page = get(&place, "/v1/jobs?limit=2&router=quick&status=succeeded");
    assert_eq!(page["items"][0]["event_id"], events[2], "newest first");
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = get(&place, &format!("/v1/jobs?limit=2&router=quick&cursor={cursor}"));
    assert_eq!(
        (rest["items"][0]["event_id"].as_str(), &rest["next_cursor"]),
        (Some(&*events[0]), &json!(null))
    );
    let job = get(&place, &format!("/v1/jobs/{}", job["id"].as_str().unwrap()));
    assert_eq!(job["result"], json!({"output": "hello\n", "exit_code": 0}));
    assert_eq!(job["attempts"][0]["status"], "succeeded");
    assert!(!job.to_string().contains("hunter2") && !job.to_string().contains("p4ssw0rd"), "{job}");
    let event = get(&place, &format!("/v1/events/{}", events[2]));
    let answers: Vec<_> = event["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|decision| (decision["router"].clone(), decision["answer"].clone(), decision["job_id"].clone()))
        .collect();
    assert!(answers.contains(&(json!("quick"), json!("yes"), job["id"].clone())), "{event}");
    assert!(answers.contains(&(json!("slow"), json!("no"), json!(null))), "{event}");
    assert_eq!(get(&place, "/healthz"), json!({"status": "ok"}));
    assert_eq!(get(&place, "/readyz"), json!({"status": "ready"}));
    let info = get(&place, "/v1/info");
    assert_eq!(info["pid"], json!(daemon.pid()));
}

#[test]
fn jobs_are_started_and_cancelled() {
    let place = Place::new();
    let _daemon = start(&place);
    let started = ask(&place, "POST", "/v1/triggers/manual", r#"{"do": "slow"}"#);
    assert_eq!(started.status, 200, "{started:?}");
    let event = started.json()["event_id"].as_str().unwrap().to_owned();
    let job = job_with(&place, &event, "running");
    assert_eq!(get(&place, "/v1/info")["running"], 1);
    let path = format!("/v1/jobs/{}/cancel", job["id"].as_str().unwrap());
    assert_eq!(ask(&place, "POST", &path, "").status, 202);
    job_with(&place, &event, "cancelled");
    assert_eq!(ask(&place, "POST", &path, "").status, 409, "it has ended");
}

#[test]
fn every_mistake_is_a_problem() {
    let place = Place::new();
    let _daemon = start(&place);
    let nobody = "01900000-0000-7000-8000-000000000000";
    for (method, path, body, status) in [
        ("GET", "/", "", 404),
        ("GET", "/v2/jobs", "", 404),
        ("GET", "/v1/jobs/../../etc/passwd", "", 404),
        ("GET", &format!("/v1/jobs/{nobody}"), "", 404),
        ("GET", &format!("/v1/events/{nobody}"), "", 404),
        ("POST", &format!("/v1/jobs/{nobody}/cancel"), "", 404),
        ("POST", "/v1/triggers/nobody", "{}", 404),
        ("POST", "/v1/triggers/exe_done", "{}", 404),
        ("POST", "/v1/triggers/manual", "[1]", 400),
        ("POST", "/v1/triggers/manual", "{", 400),
        ("POST", "/v1/jobs", "", 405),
        ("GET", "/v1/triggers/manual", "", 405),
        ("DELETE", "/readyz", "", 405),
        ("GET", "/v1/jobs?limit=0", "", 400),
        ("GET", "/v1/jobs?cursor=x", "", 400),
        ("GET", "/v1/jobs?status=done", "", 400),
    ] {
        let response = ask(&place, method, path, body);
        assert_eq!(response.status, status, "{method} {path}: {response:?}");
        assert_eq!(response.get("content-type"), Some("application/problem+json"), "{method} {path}");
        let problem = response.json();
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        assert_eq!(response.get("allow").is_some(), status == 405);
    }
}

fn heraldd(place: &Place, arguments: &[&str]) -> Ended {
    run_to_end(place.bare("heraldd").args(arguments))
}

#[test]
fn the_command_line_says_the_same() {
    let place = Place::new();
    let daemon = start(&place);
    let config = place.config(CONFIG).to_str().unwrap().to_owned();
    let activated = heraldd(&place, &["trigger", "manual", "-d", r#"{"do": "quick"}"#]);
    assert_eq!(activated.code, Some(0), "{}", activated.text());
    let event = activated.stdout.trim().to_owned();
    let job = job_with(&place, &event, "succeeded");
    let id = job["id"].as_str().unwrap();

    let jobs = heraldd(&place, &["jobs", "-c", &config]);
    let lines: Vec<_> = jobs.stdout.lines().collect();
    assert!(lines[0].starts_with("ID ") && lines[0].contains("STATUS"), "{}", jobs.text());
    assert!(
        lines[1].contains(id) && lines[1].contains("succeeded") && lines[1].contains("quick"),
        "{lines:?}"
    );
    let page: Value = serde_json::from_str(&heraldd(&place, &["jobs", "--json"]).stdout).unwrap();
    assert_eq!(page, get(&place, "/v1/jobs?limit=20"));
    let shown: Value = serde_json::from_str(&heraldd(&place, &["job", id]).stdout).unwrap();
    assert_eq!(shown["result"]["output"], "hello\n");
    let explained = heraldd(&place, &["explain", &event]).stdout;
    let said = |router: &str| explained.lines().find(|line| line.starts_with(router)).unwrap_or_default();
    assert!(said("quick").contains("yes") && said("quick").contains(id), "{explained}");
    assert!(said("slow").contains("no"), "{explained}");

    let slow = heraldd(&place, &["trigger", "manual", "--json", "-d", r#"{"do": "slow"}"#]);
    let slow: Value = serde_json::from_str(&slow.stdout).unwrap();
    let running = job_with(&place, slow["event_id"].as_str().unwrap(), "running");
    assert_eq!(heraldd(&place, &["cancel", running["id"].as_str().unwrap()]).code, Some(0));

    for (arguments, code, says) in [
        (vec!["job", "nothing"], 4, "no job"),
        (vec!["trigger", "nobody"], 4, "no trigger"),
        (vec!["trigger", "manual", "-d", "[1]"], 1, "JSON object"),
        (vec!["cancel", id], 1, "ended already"),
        (vec!["jobs", "--status", "done"], 1, "expected one of"),
        (vec!["jobs", "-n", "0"], 2, "1..=1000"),
    ] {
        let ended = heraldd(&place, &arguments);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.text());
        assert!(ended.stderr.contains(says) && ended.stdout.is_empty(), "{arguments:?}: {}", ended.text());
    }
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));
    let nobody = heraldd(&place, &["jobs"]);
    assert_eq!(nobody.code, Some(1));
    assert!(
        nobody.stderr.contains("heraldd.sock") && nobody.stderr.contains("start it"),
        "{}",
        nobody.text()
    );
}
