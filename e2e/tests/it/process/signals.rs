//! Contract, section 6: signals.
//!
//! | sentence | test |
//! |---|---|
//! | SIGTERM or SIGINT: triggers stop, running jobs get shutdown_grace | `running_jobs_may_end_within_the_grace` |
//! | (default 30 s) | `running_jobs_may_end_within_the_grace` (longer than a moment) |
//! | then their process groups are ended | `after_the_grace_process_groups_are_ended` |
//! | a second signal ends them at once | `a_second_signal_ends_them_at_once`, `a_second_signal_does_not_wait_for_a_slow_client` |
//! | SIGHUP: the configuration is read again | `sighup_reads_the_configuration_again` |
//! | a bad one is reported and the old one stays | `a_bad_configuration_is_reported_and_the_old_one_stays` |
//! | (running jobs live through a reload) | `a_running_job_lives_through_a_reload` |
//! | (jobs have exit codes whatever the parent ignores) | `what_the_parent_ignores_changes_nothing` |

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::daemon::{DONE, Daemon, HEAD, job_config};
use e2e::http::closed;
use e2e::place::Place;
use e2e::program::{alive, clean};
use e2e::wait::until;
use serde_json::json;

fn slow(place: &Place) -> String {
    place.script("slow.sh", "sleep 600 & echo $! >@DIR@/child; echo $$ >@DIR@/pid; wait")
}

fn pids(place: &Place) -> Vec<u32> {
    ["pid", "child"].iter().map(|name| place.wait_file(name).trim().parse().unwrap()).collect()
}

/// Without a handler of that signal, the kernel would reap jobs itself.
#[test]
fn what_the_parent_ignores_changes_nothing() {
    let place = Place::new();
    let job = json!({"cmd": "sh", "arg": ["-c", "grep SigIgn /proc/self/status; exit 3"]});
    let config = place.config(&job_config("local_command", &job));
    let started = place.command("heraldd", &config);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' CHLD HUP USR1; exec \"$@\"", "sh"]);
    command.arg(started.get_program()).args(started.get_args());
    clean(&mut command, &place.path(""));
    let daemon = Daemon::run(command.current_dir(place.path("")));
    let done = daemon.post_and_wait(&json!({}));
    assert_eq!(done["result"]["exit_code"], 3, "{done}");
    // 32 and 33 belong to the C library.
    let ignored = done["result"]["output"].as_str().unwrap().trim().trim_start_matches("SigIgn:").trim();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 0x7fff_ffff, 0, "{done}");
}

#[test]
fn running_jobs_may_end_within_the_grace() {
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let script = place.script(
            "wait.sh",
            "echo x >@DIR@/started; while ! test -e @DIR@/go; do sleep 0.05; done; echo done >@DIR@/done",
        );
        let daemon = Daemon::for_job(&place, &json!({"cmd": script}));
        let address = daemon.address("manual");
        let event = daemon.post(&json!({}));
        place.wait_file("started");
        daemon.signal(signal);
        until("the end of the trigger", || closed(address).then_some(()));
        e2e::wait::stays(Duration::from_secs(1), "the daemon waits for its job", || daemon.ended().is_none());
        place.write("go", "");
        assert_eq!(daemon.wait_end(), Some(0), "{}", daemon.log());
        assert_eq!(place.read("done").as_deref(), Some("done\n"));
        assert_eq!(daemon.done(&event)["success"], true, "its end fired exe_done");
    }
}

#[test]
fn after_the_grace_process_groups_are_ended() {
    let place = Place::new();
    let script = slow(&place);
    let daemon = Daemon::start(
        &place,
        &format!("shutdown_grace: 1s\n{}", job_config("local_command", &json!({"cmd": script}))),
    );
    daemon.post(&json!({}));
    let running = pids(&place);
    let started = Instant::now();
    daemon.signal("TERM");
    let _ = daemon.wait_end();
    let took = started.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(10), "{took:?}");
    assert!(running.iter().all(|pid| !alive(*pid)), "left behind");
}

#[test]
fn a_second_signal_ends_them_at_once() {
    let place = Place::new();
    let script = place.script(
        "stubborn.sh",
        "trap '' TERM INT; echo $$ >@DIR@/pid; sleep 600 & echo $! >@DIR@/child; while :; do sleep 0.2; done",
    );
    let daemon = Daemon::for_job(&place, &json!({"cmd": script}));
    let address = daemon.address("manual");
    daemon.post(&json!({}));
    let running = pids(&place);
    daemon.signal("TERM");
    until("the end of the trigger", || closed(address).then_some(()));
    e2e::wait::stays(Duration::from_millis(500), "it waits", || daemon.ended().is_none());
    let started = Instant::now();
    daemon.signal("INT");
    let _ = daemon.wait_end();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    for pid in running {
        until("the end of its processes", || (!alive(pid)).then_some(()));
    }
}

