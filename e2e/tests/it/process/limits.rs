//! Contract, section 6: bounds.
//!
//! | sentence | test |
//! |---|---|
//! | Jobs that run at once are bounded (max_jobs) | `max_jobs_run_at_once` |
//! | activations that wait are bounded (max_queue), and past that triggers see back-pressure | `past_max_queue_triggers_see_back_pressure` |
//! | (http: 429 or 503 with Retry-After; never a 2xx for what may be lost) | `past_max_queue_triggers_see_back_pressure` |
//! | not memory growth | `a_flood_does_not_grow_memory` |
//! | A 2xx is sent once the event is safely accepted: what was accepted runs, in order | `what_was_accepted_runs_in_order` |

use std::time::Duration;

use e2e::daemon::{Daemon, HEAD};
use e2e::place::Place;
use e2e::wait::{until, until_within};
use serde_json::json;

fn limited(place: &Place, limits: &str, script: &str) -> Daemon {
    let script = place.script("job.sh", script);
    let config = format!(
        "{limits}\n{HEAD}\nrouter:\n  run: {{trigger: manual, selector: all, task: {{t: local_command}}, job_param: {{cmd: {script}}}}}\n"
    );
    Daemon::start(place, &config)
}

const GATED: &str =
    "echo x >>@DIR@/started; while ! test -e @DIR@/go; do sleep 0.05; done; echo x >>@DIR@/ended";

#[test]
fn max_jobs_run_at_once() {
    let place = Place::new();
    let daemon = limited(&place, "max_jobs: 3", GATED);
    for _ in 0..10 {
        daemon.post(&json!({}));
    }
    until("three", || (place.count("started") == 3).then_some(()));
    e2e::wait::stays(Duration::from_secs(1), "three at once", || place.count("started") == 3);
    place.write("go", "");
    until("all ten", || (place.count("ended") == 10).then_some(()));
}

#[test]
fn past_max_queue_triggers_see_back_pressure() {
    let place = Place::new();
    let daemon = limited(&place, "max_jobs: 2\nmax_queue: 10", GATED);
    let mut accepted = 0;
    let mut refused = 0;
    for _ in 0..60 {
        let answer = daemon.try_post(&json!({}));
        match answer.status {
            200 => accepted += 1,
            429 | 503 => {
                refused += 1;
                let after = answer.get("retry-after").unwrap_or_else(|| panic!("no Retry-After: {answer:?}"));
                assert!(after.parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
                assert!(answer.json()["error"].is_string(), "{answer:?}");
            }
            other => panic!("{other}: {answer:?}"),
        }
    }
    assert!(refused > 0, "all of 60 accepted with room for 7");
    assert!((5..=16).contains(&accepted), "{accepted} accepted with room for about 7");
    place.write("go", "");
    until("every accepted one", || (place.count("ended") == accepted).then_some(()));
    let more =
        until("room again", || Some(daemon.try_post(&json!({})).status).filter(|status| *status == 200));
    assert_eq!(more, 200);
    until("it, too", || (place.count("ended") > accepted).then_some(()));
}

#[test]
fn a_flood_does_not_grow_memory() {
    let place = Place::new();
    let daemon = limited(&place, "max_jobs: 1\nmax_queue: 20", GATED);
    let body = json!({"padding": "x".repeat(500_000)});
    let mut refused = 0;
    for _ in 0..400 {
        if daemon.try_post(&body).status != 200 {
            refused += 1;
        }
    }
    assert!(refused > 300, "{refused}");
    assert!(daemon.peak_mib() < 150, "{} MiB for 200 MB of events of which 20 may wait", daemon.peak_mib());
    place.write("go", "");
}

#[test]
fn what_was_accepted_runs_in_order() {
    let place = Place::new();
    let daemon = limited(
        &place,
        "max_jobs: 1",
        "sed 's/.*\"n\": *\\([0-9]*\\).*/\\1/' \"$HERALD_EXECUTE_PARAM_FILE\" >>@DIR@/order; echo >>@DIR@/order",
    );
    for n in 0..30 {
        daemon.post(&json!({"n": n}));
    }
    let expected: String = (0..30).map(|n| format!("{n}\n")).collect();
    until_within(Duration::from_secs(30), "all", || (place.count("order") == 30).then_some(()));
    assert_eq!(place.read("order").unwrap().trim_end(), expected.trim_end());
}
