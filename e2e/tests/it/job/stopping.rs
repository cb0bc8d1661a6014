//! Contract, section 3: a timeout.
//!
//! | sentence | test |
//! |---|---|
//! | timeout: after it TERM to the whole process group | `a_timeout_ends_the_whole_process_group` |
//! | a grace, then KILL | `what_ignores_term_is_killed_after_a_grace` |
//! | (a job that ends in time is not touched; what it left in its group does not hold it up) | `a_job_in_time_is_not_touched`, `a_grandchild_that_holds_the_pipe_does_not_hold_the_job` |

use std::time::{Duration, Instant};

use e2e::daemon::run_job;
use e2e::place::Place;
use e2e::program::alive;
use e2e::wait::until;
use serde_json::json;

#[test]
fn a_timeout_ends_the_whole_process_group() {
    let place = Place::new();
    let script = place.script(
        "slow.sh",
        "trap 'echo term >@DIR@/term; exit 1' TERM
echo before
sleep 600 & echo $! >@DIR@/child
sh -c 'sleep 600 & echo $! >@DIR@/grandchild; wait' &
wait",
    );
    for timeout in [json!(1), json!("1s")] {
        let started = Instant::now();
        let ended = run_job(&place, &json!({"cmd": script, "timeout": timeout}));
        let took = started.elapsed();
        assert!(took > Duration::from_millis(900) && took < Duration::from_secs(8), "{took:?}");
        assert_eq!(ended["success"], false, "{ended}");
        let error = ended["error"].as_str().unwrap().to_lowercase();
        assert!(error.contains("time") || error.contains("1s") || error.contains("1 s"), "{ended}");
        assert_eq!(ended["result"]["output"].as_str().map(str::trim_end), Some("before"), "{ended}");
        assert_eq!(place.read("term").as_deref(), Some("term\n"), "TERM came first");
        for name in ["child", "grandchild"] {
            let pid = place.wait_file(name).trim().parse().unwrap();
            until(&format!("the end of the {name}"), || (!alive(pid)).then_some(()));
        }
        std::fs::remove_file(place.path("term")).unwrap();
    }
}

#[test]
fn what_ignores_term_is_killed_after_a_grace() {
    let place = Place::new();
    let script = place.script("stubborn.sh", "trap '' TERM; echo $$ >@DIR@/pid; while :; do sleep 0.2; done");
    let ended = run_job(&place, &json!({"cmd": script, "timeout": 0.5}));
    assert_eq!(ended["success"], false, "{ended}");
    let pid = place.wait_file("pid").trim().parse().unwrap();
    assert!(!alive(pid), "{ended}");
}

#[test]
fn a_job_in_time_is_not_touched() {
    let ended =
        run_job(&Place::new(), &json!({"cmd": "sh", "arg": ["-c", "sleep 0.3; echo fine"], "timeout": 10}));
    assert_eq!(ended["success"], true, "{ended}");
    assert_eq!(ended["result"]["output"].as_str().map(str::trim_end), Some("fine"));
}

#[test]
fn a_grandchild_that_holds_the_pipe_does_not_hold_the_job() {
    let place = Place::new();
    let script = place.script("fork.sh", "sleep 15 & echo $! >@DIR@/child; echo said");
    let started = Instant::now();
    let ended = run_job(&place, &json!({"cmd": script}));
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    assert_eq!(ended["success"], true, "{ended}");
    assert_eq!(ended["result"]["output"].as_str().map(str::trim_end), Some("said"), "{ended}");
}
