//! Contract, section 16: "Silence ends". A runner that hangs: its kernel accepts connections, and nothing answers.
//!
//! | sentence | test |
//! |---|---|
//! | A job on a runner of which no signed word came for `silence` is looked for once more and then `lost` | `a_job_on_a_runner_that_hangs_is_lost` |
//! | also where nothing is under `node` | the same |
//! | (places are free again, nothing runs twice, readers of its log are not kept) | the same |
//! | (on several nodes) | `a_node_that_hangs_does_not_hold_up_the_others` |
//! | (a job that is merely quiet goes on) | `a_quiet_job_goes_on` |

use std::time::{Duration, Instant};

use e2e::daemon::{DONE, Daemon};
use e2e::place::Place;
use e2e::program::alive;
use e2e::runner::{Runner, SECRET, remote_config};
use serde_json::{Value, json};

/// A script that runs until it is let go; each run leaves a line.
const WAITS: &str =
    "echo x >>@DIR@/ran; echo $$ >@DIR@/pid; echo said; while ! test -e @DIR@/go; do sleep 0.05; done";

#[test]
fn a_job_on_a_runner_that_hangs_is_lost() {
    let place = Place::new();
    let runner = Runner::start(&place, "");
    let job = json!({"cmd": place.script("waits.sh", WAITS)});
    let daemon = Daemon::start(&place, &remote_config(runner.address(), "silence: 3s\nmax_jobs: 1\n", &job));
    let first = daemon.post(&json!({}));
    let pid: u32 = place.wait_file("pid").trim().parse().unwrap();
    let jobs: Value = serde_json::from_str(&place.run("heraldd", &["jobs", "--json"]).stdout).unwrap();
    let job_id = jobs["items"][0]["id"].as_str().unwrap().to_owned();
    // What the daemon has not fetched by then stays at the runner that hangs.
    e2e::wait::until("its output at the daemon", || {
        place.run("heraldd", &["logs", &job_id]).stdout.contains("said").then_some(())
    });
    let next = daemon.post(&json!({}));
    runner.signal("STOP");
    let begun = Instant::now();
    let logs = std::thread::scope(|scope| {
        let reader = scope.spawn(|| place.run("heraldd", &["logs", "-f", &job_id]));
        let ended = daemon.done(&first);
        let took = begun.elapsed();
        assert_eq!(ended["status"], "lost", "{ended}");
        let error = ended["error"].as_str().unwrap();
        assert!(error.contains("no answer from the runner") && error.contains("for 3s"), "{error}");
        assert!(took > Duration::from_secs(2) && took < Duration::from_secs(15), "{took:?}");
        // Whatever it shows, it does not wait for a runner that does not answer.
        runner.signal("CONT");
        place.write("go", "");
        reader.join().unwrap()
    });
    assert!(logs.stdout.contains("said"), "{}", logs.text());
    // The place of the lost job is free, and the job that waited for it runs.
    let ended = daemon.done(&next);
    assert_eq!(ended["success"], true, "{ended}");
    assert_eq!(place.count("ran"), 2, "each of them ran once");
    e2e::wait::until("the end of what ran on", || (!alive(pid)).then_some(()));
}

#[test]
fn a_node_that_hangs_does_not_hold_up_the_others() {
    let (place, other) = (Place::new(), Place::new());
    let (hangs, fine) = (Runner::start(&place, ""), Runner::start(&other, ""));
    let script = place.script("waits.sh", &format!("test $(sed -n 's/.*\"node\": *\"\\([^\"]*\\)\".*/\\1/p' \"$HERALD_EXECUTE_PARAM_FILE\") = n2 || {{ {WAITS}; }}"));
    let config = format!(
        "trigger: {{manual: {{type: http, port: 0}}}}
node:
  n1: {{host: 'http://{}/', secret: {SECRET}}}
  n2: {{host: 'http://{}/', secret: {SECRET}}}
executor:
  fleet: {{type: http_remote, data_dir: '@DIR@/data', nodes: [n1, n2], strategy: {{max_parallel: 1}}, silence: 3s}}
router:
  run: {{trigger: manual, selector: all, task: {{job: fleet}}, job_param: {{cmd: {script}}}}}
{DONE}",
        hangs.address(),
        fine.address()
    );
    let daemon = Daemon::start(&place, &config);
    let event = daemon.post(&json!({}));
    let _ = place.wait_file("pid");
    hangs.signal("STOP");
    let ended = daemon.done(&event);
    hangs.signal("CONT");
    place.write("go", "");
    assert_eq!(ended["result"]["node"]["n1"]["status"], "lost", "{ended}");
    assert_eq!(ended["result"]["node"]["n2"]["status"], "succeeded", "{ended}");
    assert_eq!((place.count("ran"), ended["status"].as_str()), (1, Some("lost")), "{ended}");
}

#[test]
fn a_quiet_job_goes_on() {
    let place = Place::new();
    let runner = Runner::start(&place, "");
    let job = json!({"cmd": "sleep", "arg": "7"});
    let daemon = Daemon::start(&place, &remote_config(runner.address(), "silence: 3s\n", &job));
    let ended = daemon.post_and_wait(&json!({}));
    assert_eq!(ended["success"], true, "{ended}\n{}", daemon.log());
}
