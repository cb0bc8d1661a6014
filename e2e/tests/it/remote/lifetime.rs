//! Contract, section 4: "When the daemon gives up on a job, the runner stops it too".
//!
//! | sentence | test |
//! |---|---|
//! | timeout (of the executor) | `a_timeout_of_the_daemon_stops_the_runners_job` |
//! | timeout (job_param) | `a_timeout_of_the_job_is_kept_by_the_runner` |
//! | shutdown | `a_shutdown_of_the_daemon_stops_the_runners_job`, `a_shutdown_does_not_wait_for_a_runner_that_is_gone` |
//! | by a signed cancel in version 2 | `a_cancel_has_to_be_signed` |
//! | In version 2 a connection that merely breaks ends nothing | `a_broken_connection_ends_nothing_in_version_2` |
//! | The runner itself stops in order | `a_stopped_runner_leaves_no_job_behind` |

use std::io::Write;
use std::time::{Duration, Instant};

use e2e::fake::Fake;
use e2e::http::{connect, send};
use e2e::place::Place;
use e2e::program::alive;
use e2e::runner::{Runner, remote_config, remote_daemon};
use e2e::wait::until;
use serde_json::json;

use super::{assert_failed, captured_for, is_question};

const BOTH: &[(&str, &str)] = &[("wire: 2", ""), ("wire: 1", "allow_v1: true\n")];

/// A script that runs until it is ended, and the processes that are then gone.
fn slow(place: &Place) -> String {
    place.script("slow.sh", "sleep 600 & echo $! >@DIR@/child; echo $$ >@DIR@/pid; wait")
}

fn pids(place: &Place) -> Vec<u32> {
    ["pid", "child"].iter().map(|name| place.wait_file(name).trim().parse().unwrap()).collect()
}

fn assert_ended(what: &str, pids: Vec<u32>) {
    for pid in pids {
        until(&format!("{what}: the end of process {pid}"), || (!alive(pid)).then_some(()));
    }
}

#[test]
fn a_timeout_of_the_daemon_stops_the_runners_job() {
    for (wire, allow) in BOTH {
        let place = Place::new();
        let runner = Runner::start(&place, allow);
        let script = slow(&place);
        let daemon =
            remote_daemon(&place, runner.address(), &format!("{wire}\ntimeout: 2"), &json!({"cmd": script}));
        let started = Instant::now();
        let event = daemon.post(&json!({}));
        let running = pids(&place);
        assert!(running.iter().all(|pid| alive(*pid)));
        assert_failed(wire, &daemon.done(&event));
        assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
        assert_ended(wire, running);
    }
}

#[test]
fn a_timeout_of_the_job_is_kept_by_the_runner() {
    for (wire, allow) in BOTH {
        let place = Place::new();
        let runner = Runner::start(&place, allow);
        let script = slow(&place);
        let daemon = remote_daemon(&place, runner.address(), wire, &json!({"cmd": script, "timeout": 1}));
        let event = daemon.post(&json!({}));
        let running = pids(&place);
        assert_failed(wire, &daemon.done(&event));
        assert_ended(wire, running);
    }
}

#[test]
fn a_shutdown_of_the_daemon_stops_the_runners_job() {
    for (wire, allow) in BOTH {
        let place = Place::new();
        let runner = Runner::start(&place, allow);
        let script = slow(&place);
        let config =
            format!("shutdown_grace: 1\n{}", remote_config(runner.address(), wire, &json!({"cmd": script})));
        let daemon = e2e::daemon::Daemon::start(&place, &config);
        daemon.post(&json!({}));
        let running = pids(&place);
        daemon.signal("TERM");
        let _ = daemon.wait_end();
        assert_ended(wire, running);
        assert!(runner.ended().is_none());
    }
}

/// What the daemon cannot reach it does not wait for, and it says what it waits for.
#[test]
fn a_shutdown_does_not_wait_for_a_runner_that_is_gone() {
    let place = Place::new();
    let runner = Runner::start(&place, "");
    let script = slow(&place);
    let config =
        format!("shutdown_grace: 1\n{}", remote_config(runner.address(), "wire: 2", &json!({"cmd": script})));
    let daemon = e2e::daemon::Daemon::start(&place, &config);
    daemon.post(&json!({}));
    let running = pids(&place);
    runner.signal("KILL");
    drop(runner);
    let begun = Instant::now();
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0), "{}", daemon.log());
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}: {}", daemon.log());
    assert!(daemon.said("waiting for running jobs: "), "{}", daemon.log());
    assert!(daemon.said("the grace is over: ending jobs that still run: "), "{}", daemon.log());
    assert!(daemon.said("could not be notified"), "{}", daemon.log());
    // The next runner ends what the killed one left.
    let _next = Runner::start(&place, "");
    assert_ended("the next runner", running);
}

#[test]
fn a_cancel_has_to_be_signed() {
    // What a daemon sends when it gives up, caught on its way.
    let place = Place::new();
    let runner = Runner::start(&place, "");
    let script = slow(&place);
    let upstream = runner.address();
    let proxy = Fake::start(move |request| {
        // Only the job is let through, and the question who the runner is.
        let text = String::from_utf8_lossy(&request.body).into_owned();
        if text.contains("slow.sh") || is_question(request) {
            let mut stream = connect(upstream);
            stream.write_all(&request.bytes()).ok()?;
            return e2e::http::Message::read(&mut std::io::BufReader::new(stream), true);
        }
        None
    });
    let daemon = remote_daemon(&place, proxy.address(), "timeout: 2", &json!({"cmd": script}));
    daemon.post(&json!({}));
    let running = pids(&place);
    let cancel = until("the cancel", || proxy.seen().into_iter().find(|seen| seen.target().1 == "/cancel"));
    let mut forged = cancel.clone();
    forged.remove("Signature");
    assert_eq!(send(runner.address(), &forged).status, 401);
    let mut forged = cancel.clone();
    forged.body.push(b' ');
    assert_eq!(send(runner.address(), &forged).status, 401);
    assert!(running.iter().all(|pid| alive(*pid)), "a forged cancel ended the job");
    let answer = send(runner.address(), &cancel);
    assert!((200..300).contains(&answer.status), "{answer:?}");
    assert_ended("the signed one", running);
}

#[test]
fn a_broken_connection_ends_nothing_in_version_2() {
    let place = Place::new();
    let runner = Runner::start(&place, "");
    let script = place.script(
        "wait.sh",
        "echo $$ >@DIR@/pid; while ! test -e @DIR@/go; do sleep 0.05; done; echo done >@DIR@/done",
    );
    let request = captured_for(runner.address(), "", &json!({"cmd": script}));
    let mut stream = connect(runner.address());
    stream.write_all(&request.bytes()).unwrap();
    let pid: u32 = place.wait_file("pid").trim().parse().unwrap();
    drop(stream);
    e2e::wait::stays(Duration::from_secs(2), "the job runs on", || alive(pid));
    place.write("go", "");
    assert_eq!(place.wait_file("done"), "done\n");
}

#[test]
fn a_stopped_runner_leaves_no_job_behind() {
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let runner = Runner::start(&place, "shutdown_grace: 1\n");
        let script = slow(&place);
        let daemon = remote_daemon(&place, runner.address(), "", &json!({"cmd": script}));
        let event = daemon.post(&json!({}));
        let running = pids(&place);
        runner.signal(signal);
        let _ = runner.wait_end();
        assert_ended(signal, running);
        assert_failed(signal, &daemon.done(&event));
    }
}
