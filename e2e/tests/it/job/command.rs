//! Contract, section 3: the program of a job, and its arguments.
//!
//! | sentence | test |
//! |---|---|
//! | The execution parameters, as executors and scripts see them | `the_execution_parameters` |
//! | arg: a string is one argument, a list is many; No shell | `a_string_is_one_argument_and_a_list_is_many` |
//! | No shell unless the user names one | `cmd_is_a_program_and_no_command_line`, `a_shell_where_the_user_names_one` |
//! | The current directory is work_dir/run | `the_current_directory_is_run_in_work_dir` |
//! | a job that cannot be run is a failed job with a reason | `what_cannot_be_run_fails_with_a_reason` |
//! | background: start and return at once; the daemon still reaps it | `background_returns_at_once_and_is_reaped` |

use std::time::{Duration, Instant};

use e2e::daemon::{Daemon, run_job};
use e2e::place::Place;
use e2e::program::{alive, exists};
use e2e::wait::until;
use serde_json::{Value, json};

#[test]
fn the_execution_parameters() {
    let place = Place::new();
    let script = place.script("show.sh", "echo \"$HERALD_EXECUTE_PARAM\"");
    let daemon = Daemon::for_job(&place, &json!({"cmd": script, "extra": {"any": ["thing", 1.5, null]}}));
    let event = daemon.post(&json!({"a": 1}));
    let ended = daemon.done(&event);
    let mut seen = ended["result"].clone();
    assert_eq!(seen.as_object_mut().unwrap().remove("exit_code"), Some(json!(0)));
    let id = ended["job_id"].clone();
    let expected = json!({
        "id": id, "job_id": id, "trigger_id": event, "router": "run", "trigger": "manual", "selector": "all",
        "task": "job", "executor": "local_command", "trigger_param": {"a": 1}, "select_param": {},
        "job_param": {"cmd": script, "extra": {"any": ["thing", 1.5, null]}}, "chain_depth": 0, "attempt": 1,
    });
    assert_eq!(seen, expected);
}

#[test]
fn a_string_is_one_argument_and_a_list_is_many() {
    let place = Place::new();
    let script = place.script("args.sh", "printf '%s|' \"$#\" \"$@\"");
    for (arg, output) in [
        (json!("one two  'three' $HOME; touch @DIR@/x *"), "1|one two  'three' $HOME; touch @DIR@/x *|"),
        (json!(["a b", "", "$(id)", "-n", "ü"]), "5|a b||$(id)|-n|ü|"),
        (json!(""), "1||"),
        (json!([]), "0|"),
    ] {
        let ended = run_job(&place, &json!({"cmd": script, "arg": arg}));
        assert_eq!(ended["result"]["output"], place.fill(output), "{arg}: {ended}");
    }
    let ended = run_job(&place, &json!({"cmd": script}));
    assert_eq!(ended["result"]["output"], "0|", "{ended}");
    assert!(!place.path("x").exists());
}

#[test]
fn cmd_is_a_program_and_no_command_line() {
    let place = Place::new();
    for cmd in ["echo hello", "true; true", "$HOME/x"] {
        let ended = run_job(&place, &json!({"cmd": cmd}));
        assert_eq!(ended["success"], false, "{ended}");
        assert!(ended["error"].as_str().unwrap().contains(cmd), "{ended}");
    }
}

#[test]
fn a_shell_where_the_user_names_one() {
    let ended = run_job(&Place::new(), &json!({"cmd": "sh", "arg": ["-c", "echo $((20 + 22)) | tr 4 5"]}));
    assert_eq!(ended["result"]["output"].as_str().map(str::trim_end), Some("52"), "{ended}");
}

#[test]
fn the_current_directory_is_run_in_work_dir() {
    let place = Place::new();
    let ended = run_job(&place, &json!({"cmd": "pwd"}));
    let real = std::fs::canonicalize(place.path("work/run")).unwrap();
    let output = ended["result"]["output"].as_str().unwrap().trim();
    assert_eq!(std::fs::canonicalize(output).unwrap(), real, "{ended}");
}

#[test]
fn what_cannot_be_run_fails_with_a_reason() {
    let place = Place::new();
    let locked = place.write("locked", "#!/bin/sh\n");
    let orphan = place.script("orphan", "");
    std::fs::write(&orphan, "#!/nonexistent/interpreter\n").unwrap();
    for (cmd, says) in [
        ("herald-e2e-no-such-program", "herald-e2e-no-such-program"),
        ("/nonexistent/program", "/nonexistent/program"),
        (locked.to_str().unwrap(), "locked"),
        (&orphan, "orphan"),
        (place.path("").to_str().unwrap(), "herald-e2e-"),
        ("nul\u{0}byte", "nul"),
    ] {
        let config = e2e::daemon::job_config("local_command", &json!({"cmd": cmd}));
        let daemon = Daemon::start(&place, &config);
        // That there is a NUL in it may be found before anything starts, too.
        if cmd.contains('\u{0}') && daemon.wait_end_if_refused() {
            continue;
        }
        let ended = daemon.post_and_wait(&json!({}));
        assert_eq!(ended["success"], false, "{cmd}: {ended}");
        assert!(
            ended["error"].as_str().is_some_and(|error| error.to_lowercase().contains(says)),
            "{cmd}: {ended}"
        );
        assert_eq!(daemon.try_post(&json!({})).status, 200, "the daemon goes on");
    }
    let config = e2e::daemon::job_config("local_command", &json!({}));
    let ended = place.refused("heraldd", &config);
    assert_eq!(ended.code, Some(2), "a job without cmd: {}", ended.text());
    assert!(ended.text().contains("cmd"), "{}", ended.text());
}

#[test]
fn background_returns_at_once_and_is_reaped() {
    let place = Place::new();
    let script = place.script(
        "slow.sh",
        "echo $$ >@DIR@/pid; echo output\nwhile ! test -e @DIR@/go; do sleep 0.05; done; echo done >@DIR@/done",
    );
    let daemon = Daemon::for_job(&place, &json!({"cmd": script, "background": true}));
    let started = Instant::now();
    let ended = daemon.post_and_wait(&json!({}));
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(ended["success"], true, "{ended}");
    assert_eq!(ended["result"].get("output").and_then(Value::as_str).unwrap_or_default(), "", "{ended}");
    let pid: u32 = place.wait_file("pid").trim().parse().unwrap();
    assert!(alive(pid), "it still runs");
    place.write("go", "");
    assert_eq!(place.wait_file("done"), "done\n");
    until("the zombie to be reaped", || (!exists(pid)).then_some(()));
    assert!(daemon.ended().is_none());
}
