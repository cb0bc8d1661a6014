//! Contract, section 1: the model.
//!
//! | sentence | test |
//! |---|---|
//! | Every router that names the trigger is tried | `every_router_that_names_the_trigger_is_tried` |
//! | for each of its tasks the selector is asked with that task's select_param; a yes creates a job | `the_selector_is_asked_with_each_tasks_own_select_param` |
//! | An activation carries an id and a trigger_param | `an_activation_carries_an_id_and_a_trigger_param` |
//! | exe_done activates with the job's own parameters plus success, error, result | `exe_done_carries_the_jobs_parameters_and_how_it_ended` |
//! | exe_done's name is reserved | `the_name_exe_done_is_reserved` |
//! | a job carries its depth, 0 for the first | `chain_depth_counts_from_0` |
//! | refused with a clear error past max_chain_depth | `a_chain_is_refused_past_max_chain_depth` |
//! | (default 64) | `max_chain_depth_is_64_by_default` |
//! | validation warns of every cycle that it can prove | `validation_warns_of_cycles_that_it_can_prove`, `validation_is_silent_where_there_is_no_cycle` |
//! | No config can make the daemon spin | `a_chain_that_branches_does_not_make_the_daemon_spin`, `a_chain_that_branches_delays_nobody_else` |

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use e2e::daemon::{DONE, Daemon, HEAD};
use e2e::place::Place;
use serde_json::{Value, json};

const MANUAL: &str = "trigger: {manual: {type: http, port: 0}}";

fn start(config: &str) -> (Place, Daemon) {
    let place = Place::new();
    let daemon = Daemon::start(&place, config);
    (place, daemon)
}

