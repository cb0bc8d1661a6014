//! A daemon, and what people ask of it.

use std::net::SocketAddr;
use std::process::Stdio;

use e2e::daemon::Daemon;
use e2e::http::post_to;
use e2e::place::Place;
use e2e::program::{Ended, run_to_end};
use e2e::wait::until;
use serde_json::Value;

const CONFIG: &str = "
state_dir: '@DIR@/state'
trigger: {push: {type: http, port: 0, path: /hooks/site}, nightly: {type: cron, cron: '30 2 * * *'}}
executor: {sh: {type: local, work_dir: ~/work}}
router:
  deploy:
    trigger: push
    selector: match_map
    select_param: {match_key: ref, match_value: refs/heads/main}
    task: {t: sh}
    job_param: {cmd: sh, arg: [-c, 'echo one; echo two; echo no disk left >&2; exit {{ trigger_param.code }}']}
  windows: {trigger: push, selector: match_map, select_param: {match_key: do, match_value: windows}, task: {t: sh}, job_param: {cmd: '@DIR@/windows.sh'}}
  shebang: {trigger: push, selector: match_map, select_param: {match_key: do, match_value: shebang}, task: {t: sh}, job_param: {cmd: '@DIR@/shebang.sh'}}
  done: {trigger: exe_done, selector: except_map, select_param: {except_key: router, except_value: done}, task: {show: print}}
";

