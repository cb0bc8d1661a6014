//! Contract, section 2: presets.
//!
//! | sentence | test |
//! |---|---|
//! | Priority, highest first: task inline, task preset[0], task preset[1], …, router inline, router preset[0], router preset[1], … | `the_priority_of_all_levels` |
//! | a map with a preset key (a name or a list of names), or directly a name or list of names | `every_way_to_name_presets` |
//! | select_param/job_param at either level | both |

use e2e::daemon::Daemon;
use e2e::place::Place;
use serde_json::{Value, json};

const PRESETS: &str = "trigger: {manual: {type: http, port: 0}}
preset:
  task0: {k1: task0, k2: task0}
  task1: {k1: task1, k2: task1, k3: task1}
  router0: {k1: router0, k2: router0, k3: router0, k4: router0, k5: router0}
  router1: {k1: router1, k2: router1, k3: router1, k4: router1, k5: router1, k6: router1}
";

/// The only job of an event: its parameters.
fn params_of(config: &str) -> Value {
    let place = Place::new();
    let daemon = Daemon::start(&place, config);
    let event = daemon.post(&json!({}));
    daemon.wait_print("the job", |value| value["trigger_id"] == *event)
}

#[test]
fn the_priority_of_all_levels() {
    let levels = "{k1: router, k2: router, k3: router, k4: router, preset: [router0, router1]}";
    let of_task = "{k1: task, preset: [task0, task1]}";
    let params = params_of(&format!(
        "{PRESETS}
router:
  r:
    trigger: manual
    selector: all
    select_param: {levels}
    job_param: {levels}
    task:
      t: {{executor: print, select_param: {of_task}, job_param: {of_task}}}
"
    ));
    let expected =
        json!({"k1": "task", "k2": "task0", "k3": "task1", "k4": "router", "k5": "router0", "k6": "router1"});
    assert_eq!(params["job_param"], expected);
    assert_eq!(params["select_param"], expected);
}

#[test]
fn every_way_to_name_presets() {
    let task0 = json!({"k1": "task0", "k2": "task0"});
    let both = json!({"k1": "task0", "k2": "task0", "k3": "task1"});
    let turned = json!({"k1": "task1", "k2": "task1", "k3": "task1"});
    for (written, expected) in [
        ("task0", &task0),
        ("[task0]", &task0),
        ("[task0, task1]", &both),
        ("[task1, task0]", &turned),
        ("{preset: task0}", &task0),
        ("{preset: [task0, task1]}", &both),
        ("{preset: []}", &json!({})),
    ] {
        for (router, task) in [
            (format!("select_param: {written}\n    job_param: {written}"), "print".to_owned()),
            (String::new(), format!("{{executor: print, select_param: {written}, job_param: {written}}}")),
        ] {
            let params = params_of(&format!(
                "{PRESETS}\nrouter:\n  r:\n    trigger: manual\n    selector: all\n    task: {{t: {task}}}\n    {router}\n"
            ));
            assert_eq!(&params["job_param"], expected, "{written} at {router}{task}");
            assert_eq!(&params["select_param"], expected, "{written} at {router}{task}");
        }
    }
}
