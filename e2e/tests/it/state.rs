//! Contract, section 7: state that is kept across restarts.
//!
//! | sentence | test |
//! |---|---|
//! | `state_dir` holds the journal; its default; one daemon at a time, named by its pid | `one_daemon_at_a_time` |
//! | `state_dir: none` keeps everything in memory, and says so | `none_keeps_everything_in_memory_and_says_so` |
//! | queued jobs run, in order; a running one becomes `lost` and is not run again; `exe_done` reports it | `after_a_kill_what_was_queued_runs_and_what_ran_is_lost` |
//! | processes that outlived a killed daemon are found and ended first | `what_a_killed_daemon_left_running_is_ended_before_its_job_is_lost` |
//! | a job on a runner survives the daemon's restart: it is joined, and runs once | `a_remote_job_survives_the_death_of_its_daemon` |
//! | … unless its policy retries `lost` | `a_lost_job_runs_again_where_its_policy_says_so` |
//! | accepted means durable, kill after kill | `nothing_that_was_acknowledged_is_lost_over_kills` |
//! | SIGTERM: running jobs end within the grace, waiting ones wait for the next start | `what_waits_at_sigterm_runs_after_the_next_start` |
//! | a request that was seen before is answered with the first event's id | `a_repeated_request_is_the_first_one_again` |
//! | secrets are not in the journal | `no_secret_lies_in_the_state` |

use std::time::Duration;

use e2e::daemon::Daemon;
use e2e::http::{Message, post_json, send};
use e2e::place::Place;
use e2e::program::run_to_end;
use e2e::runner::{Runner, remote_config};
use e2e::wait::until;
use serde_json::json;

/// Jobs that append their number to a file, one at a time; on request, each waits for a file.
const CONFIG: &str = "
state_dir: '@DIR@/state'
max_jobs: 1
trigger:
  manual: {type: http, port: 0}
executor:
  local_command: {type: local, work_dir: '@DIR@/work'}
router:
  work:
    trigger: manual
    selector: all
    task: {k: local_command}
    job_param: {cmd: '@DIR@/work.sh'}
@POLICY@
  done:
    trigger: exe_done
    selector: except_map
    task: {done: print}
    select_param: {except_key: router, except_value: done}
";

const SCRIPT: &str = "
n=$(sed 's/.*\"n\":\\([0-9]*\\).*/\\1/' $HERALD_EXECUTE_PARAM_FILE)
echo $n >>@DIR@/ran
if grep -q '\"hold\":true' $HERALD_EXECUTE_PARAM_FILE; then
    while ! test -e @DIR@/go; do sleep 0.02; done
fi
";

fn place() -> Place {
    let place = Place::new();
    place.script("work.sh", SCRIPT);
    place
}

fn config(policy: &str) -> String {
    CONFIG.replace("@POLICY@", policy)
}

