//! The responses of the API's operations.

use std::os::unix::fs::PermissionsExt;

use e2e::place::Place;
use e2e::wait::until;
use serde_json::{Value, json};

use super::{CONFIG, ask, get, job_with, start};

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
    events[..2].iter().for_each(|event| drop(job_with(&place, event, "succeeded")));
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

#[test]
fn a_job_runs_once_more() {
    let place = Place::new();
    let daemon = start(&place);
    let event = daemon.post(&json!({"do": "quick"}));
    let job = job_with(&place, &event, "succeeded");
    let id = job["id"].as_str().unwrap();
    let again = ask(&place, "POST", &format!("/v1/jobs/{id}/retry"), "");
    assert_eq!(again.status, 201, "{again:?}");
    let new = again.json()["job_id"].as_str().unwrap().to_owned();
    assert_ne!(new, id);
    let new = until("the new job's end", || {
        Some(get(&place, &format!("/v1/jobs/{new}"))).filter(|job| job["status"] == "succeeded")
    });
    assert_eq!((new["event_id"].as_str(), &new["result"]["output"]), (Some(&*event), &json!("hello\n")));
    let running = job_with(&place, &daemon.post(&json!({"do": "slow"})), "running");
    let path = format!("/v1/jobs/{}/retry", running["id"].as_str().unwrap());
    let refused = ask(&place, "POST", &path, "");
    assert_eq!((refused.status, refused.text().contains("has not ended yet")), (409, true), "{refused:?}");
}

#[test]
fn who_caused_it_is_recorded() {
    let place = Place::new();
    let daemon = start(&place);
    let event = daemon.post(&json!({"do": "quick"}));
    let job = job_with(&place, &event, "succeeded");
    let id = job["id"].as_str().unwrap();
    let by = json!({"user": null, "via": "manual", "address": "127.0.0.1", "reason": null});
    assert_eq!(get(&place, &format!("/v1/events/{event}"))["by"], by);
    let job = get(&place, &format!("/v1/jobs/{id}"));
    assert_eq!((&job["by"], &job["cancelled_by"]), (&by, &Value::Null));

    let again = ask(&place, "POST", &format!("/v1/jobs/{id}/retry"), r#"{"reason": "the disk is empty"}"#);
    let again = get(&place, &format!("/v1/jobs/{}", again.json()["job_id"].as_str().unwrap()));
    let by = &again["by"];
    assert_eq!(
        (&by["via"], &by["address"], &by["reason"]),
        (&json!("api"), &Value::Null, &json!("the disk is empty"))
    );
    assert!(by["user"].is_string(), "{by}");
    assert_eq!(get(&place, &format!("/v1/events/{event}"))["by"]["via"], "manual", "the event's stays");

    let started = ask(&place, "POST", "/v1/triggers/manual?reason=a%20test", r#"{"do": "quick"}"#);
    let started = started.json()["event_id"].as_str().unwrap().to_owned();
    assert_eq!(get(&place, &format!("/v1/events/{started}"))["by"]["reason"], "a test");
    let refused = ask(&place, "POST", "/v1/triggers/manual?reason=two%0Alines", "{}");
    assert_eq!((refused.status, refused.text().contains("one line")), (400, true), "{refused:?}");
}

#[test]
fn what_is_configured_is_told() {
    let place = Place::new();
    let config = CONFIG.replace(
        "trigger:\n",
        "trigger:\n  night: {type: cron, cron: 30 2 * * *, time_zone: Europe/Berlin}\n  often: {type: tick, interval: 60}\n",
    );
    let daemon = e2e::daemon::Daemon::start(&place, &config);
    daemon.address("manual");
    let triggers = get(&place, "/v1/triggers");
    let of =
        |name: &str| triggers.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    let night = of("night");
    let next: Vec<_> = night["next"].as_array().unwrap().iter().map(|at| at.as_str().unwrap()).collect();
    assert_eq!((night["type"].as_str(), next.len()), (Some("cron"), 5), "{night}");
    assert!(next.is_sorted() && next.iter().all(|at| at.ends_with(":30:00Z")), "{next:?}");
    assert_eq!(of("often")["every_seconds"].as_f64(), Some(60.0));
    let manual = json!({"name": "manual", "type": "http", "next": [], "every_seconds": null, "path": null});
    assert_eq!(of("manual"), manual);
    let routers = get(&place, "/v1/routers");
    let quick = routers.as_array().unwrap().iter().find(|one| one["name"] == "quick").unwrap();
    assert_eq!((quick["trigger"].as_str(), quick["selector"].as_str()), (Some("manual"), Some("match_map")));
    let task = &quick["tasks"][0];
    assert_eq!((task["task"].as_str(), task["executor"].as_str()), (Some("k"), Some("local_command")));
    assert_eq!(task["job_param"]["env"]["MY_TOKEN"], "***");
    let executors = get(&place, "/v1/executors");
    assert!(
        executors.as_array().unwrap().contains(&json!({"name": "local_command", "type": "local"})),
        "{executors}"
    );
    let info = get(&place, "/v1/info");
    assert_eq!(info["state_dir"], json!(place.text_path("state")));
    assert!(info["config"].as_str().unwrap().ends_with("heraldd.yml"), "{info}");
}

#[test]
fn everything_is_counted() {
    let place = Place::new();
    let daemon = start(&place);
    let event = daemon.post(&json!({"do": "quick"}));
    job_with(&place, &event, "succeeded");
    job_with(&place, &daemon.post(&json!({"do": "slow"})), "running");
    let answer = ask(&place, "GET", "/metrics", "");
    assert_eq!(answer.get("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    for line in [
        "# TYPE herald_events_total counter",
        r#"herald_events_total{trigger="manual"} 2"#,
        r#"herald_jobs_ended_total{router="quick",task="k",status="succeeded"} 1"#,
        r#"herald_jobs{router="slow",state="running"} 1"#,
        r#"herald_job_run_seconds_count{router="quick"} 1"#,
        r#"herald_job_wait_seconds_count{router="slow"} 1"#,
        "herald_queue_depth 0",
        "herald_journal_recording 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.contains("herald_journal_commit_seconds_bucket"), "{text}");
}
