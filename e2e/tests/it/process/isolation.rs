//! Contract, section 6: "Nothing blocks anything".
//!
//! | sentence | test |
//! |---|---|
//! | a slow selector delays only its own jobs | `a_slow_selector_delays_only_its_own_jobs` |
//! | a slow executor | `a_slow_executor_delays_only_its_own_jobs` |
//! | a slow client | [`crate::components`] |
//! | a slow runner | `a_slow_runner_delays_only_its_own_jobs` |

use std::time::{Duration, Instant};

use e2e::daemon::{Daemon, HEAD};
use e2e::fake::Fake;
use e2e::place::Place;
use e2e::wait::until;
use serde_json::json;

/// While `slow` events are in progress, others are handled at once.
fn others_go_through(daemon: &Daemon, slow: usize) {
    for _ in 0..slow {
        daemon.post(&json!({"slow": 1}));
    }
    for turn in 0..10 {
        let started = Instant::now();
        let event = daemon.post(&json!({"fast": turn}));
        daemon.wait_print("the fast one", |job| job["trigger_id"] == *event && job["task"] == "fast");
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}\n{}", started.elapsed(), daemon.log());
    }
}

const FAST: &str =
    "  fast: {trigger: manual, selector: match_map, task: {fast: print}, select_param: {match_key: fast}}\n";

#[test]
fn a_slow_selector_delays_only_its_own_jobs() {
    let place = Place::new();
    let slow = place.script("slow.sh", "echo x >>@DIR@/asked; while ! test -e @DIR@/go; do sleep 0.05; done");
    let daemon = Daemon::start(
        &place,
        &format!(
            "trigger: {{manual: {{type: http, port: 0}}}}
selector: {{slow: {{type: external, program: {slow}}}}}
router:
  slow: {{trigger: manual, selector: slow, task: {{slow: print}}}}
{FAST}"
        ),
    );
    others_go_through(&daemon, 3);
    until("the question", || (place.count("asked") > 0).then_some(()));
    assert!(!daemon.printed().iter().any(|job| job["task"] == "slow"));
    place.write("go", "");
    until("every slow one", || {
        (daemon.printed().iter().filter(|job| job["task"] == "slow").count() == 13).then_some(())
    });
}

#[test]
fn a_slow_executor_delays_only_its_own_jobs() {
    let place = Place::new();
    let slow = place.script("slow.sh", "echo x >>@DIR@/ran; while ! test -e @DIR@/go; do sleep 0.05; done");
    let daemon = Daemon::start(
        &place,
        &format!(
            "{HEAD}\nrouter:\n  slow: {{trigger: manual, selector: match_map, task: {{slow: local_command}}, select_param: {{match_key: slow}}, job_param: {{cmd: {slow}}}}}\n{FAST}"
        ),
    );
    others_go_through(&daemon, 3);
    until("all three side by side", || (place.count("ran") == 3).then_some(()));
    place.write("go", "");
}

#[test]
fn a_slow_runner_delays_only_its_own_jobs() {
    let place = Place::new();
    let fake = Fake::start(|_| {
        std::thread::sleep(Duration::from_secs(8));
        None
    });
    let daemon = Daemon::start(
        &place,
        &format!(
            "trigger: {{manual: {{type: http, port: 0}}}}
executor: {{slow: {{type: http_remote, host: 'http://{}/', secret: a-secret-that-is-long-enough, data_dir: '@DIR@/data'}}}}
router:
  slow: {{trigger: manual, selector: match_map, task: {{slow: slow}}, select_param: {{match_key: slow}}, job_param: {{cmd: x}}}}
{FAST}",
            fake.address()
        ),
    );
    others_go_through(&daemon, 5);
    let _ = fake.wait_first();
}