#[test]
fn a_second_signal_does_not_wait_for_a_slow_client() {
    let place = Place::new();
    let daemon = Daemon::for_job(&place, &json!({"cmd": slow(&place)}));
    daemon.post(&json!({}));
    let running = pids(&place);
    let mut client = TcpStream::connect(daemon.address("manual")).unwrap();
    let head =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    client.write_all(head.as_bytes()).unwrap();
    e2e::wait::stays(Duration::from_millis(200), "it runs", || daemon.ended().is_none());
    daemon.signal("TERM");
    daemon.wait_for(&["stopping"]);
    let started = Instant::now();
    daemon.signal("INT");
    assert_eq!(daemon.wait_end(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    for pid in running {
        until("the end of its processes", || (!alive(pid)).then_some(()));
    }
}

#[test]
fn sighup_reads_the_configuration_again() {
    let place = Place::new();
    let port = e2e::http::free_port();
    let config = |router: &str, more: &str| {
        format!(
            "trigger: {{manual: {{type: http, port: {port}}}{more}}}\nrouter: {{{router}: {{trigger: manual, selector: all, task: {{t: print}}}}}}\n"
        )
    };
    let path = place.config(&config("before", ""));
    let daemon = Daemon::run(&mut place.command("heraldd", &path));
    let event = daemon.post(&json!({}));
    daemon.wait_print("before", |job| job["trigger_id"] == *event && job["router"] == "before");

    place.config(&config("after", ", added: {type: tick, interval: 0.1}"));
    daemon.signal("HUP");
    // From some moment on, events go to the new router; none goes to both or to neither.
    until("the new router", || {
        let event = e2e::http::post_json(daemon.address("manual"), b"{}").json()["event_id"].clone();
        let job = daemon.wait_print("either", |job| job["trigger_id"] == event);
        (job["router"] == "after").then_some(())
    });
    // A trigger that moves is found at its new place.
    place.config(
        &config("moved", "")
            .replace(&format!("port: {port}"), &format!("unix_socket: '{}'", place.text_path("s.sock"))),
    );
    // As SIGHUP does.
    daemon.signal("USR1");
    until("the new listener", || place.path("s.sock").exists().then_some(()));
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    until("the end of the old one", || closed(address).then_some(()));
    assert!(daemon.ended().is_none(), "{}", daemon.log());
}

#[test]
fn a_bad_configuration_is_reported_and_the_old_one_stays() {
    let place = Place::new();
    let port = e2e::http::free_port();
    let good = format!(
        "trigger: {{manual: {{type: http, port: {port}}}}}\nrouter: {{before: {{trigger: manual, selector: all, task: {{t: print}}}}}}\n"
    );
    let path = place.config(&good);
    let daemon = Daemon::run(&mut place.command("heraldd", &path));
    daemon.address("manual");
    for (turn, bad) in ["trigger: {manual: {type: http, port: 0}}\nrouter: {after: {trigger: manual, selector: al, task: {t: print}}}\n", "nonsense-4727: 1\n", "'"].iter().enumerate() {
        place.config(bad);
        let before = daemon.lines().len();
        daemon.signal("HUP");
        until("a report", || daemon.lines().iter().skip(before).any(|line| line.contains("config.yml:")).then_some(()));
        let event = daemon.post(&json!({"turn": turn}));
        daemon.wait_print("the old router", |job| job["trigger_id"] == *event && job["router"] == "before");
    }
    std::fs::remove_file(&path).unwrap();
    let before = daemon.lines().len();
    daemon.signal("HUP");
    until("a report", || {
        daemon.lines().iter().skip(before).any(|line| line.contains("config.yml")).then_some(())
    });
    daemon.post(&json!({}));
    // A port that cannot be bound does not close the old one either.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = taken.local_addr().unwrap().port();
    place.config(
        &good.replace(&format!("port: {port}"), &format!("port: {other}")).replace("before", "taken"),
    );
    daemon.signal("HUP");
    daemon.wait_pick("a report", |line| line.contains(&format!(":{other}")).then_some(()));
    let event = daemon.post(&json!({}));
    daemon.wait_print("the old router", |job| job["trigger_id"] == *event && job["router"] == "before");
}

#[test]
fn a_running_job_lives_through_a_reload() {
    let place = Place::new();
    let script =
        place.script("wait.sh", "echo x >@DIR@/started; while ! test -e @DIR@/go; do sleep 0.05; done");
    let config = format!(
        "{HEAD}\nrouter:\n  run: {{trigger: manual, selector: all, task: {{t: local_command}}, job_param: {{cmd: {script}}}}}\n{DONE}"
    );
    let path = place.config(&config);
    let daemon = Daemon::run(&mut place.command("heraldd", &path));
    let event = daemon.post(&json!({}));
    place.wait_file("started");
    place.config(&format!("{config}  added: {{trigger: exe_done, selector: match_map, task: {{t: print}}, select_param: {{match_key: router, match_value: run}}, job_param: {{print_key: router}}}}\n"));
    let before = daemon.lines().len();
    daemon.signal("HUP");
    until("the reload", || (daemon.lines().len() > before).then_some(()));
    place.write("go", "");
    assert_eq!(daemon.done(&event)["success"], true);
}