fn start(place: &Place) -> Daemon {
    for (name, text) in [("windows.sh", "#!/bin/sh\r\necho\r\n"), ("shebang.sh", "#!/usr/bin/pyhton3\n")] {
        let path = place.write(name, text);
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let daemon = Daemon::start(place, CONFIG);
    address(&daemon);
    daemon
}

/// Where the trigger listens.
fn address(daemon: &Daemon) -> SocketAddr {
    daemon.wait_pick("its address", |line| {
        line.split_once("http trigger push listening on ")?.1.split('/').next()?.parse().ok()
    })
}

fn heraldd(place: &Place, typed: &[&str]) -> Ended {
    place.run("heraldd", &[typed, &["-c", "heraldd.yml"]].concat())
}

fn printed(place: &Place, typed: &[&str]) -> String {
    let ended = heraldd(place, typed);
    assert_eq!(ended.code, Some(0), "{typed:?}: {}", ended.text());
    assert!(ended.stdout.is_empty() || ended.stdout.ends_with('\n'), "{typed:?}");
    ended.stdout
}

/// Fires the trigger and waits for the jobs that it creates.
fn fire(place: &Place, parameters: &[&str]) {
    let typed = parameters.iter().flat_map(|one| ["-p", one]).collect::<Vec<_>>();
    let ended = heraldd(place, &[&["trigger", "push", "--wait"], &typed[..]].concat());
    assert!(matches!(ended.code, Some(0 | 1)), "{}", ended.text());
}

#[test]
fn what_a_finished_job_carries() {
    let place = Place::new();
    let daemon = start(&place);
    fire(&place, &["ref=refs/heads/main", "code=3"]);
    let done = daemon.wait_print("exe_done", |value| value["trigger"] == "exe_done");
    let done = &done["trigger_param"];
    assert_eq!(
        (&done["status"], &done["success"], &done["attempts"]),
        (&"failed".into(), &false.into(), &1.into())
    );
    assert_eq!(done["error"], "exit code 3: no disk left");
    for key in ["queued_at", "started_at", "ended_at", "by", "router", "result"] {
        assert!(!done[key].is_null(), "{key}: {done}");
    }
}

#[test]
fn a_folder_of_the_home() {
    let place = Place::new();
    let _daemon = start(&place);
    fire(&place, &["ref=refs/heads/main", "code=0"]);
    // HOME of the daemon is the folder of the test.
    assert!(place.path("work/run").is_dir() && !place.path("~").exists());
    assert!(!place.path("state/~").exists());
}

#[test]
fn an_event_that_matches_nothing_leaves_a_trace() {
    let place = Place::new();
    let daemon = start(&place);
    let push = post_to(address(&daemon), "/hooks/site", br#"{"ref": "refs/heads/dev"}"#);
    assert_eq!((push.status, &push.json()["matched"]), (200, &0.into()), "{push:?}");
    let event = push.json()["event_id"].as_str().unwrap().to_owned();
    fire(&place, &["ref=refs/heads/main", "code=0"]);
    let unmatched = printed(&place, &["events", "--unmatched", "--trigger", "push"]);
    assert!(unmatched.contains(&event[28..]) && unmatched.lines().count() == 2, "{unmatched}");
    assert_eq!(printed(&place, &["events", "--trigger", "push"]).lines().count(), 3);
}

#[test]
fn reasons_have_keys_and_values() {
    let place = Place::new();
    let _daemon = start(&place);
    fire(&place, &["ref=refs/heads/dev"]);
    let event = until("the event", || {
        let events: Value = serde_json::from_str(&printed(&place, &["events", "-o", "json"])).unwrap();
        events["items"][0]["id"].as_str().map(str::to_owned)
    });
    let explained = printed(&place, &["explain", &event]);
    for part in [r#"ref is "refs/heads/dev", not "refs/heads/main""#, r#"key "do" is missing"#] {
        assert!(explained.contains(part), "{part}: {explained}");
    }
}

#[test]
fn failures_say_what_was_wrong() {
    let place = Place::new();
    let _daemon = start(&place);
    for (parameter, error) in [
        ("do=windows", "windows.sh has Windows line endings, so that there is no interpreter `/bin/sh\\r`"),
        ("do=shebang", "shebang.sh names the interpreter /usr/bin/pyhton3 after #!, which does not exist"),
        ("ref=refs/heads/main", "exit code 3: no disk left"),
    ] {
        fire(&place, &[parameter, "code=3"]);
        let jobs = printed(&place, &["jobs", "--status", "failed", "-n", "1"]);
        assert!(jobs.contains(error), "{error}: {jobs}");
    }
}

#[test]
fn as_curl_docker_and_kubectl_do() {
    let place = Place::new();
    let daemon = start(&place);
    place.write("f", r#"{"ref": "refs/heads/main", "code": 0}"#);
    printed(&place, &["trigger", "push", "-d", "@f", "--wait"]);
    let mut command = place.bare("heraldd");
    command.args(["trigger", "push", "-d", "-", "--wait", "-c", "heraldd.yml"]);
    let ended = run_to_end(command.stdin(Stdio::from(std::fs::File::open(place.path("f")).unwrap())));
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    assert_eq!(printed(&place, &["logs", "-n", "1", "last:deploy"]).lines().count(), 1);
    let jobs: Value = serde_json::from_str(&printed(
        &place,
        &["jobs", "--status", "succeeded,failed", "--router", "deploy", "-o", "json"],
    ))
    .unwrap();
    assert_eq!(jobs["items"].as_array().unwrap().len(), 2, "{jobs}");
    assert!(printed(&place, &["ps"]).starts_with("ID        STATUS"));
    let watch =
        e2e::program::Program::start(place.bare("heraldd").args(["jobs", "--watch", "-c", "heraldd.yml"]));
    watch.wait_for(&["deploy", "succeeded"]);
    drop(watch);

    let info = printed(&place, &["info"]);
    assert!(info.contains(&place.text_path("heraldd.yml")) && info.contains("started "), "{info}");
    // Of a name that is relative, too: it is where the daemon found it.
    let listed: Value = serde_json::from_str(&printed(&place, &["triggers", "--json"])).unwrap();
    let next = listed["items"].as_array().unwrap_or_else(|| listed.as_array().unwrap());
    let next = next.iter().find(|one| one["name"] == "nightly").unwrap().to_string();
    assert!(next.contains("Z\""), "UTC in JSON: {next}");
    let mut command = place.bare("heraldd");
    command.env("TZ", "Asia/Kolkata").args(["triggers", "-c", "heraldd.yml"]);
    let shown = run_to_end(&mut command).stdout;
    assert!(shown.contains("+05:30"), "local for people: {shown}");

    place.config_as("heraldd.yml", &CONFIG.replace("selector: match_map", "selector: mtach_map"));
    let refused = heraldd(&place, &["reload"]);
    assert_eq!(refused.code, Some(2), "{}", refused.text());
    assert!(refused.stderr.contains("did you mean") && !refused.stderr.contains("{\""), "{}", refused.text());
    drop(daemon);
}

#[test]
fn ready_comes_after_every_listener() {
    let place = Place::new();
    let many: String = (0..20).map(|n| format!("  hook{n}: {{type: http, port: 0}}\n")).collect();
    let daemon = Daemon::start(
        &place,
        &format!(
            "state_dir: '@DIR@/state'\napi: {{port: 0, token: 0123456789abcdef0123456789abcdef}}\npage: {{port: 0}}\ntrigger:\n{many}"
        ),
    );
    daemon.wait_for(&["heraldd is ready"]);
    let log = daemon.log();
    let (before, after) = log.split_once("heraldd is ready").unwrap();
    assert_eq!(before.matches("listening on ").count(), 20, "{log}");
    assert_eq!(before.matches(" listens on ").count(), 2, "{log}");
    assert!(!after.contains("listening on "), "{log}");
}