#[test]
fn every_router_that_names_the_trigger_is_tried() {
    let (_place, daemon) = start(&format!(
        "{MANUAL}
router:
  a: {{trigger: manual, selector: all, task: {{one: print, two: print}}}}
  b: {{trigger: manual, selector: match_map, task: {{one: print}}, select_param: {{match_key: k, match_value: 1}}}}
  c: {{trigger: manual, selector: match_map, task: {{one: print}}, select_param: {{match_key: k, match_value: 2}}}}
  d: {{trigger: exe_done, selector: match_map, task: {{one: none}}, select_param: {{match_key: router, match_value: x}}}}
  e: {{trigger: manual, selector: all, task: {{last: print}}}}
"
    ));
    daemon.post(&json!({"k": 1}));
    let expected = [("a", "one"), ("a", "two"), ("b", "one"), ("e", "last")];
    for (router, task) in expected {
        daemon.wait_print(&format!("{router}/{task}"), |value| {
            value["router"] == router && value["task"] == task
        });
    }
    let ran: Vec<(String, String)> =
        daemon.printed().iter().map(|value| (text(value, "router"), text(value, "task"))).collect();
    assert_eq!(ran.len(), expected.len(), "each once: {ran:?}");
    let ids: BTreeSet<String> = daemon.printed().iter().map(|value| text(value, "job_id")).collect();
    assert_eq!(ids.len(), expected.len(), "every job has an id of its own");
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_selector_is_asked_with_each_tasks_own_select_param() {
    let (_place, daemon) = start(&format!(
        "{MANUAL}
router:
  r:
    trigger: manual
    selector: match_map
    select_param: {{match_key: command, match_value: router}}
    task:
      from_router: print
      of_its_own: {{executor: print, select_param: {{match_value: task}}}}
  all: {{trigger: manual, selector: all, task: {{all: print}}}}
"
    ));
    for (command, expected) in [("router", "from_router"), ("task", "of_its_own")] {
        let event = daemon.post(&json!({"command": command}));
        daemon.wait_print("router all", |value| value["trigger_id"] == *event && value["task"] == "all");
        daemon.wait_print(expected, |value| value["trigger_id"] == *event && value["task"] == expected);
        let of_event = daemon.printed().iter().filter(|value| value["trigger_id"] == *event).count();
        assert_eq!(of_event, 2, "{command}: {}", daemon.log());
    }
}

#[test]
fn an_activation_carries_an_id_and_a_trigger_param() {
    let (_place, daemon) =
        start(&format!("{MANUAL}\nrouter: {{r: {{trigger: manual, selector: all, task: {{t: print}}}}}}"));
    let param = json!({"text": "größe ☃", "deep": {"list": [1, null, true]}, "empty": {}});
    let (first, second) = (daemon.post(&param), daemon.post(&param));
    assert_ne!(first, second);
    for event in [first, second] {
        let job = daemon.wait_print(&event, |value| value["trigger_id"] == *event);
        assert_eq!(job["trigger_param"], param);
        assert_eq!(job["trigger"], "manual");
    }
}

#[test]
fn exe_done_carries_the_jobs_parameters_and_how_it_ended() {
    let place = Place::new();
    let config = format!(
        "{HEAD}
router:
  good: {{trigger: manual, selector: match_map, task: {{t: none}}, select_param: {{match_key: good}}, job_param: {{a: 1}}}}
  bad:
    trigger: manual
    selector: match_map
    task: {{t: local_command}}
    select_param: {{match_key: bad}}
    job_param: {{cmd: sh, arg: [-c, 'echo out; exit 3']}}
{DONE}"
    );
    let daemon = Daemon::start(&place, &config);
    let good = daemon.post_and_wait(&json!({"good": 1}));
    let bad = daemon.post_and_wait(&json!({"bad": 1}));

    for (ended, router, executor) in [(&good, "good", "none"), (&bad, "bad", "local_command")] {
        let expected = [
            ("router", json!(router)),
            ("trigger", json!("manual")),
            ("selector", json!("match_map")),
            ("task", json!("t")),
            ("executor", json!(executor)),
            ("select_param", json!({"match_key": router})),
            ("trigger_param", json!({router: 1})),
            ("attempt", json!(1)),
        ];
        for (key, value) in expected {
            assert_eq!(ended[key], value, "{key} of {ended}");
        }
        assert_eq!(ended["id"], ended["job_id"]);
        assert!(ended["result"].is_object(), "{ended}");
        assert_eq!((&ended["attempts"], &ended["by"]["via"]), (&json!(1), &json!("manual")), "{ended}");
        let times = ["queued_at", "started_at", "ended_at"].map(|key| ended[key].as_str().unwrap());
        assert!(times.iter().all(|time| time.ends_with('Z')), "{ended}");
    }
    assert_eq!((&good["success"], &good["status"]), (&json!(true), &json!("succeeded")));
    assert!(good["error"].is_null() || good["error"] == "", "{good}");
    assert_eq!(good["job_param"], json!({"a": 1}));
    assert_eq!((&bad["success"], &bad["status"]), (&json!(false), &json!("failed")));
    assert!(bad["error"].as_str().is_some_and(|error| error.contains('3')), "{bad}");
    assert_eq!(bad["result"]["exit_code"], 3, "a failed job still carries its result");
}

#[test]
fn the_name_exe_done_is_reserved() {
    let none = "router: {r: {trigger: exe_done, selector: match_map, task: {t: none}, select_param: {match_key: x}}}";
    for trigger in ["exe_done: {type: tick, interval: 1}", "exe_done: {}", "other: {type: exe_done}"] {
        let ended = Place::new().refused("heraldd", &format!("trigger:\n  {trigger}\n{none}"));
        assert_eq!(ended.code, Some(2), "{trigger}: {}", ended.text());
        assert!(
            ended.text().contains("exe_done") && ended.text().contains("config.yml:2:"),
            "{}",
            ended.text()
        );
    }
}

#[test]
fn chain_depth_counts_from_0() {
    let (_place, daemon) = start(&format!(
        "{MANUAL}
router:
  first: {{trigger: manual, selector: all, task: {{t: print}}}}
  second: {{trigger: exe_done, selector: match_map, task: {{t: print}}, select_param: {{match_key: router, match_value: first}}}}
  third: {{trigger: exe_done, selector: match_map, task: {{t: print}}, select_param: {{match_key: router, match_value: second}}}}
"
    ));
    daemon.post(&json!({}));
    for (router, depth) in [("first", 0), ("second", 1), ("third", 2)] {
        let job = daemon.wait_print(router, |value| value["router"] == router);
        assert_eq!(job["chain_depth"], depth, "{job}");
    }
}

/// A router that loops, and the highest depth of its jobs once it was rejected.
fn loop_until_refused(limit: &str) -> (Place, Daemon) {
    let (place, daemon) = start(&format!(
        "{limit}{MANUAL}
router:
  first: {{trigger: manual, selector: all, task: {{t: none}}}}
  snake: {{trigger: exe_done, selector: all, task: {{t: print}}}}
"
    ));
    daemon.post(&json!({}));
    (place, daemon)
}

fn depths(daemon: &Daemon) -> Vec<u64> {
    daemon.printed().iter().map(|value| value["chain_depth"].as_u64().unwrap()).collect()
}

#[test]
fn a_chain_is_refused_past_max_chain_depth() {
    let (_place, daemon) = loop_until_refused("max_chain_depth: 5\n");
    daemon.wait_pick("a refusal", |line| {
        (line.contains("ERROR") && line.contains("snake") && line.contains("max_chain_depth")).then_some(())
    });
    assert_eq!(depths(&daemon), [1, 2, 3, 4, 5]);
    daemon.post(&json!({"still": "here"}));
}

#[test]
fn max_chain_depth_is_64_by_default() {
    let (_place, daemon) = loop_until_refused("");
    daemon.wait_pick("a refusal", |line| {
        (line.contains("ERROR") && line.contains("max_chain_depth")).then_some(())
    });
    assert_eq!(depths(&daemon), (1..=64).collect::<Vec<u64>>());
}

/// A chain in which every finished job creates two jobs: 2^64 of them, if all ran.
fn hydra(limits: &str) -> (Place, Daemon) {
    let (place, daemon) = start(&format!(
        "{limits}{MANUAL}
router:
  first: {{trigger: manual, selector: match_map, task: {{t: none}}, select_param: {{match_key: start}}}}
  hydra: {{trigger: exe_done, selector: match_map, task: {{a: none, b: none}}, select_param: {{match_key: trigger_param}}}}
  bystander: {{trigger: manual, selector: match_map, task: {{t: print}}, select_param: {{match_key: bystander}}}}
"
    ));
    daemon.post(&json!({"start": 1}));
    (place, daemon)
}

#[test]
fn a_chain_that_branches_does_not_make_the_daemon_spin() {
    let (_place, daemon) = hydra("max_jobs: 4\nmax_queue: 100\nmax_chain_depth: 12\n");
    // Others are still heard: at once, or once they tried again.
    e2e::wait::until("an event beside the hydra", || {
        (daemon.try_post(&json!({"bystander": 1})).status == 200).then_some(())
    });
    daemon.wait_print("the bystander", |value| value["router"] == "bystander");
    let lines = std::cell::Cell::new((0, Instant::now()));
    e2e::wait::until("the end of the hydra", || {
        let (before, since) = lines.get();
        let now = daemon.lines().len();
        if now != before {
            lines.set((now, Instant::now()));
        }
        (now == before && since.elapsed() > Duration::from_secs(1)).then_some(())
    });
}

#[test]
fn a_chain_that_branches_delays_nobody_else() {
    let (_place, daemon) = hydra("");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        let asked = Instant::now();
        let answer = daemon.try_post(&json!({"other": 1}));
        assert!([200, 429, 503].contains(&answer.status), "{answer:?}");
        assert!(asked.elapsed() < Duration::from_secs(3), "answered after {:?}", asked.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(daemon.peak_mib() < 200, "{} MiB", daemon.peak_mib());
}

const CYCLES: &[(&str, &str, &[&str])] = &[
    ("all", "snake: {trigger: exe_done, selector: all, task: {t: none}}", &["snake"]),
    (
        "matches itself",
        "snake: {trigger: exe_done, selector: match_map, task: {t: none}, select_param: {match_key: router, match_value: snake}}",
        &["snake"],
    ),
    (
        "lets its own executor through",
        "snake: {trigger: exe_done, selector: match_map, task: {t: none}, select_param: {match_key: executor, match_value: none}}",
        &["snake"],
    ),
    (
        "two that feed each other",
        "ping: {trigger: exe_done, selector: match_map, task: {t: none}, select_param: {match_key: router, match_value: pong}}
  pong: {trigger: exe_done, selector: match_map, task: {t: none}, select_param: {match_key: router, match_value: ping}}",
        &["ping", "pong"],
    ),
    (
        "each lets all but itself through",
        "ping: {trigger: exe_done, selector: except_map, task: {t: none}, select_param: {except_key: router, except_value: ping}}
  pong: {trigger: exe_done, selector: except_map, task: {t: none}, select_param: {except_key: router, except_value: pong}}",
        &["ping", "pong"],
    ),
];

fn is_cycle_warning(line: &str, routers: &[&str]) -> bool {
    let lower = line.to_lowercase();
    lower.contains("warn") && routers.iter().all(|router| lower.contains(router))
}

#[test]
fn validation_warns_of_cycles_that_it_can_prove() {
    for (name, routers, named) in CYCLES {
        let (_place, daemon) = start(&format!("{MANUAL}\nrouter:\n  {routers}\n"));
        daemon.address("manual");
        daemon.wait_pick(&format!("{name}: a warning that names {named:?}"), |line| {
            is_cycle_warning(line, named).then_some(())
        });
    }
}

#[test]
fn validation_is_silent_where_there_is_no_cycle() {
    for routers in [
        "first: {trigger: manual, selector: all, task: {t: none}}",
        "second: {trigger: exe_done, selector: except_map, task: {t: none}, select_param: {except_key: router, except_value: second}}",
        "first: {trigger: manual, selector: all, task: {t: none}}\n  \
         third: {trigger: exe_done, selector: match_map, task: {t: none}, select_param: {match_key: router, match_value: first}}",
        "fourth: {trigger: exe_done, selector: match_map, task: {t: print}, select_param: {match_key: executor, match_value: none}}",
    ] {
        let (_place, daemon) = start(&format!("{MANUAL}\nrouter:\n  {routers}\n"));
        daemon.address("manual");
        assert!(!daemon.log().contains("WARN"), "{routers}: {}", daemon.log());
    }
}
