//! Contract, section 4: daemon and runner.

mod between;
mod binding;
mod files;
mod lifetime;
mod pull;
mod runner;
mod silence;
mod v1;
mod v2;

use std::net::SocketAddr;

use e2e::daemon::Daemon;
use e2e::fake::Fake;
use e2e::http::{Message, send};
use e2e::place::Place;
use e2e::runner::{Runner, SECRET, remote_daemon};
use e2e::wait::until;
use serde_json::{Value, json};

/// The first request that a daemon sends for a job with these parameters: valid, and not yet seen by any runner.
fn captured(more: &str, job_param: &Value) -> Message {
    let place = Place::new();
    let fake = Fake::start(|_| None);
    let daemon = remote_daemon(&place, fake.address(), more, job_param);
    daemon.post(&json!({}));
    fake.wait_first()
}

/// The same of version 2.1, signed for this runner: the daemon asks it who it is, and the job is caught on its way.
fn captured_for(runner: SocketAddr, more: &str, job_param: &Value) -> Message {
    let place = Place::new();
    let proxy = Fake::start(move |request| is_question(request).then(|| send(runner, request).message));
    let daemon = remote_daemon(&place, proxy.address(), more, job_param);
    daemon.post(&json!({}));
    // Its output may be asked for before it is there.
    let is_job = |request: &Message| request.target().1 == "/" && request.get("herald-join").is_none();
    until("the job", || proxy.seen().into_iter().find(is_job))
}

/// Whether the request asks a runner for its status.
fn is_question(request: &Message) -> bool {
    request.target().1.ends_with("/heartbeat")
}

/// The two programs that can be a runner, as a function that starts one on this port with further lines of
/// configuration.
type StartRunner = fn(&Place, u16, &str) -> Runner;
const RUNNERS: &[(&str, StartRunner)] = &[("herald-runner", start_runner), ("heraldd", start_in_daemon)];

fn start_runner(place: &Place, port: u16, more: &str) -> Runner {
    Runner::configured(place, &format!("port: {port}\nsecret: {SECRET}\nwork_dir: '@DIR@/runner'\n{more}\n"))
}

/// The section `runner` of a daemon.
fn start_in_daemon(place: &Place, port: u16, more: &str) -> Runner {
    let lines: String = more.lines().map(|line| format!("  {line}\n")).collect();
    let section = format!("runner:\n  port: {port}\n  secret: {SECRET}\n  work_dir: '@DIR@/runner'\n{lines}");
    Runner::of(place.start("heraldd", &section))
}

/// Runs one job at `host` and returns the parameters of its `exe_done`.
fn run_remote(place: &Place, host: SocketAddr, more: &str, job_param: &Value) -> Value {
    let daemon: Daemon = remote_daemon(place, host, more, job_param);
    daemon.post_and_wait(&json!({}))
}

/// The job failed, with a reason.
fn assert_failed(what: &str, ended: &Value) {
    assert_eq!(ended["success"], false, "{what}: {ended}");
    assert!(ended["error"].as_str().is_some_and(|error| !error.is_empty()), "{what}: {ended}");
}

/// Every file below a folder, as paths relative to it.
fn files_below(root: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}