fn ran(place: &Place) -> Vec<u64> {
    let text = place.read("ran").unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn start(place: &Place, config: &str) -> Daemon {
    place.config(config);
    restart(place)
}

fn restart(place: &Place) -> Daemon {
    Daemon::run(&mut place.command("heraldd", &place.path("config.yml")))
}

fn kill(daemon: Daemon) {
    daemon.signal("KILL");
    assert_eq!(daemon.wait_end(), None);
}

#[test]
fn one_daemon_at_a_time() {
    let place = place();
    let first = start(&place, &config(""));
    first.address("manual");
    let second = run_to_end(&mut place.command("heraldd", &place.path("config.yml")));
    assert_eq!(second.code, Some(1), "{}", second.text());
    let pid = format!("pid {}", first.pid());
    assert!(second.stderr.contains(&pid) && second.stderr.contains("state_dir"), "{}", second.text());
    // However the first one ends, its place is free.
    kill(first);
    restart(&place).address("manual");
}

#[test]
fn none_keeps_everything_in_memory_and_says_so() {
    let place = place();
    let daemon = start(&place, &config("").replace("'@DIR@/state'", "none"));
    let event = daemon.post(&json!({"n": 1}));
    assert_eq!(daemon.done(&event)["success"], true);
    assert!(daemon.log().contains("state_dir is none"), "{}", daemon.log());
    assert!(!place.path("state/journal.db").exists());
}

#[test]
fn after_a_kill_what_was_queued_runs_and_what_ran_is_lost() {
    let place = place();
    let daemon = start(&place, &config(""));
    let first = daemon.post(&json!({"n": 1, "hold": true}));
    until("the first job", || (ran(&place) == [1]).then_some(()));
    let others: Vec<String> = (2..6).map(|n| daemon.post(&json!({"n": n}))).collect();
    kill(daemon);
    let daemon = restart(&place);
    let lost = daemon.done(&first);
    assert_eq!((&lost["success"], &lost["attempt"]), (&json!(false), &json!(1)));
    assert!(lost["error"].as_str().unwrap().contains("while the job was running"), "{lost}");
    for event in &others {
        assert_eq!(daemon.done(event)["success"], true);
    }
    assert_eq!(ran(&place), [1, 2, 3, 4, 5], "in order, and what ran before does not run again");
    place.write("go", "");
}

#[test]
fn a_lost_job_runs_again_where_its_policy_says_so() {
    let place = place();
    let policy = "    policy: {retry: {max: 1, delay: 0, on: lost}}";
    let daemon = start(&place, &config(policy));
    let event = daemon.post(&json!({"n": 1, "hold": true}));
    until("the first attempt", || (ran(&place) == [1]).then_some(()));
    kill(daemon);
    place.write("go", "");
    let daemon = restart(&place);
    let done = daemon.done(&event);
    assert_eq!((&done["success"], &done["attempt"]), (&json!(true), &json!(2)), "{done}");
    assert_eq!(ran(&place), [1, 1]);
}

#[test]
fn nothing_that_was_acknowledged_is_lost_over_kills() {
    let place = place();
    place.config(&config(""));
    let mut acknowledged = Vec::new();
    for round in 0..8_u64 {
        let daemon = restart(&place);
        let address = daemon.address("manual");
        let pid = daemon.pid().to_string();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20 + 37 * round));
            e2e::program::sh("kill", &[&"-KILL", &pid]);
        });
        for n in 0.. {
            let number = round * 1_000 + n;
            let body = json!({ "n": number }).to_string();
            let sent = std::panic::catch_unwind(|| post_json(address, body.as_bytes()));
            match sent {
                Ok(response) if response.status == 200 => acknowledged.push(number),
                _ => break,
            }
        }
        killer.join().unwrap();
        assert_eq!(daemon.wait_end(), None);
    }
    let last = restart(&place);
    let event = last.post(&json!({"n": 999_999}));
    last.done(&event);
    let ran = ran(&place);
    for number in &acknowledged {
        let times = ran.iter().filter(|ran| *ran == number).count();
        assert!(times <= 1, "{number} ran {times} times");
    }
    assert!(acknowledged.len() > 20, "{} events", acknowledged.len());
    // A job that was about to start when its daemon was killed is lost, and may not have got as far as its number.
    let missing = acknowledged.iter().filter(|number| !ran.contains(number)).count();
    assert!(
        missing <= 8,
        "{missing} of {} did not run, and at most one a kill may be lost",
        acknowledged.len()
    );
}

#[test]
fn what_waits_at_sigterm_runs_after_the_next_start() {
    let place = place();
    let daemon = start(&place, &config(""));
    let first = daemon.post(&json!({"n": 1, "hold": true}));
    until("the first job", || (ran(&place) == [1]).then_some(()));
    daemon.post(&json!({"n": 2}));
    daemon.post(&json!({"n": 3}));
    daemon.signal("TERM");
    // Before it stops, the end of the first job would start the next one.
    until("the beginning of the end", || daemon.log().contains("stopping").then_some(()));
    place.write("go", "");
    assert_eq!(daemon.wait_end(), Some(0), "{}", daemon.log());
    assert_eq!(daemon.done(&first)["success"], true, "it had its grace, and its end fired exe_done");
    assert_eq!(ran(&place), [1]);
    let _daemon = restart(&place);
    until("the others", || (ran(&place) == [1, 2, 3]).then_some(()));
}

#[test]
fn a_repeated_request_is_the_first_one_again() {
    let place = place();
    let daemon = start(&place, &config(""));
    let send = |daemon: &Daemon, header: &str, n: u64| {
        let headers = [("Content-Type", "application/json"), ("Host", "localhost"), (header, "d-1")];
        let body = json!({ "n": n }).to_string();
        let response =
            send(daemon.address("manual"), &Message::request("POST", "/", &headers, body.as_bytes()));
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["event_id"].as_str().unwrap().to_owned()
    };
    let first = send(&daemon, "Idempotency-Key", 1);
    daemon.done(&first);
    assert_eq!(send(&daemon, "Idempotency-Key", 1), first);
    let other = send(&daemon, "X-GitHub-Delivery", 3);
    assert_ne!(other, first);
    daemon.done(&other);
    kill(daemon);
    let daemon = restart(&place);
    assert_eq!(send(&daemon, "idempotency-key", 1), first, "the next process knows it too");
    let last = daemon.post(&json!({"n": 5}));
    daemon.done(&last);
    assert_eq!(ran(&place), [1, 3, 5]);
}

