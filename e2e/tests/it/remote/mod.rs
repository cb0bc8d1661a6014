//! Contract, section 4: daemon and runner.

mod between;
mod files;
mod lifetime;
mod runner;
mod v1;
mod v2;

use std::net::SocketAddr;

use e2e::daemon::Daemon;
use e2e::fake::Fake;
use e2e::http::Message;
use e2e::place::Place;
use e2e::runner::remote_daemon;
use serde_json::{Value, json};

/// The first request that a daemon sends for a job with these parameters: valid, and not yet seen by any runner.
fn captured(more: &str, job_param: &Value) -> Message {
    let place = Place::new();
    let fake = Fake::start(|_| None);
    let daemon = remote_daemon(&place, fake.address(), more, job_param);
    daemon.post(&json!({}));
    fake.wait_first()
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
