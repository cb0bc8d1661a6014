//! Routers that are paused. Contract, section 15: an operator pauses; section 7: nothing is lost meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::daemon::Daemon;
use e2e::http::{Message, send};
use e2e::place::Place;
use e2e::wait::{stays, until};
use serde_json::Value;

const CONFIG: &str = "
state_dir: '@DIR@/state'
api: {port: 0}
access: {token: {ci: {secret: operator-0123456789, role: operator}, eye: {secret: viewer-0123456789, role: viewer}}}
trigger: {hook: {type: cron, cron: '@yearly'}}
executor: {sh: {type: local, work_dir: '@DIR@/work'}}
router:
  backup: {trigger: hook, selector: all, task: {run: sh}, job_param: {cmd: sh, arg: [-c, 'echo x >> @DIR@/backups']}}
  sync: {trigger: hook, selector: all, task: {run: sh}, job_param: {cmd: sh, arg: [-c, 'echo x >> @DIR@/syncs']}}
";

fn heraldd(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let config = place.text_path("heraldd.yml");
    let ended = place.run("heraldd", &[arguments, &["-c", &config]].concat());
    (ended.code, ended.text())
}

fn json(place: &Place, arguments: &[&str]) -> Value {
    let (code, text) = heraldd(place, &[arguments, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{code:?} {text}"))
}

#[test]
fn the_jobs_of_a_paused_router_wait_over_a_restart_until_it_is_resumed() {
    let place = Place::new();
    let daemon = Daemon::start(&place, CONFIG);
    daemon.wait_for(&["heraldd is ready"]);
    let (code, said) = heraldd(&place, &["pause", "backup", "--reason", "the disk is replaced"]);
    assert_eq!((code, said.contains("backup is paused")), (Some(0), true), "{said}");
    for _ in 0..2 {
        assert_eq!(heraldd(&place, &["trigger", "hook"]).0, Some(0));
    }
    until("the jobs of the other router", || (place.count("syncs") == 2).then_some(()));
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));
    let daemon = Daemon::start(&place, CONFIG);
    daemon.wait_for(&["heraldd is ready"]);
    stays(Duration::from_millis(500), "no job of a paused router starts", || place.count("backups") == 0);
    let status = heraldd(&place, &["status"]).1;
    assert!(status.contains("router backup") && status.contains("the disk is replaced"), "{status}");
    assert!(status.contains("2 queued"), "{status}");
    assert!(heraldd(&place, &["routers"]).1.contains("backup (paused)"));
    let routers = json(&place, &["routers"]);
    assert_eq!(routers[0]["paused"]["by"]["reason"], "the disk is replaced", "{routers}");
    assert_eq!(routers[1]["paused"], Value::Null);
    let (code, said) = heraldd(&place, &["resume", "backup"]);
    assert_eq!((code, said.contains("backup is resumed")), (Some(0), true), "{said}");
    until("what waited starts", || (place.count("backups") == 2).then_some(()));
    assert!(heraldd(&place, &["resume", "backup"]).1.contains("was not paused"));
    let audit = json(&place, &["audit"]);
    let acts: Vec<&str> =
        audit["items"].as_array().unwrap().iter().filter_map(|entry| entry["act"].as_str()).collect();
    assert_eq!(acts.iter().filter(|act| matches!(**act, "pause" | "resume")).count(), 3, "{audit}");
}

#[test]
fn a_pause_with_an_end_ends_by_itself_and_only_operators_pause() {
    let place = Place::new();
    let daemon = Daemon::start(&place, CONFIG);
    daemon.wait_for(&["heraldd is ready"]);
    for (arguments, expected) in [
        (vec!["pause", "bakup"], "did you mean \"backup\"?"),
        (vec!["pause", "backup", "--for", "soon"], "for: "),
        (vec!["resume", "nothing"], "there is no router \"nothing\""),
    ] {
        let (code, said) = heraldd(&place, &arguments);
        assert!(code != Some(0) && said.contains(expected), "{arguments:?}: {said}");
    }
    let marker = "the control API listens on ";
    let api = daemon.wait_pick(marker, |line| line.split_once(marker)?.1.trim().parse::<SocketAddr>().ok());
    for (token, path, expected) in [
        ("viewer-0123456789", "/v1/routers/backup/pause?for=2s", 403),
        ("operator-0123456789", "/v1/routers/backup/pause?for=2s", 200),
    ] {
        let headers = [("Authorization", &*format!("Bearer {token}"))];
        let response = send(api, &Message::request("POST", path, &headers, b""));
        assert_eq!(response.status, expected, "{token}: {response:?}");
    }
    let metrics = send(
        api,
        &Message::request("GET", "/metrics", &[("Authorization", "Bearer viewer-0123456789")], b""),
    );
    assert!(metrics.text().contains("herald_router_paused{router=\"backup\"} 1"), "{}", metrics.text());
    heraldd(&place, &["trigger", "hook"]);
    until("the job of the other router", || (place.count("syncs") == 1).then_some(()));
    until("the job once the pause is over", || (place.count("backups") == 1).then_some(()));
    let status = heraldd(&place, &["status"]).1;
    assert!(!status.contains("paused"), "{status}");
}