#[test]
fn no_secret_lies_in_the_state() {
    let place = place();
    let with_secret = config("").replace(
        "job_param: {cmd: '@DIR@/work.sh'}",
        "job_param: {cmd: '@DIR@/work.sh', env: {API_TOKEN: '${file:token}'}}",
    );
    place.write("token", "from-a-file-77\n");
    let daemon = start(&place, &with_secret);
    let event = daemon.post(&json!({"n": 1, "password": "posted-secret-88"}));
    daemon.done(&event);
    kill(daemon);
    for entry in std::fs::read_dir(place.path("state")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for secret in ["from-a-file-77", "posted-secret-88"] {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{secret} in {}", path.display());
            }
        }
    }
}

#[test]
fn what_a_killed_daemon_left_running_is_ended_before_its_job_is_lost() {
    for script in [
        "echo $$ >@DIR@/pid; sleep 300",
        "setsid sh -c 'echo $$ >@DIR@/pid; sleep 300' & sleep 300",
        "echo $$ >@DIR@/pid; exec env -i /bin/sleep 300",
        "trap '' TERM; echo $$ >@DIR@/pid; while :; do sleep 1; done",
        "(sh -c 'echo $$ >@DIR@/pid; exec sleep 300' &) ; sleep 300",
        "(env -i setsid sh -c 'echo $$ >@DIR@/pid; exec sleep 300' &) ; sleep 300",
    ] {
        let place = Place::new();
        place.script("work.sh", script);
        let daemon = start(&place, &config(""));
        let event = daemon.post(&json!({}));
        let pid: u32 = place.wait_file("pid").trim().parse().unwrap();
        kill(daemon);
        // Any Herald of the same user may have ended it by now, those of other tests too.
        let daemon = restart(&place);
        assert_eq!(daemon.done(&event)["success"], false);
        assert!(!e2e::program::alive(pid), "{script}: it is gone once its job is lost");
    }
}

#[test]
fn a_remote_job_survives_the_death_of_its_daemon() {
    // The job ends after the daemon came back, or while it was away.
    for while_away in [false, true] {
        let place = Place::new();
        let runner = Runner::start(&place, "");
        let script = place.script(
            "remote.sh",
            "echo x >>@DIR@/started; while ! test -e @DIR@/go; do sleep 0.02; done
             echo brought back >@DIR@/file.dat; echo '{\"file\": {\"f\": \"@DIR@/file.dat\"}}'; echo x >>@DIR@/done",
        );
        let daemon = start(&place, &remote_config(runner.address(), "wire: 2", &json!({"cmd": script})));
        let event = daemon.post(&json!({}));
        place.wait_file("started");
        kill(daemon);
        if while_away {
            place.write("go", "");
            place.wait_file("done");
        }
        let daemon = restart(&place);
        daemon.address("manual");
        place.write("go", "");
        let done = daemon.done(&event);
        assert_eq!((&done["success"], &done["attempt"]), (&json!(true), &json!(1)), "{done}");
        let file = done["result"]["file"]["f"].as_str().unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "brought back\n");
        assert_eq!(place.count("started"), 1);
    }
}

#[test]
fn a_remote_job_is_lost_with_its_runner() {
    let place = Place::new();
    let runner = Runner::start(&place, "");
    let script = place.script("remote.sh", "echo $$ >@DIR@/pid; sleep 300");
    let daemon = start(&place, &remote_config(runner.address(), "wire: 2", &json!({"cmd": script})));
    let event = daemon.post(&json!({}));
    let pid: u32 = place.wait_file("pid").trim().parse().unwrap();
    kill(daemon);
    let port = runner.address().port();
    runner.signal("KILL");
    assert_eq!(runner.wait_end(), None);
    let again = format!("port: {port}\nwork_dir: '@DIR@/runner'\nsecret: {}\n", e2e::runner::SECRET);
    let _runner = Runner::configured(&place, &again);
    let daemon = restart(&place);
    let done = daemon.done(&event);
    assert!(done["error"].as_str().unwrap().contains("does not know the job"), "{done}");
    assert!(!e2e::program::alive(pid), "what the killed runner left running is ended");
}
