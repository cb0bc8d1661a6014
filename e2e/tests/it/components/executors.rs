//! Contract, section 2: executors none and print.
//!
//! | sentence | test |
//! |---|---|
//! | none: nothing | `none_does_nothing_and_succeeds` |
//! | print: logs the execution parameters as JSON | `print_logs_all_parameters_as_json` |
//! | (also of a result of 1 MiB, which is what a job may print) | `print_logs_json_of_any_size` |
//! | or only the print_keys (one or a list) | `print_logs_only_the_print_keys` |

use e2e::daemon::{DONE, Daemon};
use e2e::place::Place;
use serde_json::json;

const MANUAL: &str = "trigger: {manual: {type: http, port: 0}}\nrouter:\n";

#[test]
fn none_does_nothing_and_succeeds() {
    let place = Place::new();
    let config = format!(
        "{MANUAL}  run: {{trigger: manual, selector: all, task: {{t: none}}, job_param: {{any: thing}}}}\n{DONE}"
    );
    let daemon = Daemon::start(&place, &config);
    let ended = daemon.post_and_wait(&json!({}));
    assert_eq!((&ended["success"], &ended["result"]), (&json!(true), &json!({})));
}

#[test]
fn print_logs_all_parameters_as_json() {
    let place = Place::new();
    let config = format!(
        "{MANUAL}  run: {{trigger: manual, selector: all, task: {{t: print}}, select_param: {{s: 1}}, job_param: {{j: [a, {{b: c}}]}}}}\n"
    );
    let daemon = Daemon::start(&place, &config);
    let event = daemon.post(&json!({"text": "two\nlines \"quoted\" \\ ü \u{1b}[31m"}));
    let job = daemon.wait_print("the job", |job| job["trigger_id"] == *event);
    let id = job["id"].clone();
    let expected = json!({
        "id": id, "job_id": id, "trigger_id": event, "router": "run", "trigger": "manual", "selector": "all",
        "task": "t", "executor": "print", "trigger_param": {"text": "two\nlines \"quoted\" \\ ü \u{1b}[31m"},
        "select_param": {"s": 1}, "job_param": {"j": ["a", {"b": "c"}]}, "chain_depth": 0, "attempt": 1,
    });
    assert_eq!(job, expected);
    assert!(!daemon.log().contains('\u{1b}'), "no control characters in a log that is not a terminal");
}

#[test]
fn print_logs_json_of_any_size() {
    let place = Place::new();
    let config = format!("{MANUAL}  run: {{trigger: manual, selector: all, task: {{t: print}}}}\n")
        .replace("port: 0", "port: 0, max_body: 4194304");
    let daemon = Daemon::start(&place, &config);
    for size in [60_000, 70_000, 1_200_000] {
        let text = "x".repeat(size);
        let event = daemon.post(&json!({"text": text}));
        let job = daemon.wait_print(&format!("{size} bytes"), |job| job["trigger_id"] == *event);
        assert_eq!(job["trigger_param"]["text"], text);
    }
}

#[test]
fn print_logs_only_the_print_keys() {
    for (keys, shown, hidden) in [
        ("router", vec!["run-of-print"], vec!["value-one", "value-two"]),
        ("trigger_param/one", vec!["value-one"], vec!["value-two", "run-of-print"]),
        ("[trigger_param/one, trigger_param/deep/two]", vec!["value-one", "value-two"], vec!["run-of-print"]),
        ("[trigger_param/nowhere, trigger_param/one]", vec!["value-one"], vec!["value-two"]),
        ("trigger_param", vec!["value-one", "value-two"], vec!["run-of-print"]),
    ] {
        let place = Place::new();
        let config = format!(
            "{MANUAL}  run-of-print: {{trigger: manual, selector: all, task: {{t: print}}, job_param: {{print_key: {keys}}}}}
  after: {{trigger: exe_done, selector: match_map, task: {{after: print}}, select_param: {{match_key: task, match_value: t}}, job_param: {{print_key: task}}}}
"
        );
        let daemon = Daemon::start(&place, &config);
        daemon.post(&json!({"one": "value-one", "deep": {"two": "value-two"}}));
        let line = daemon.wait_pick(&format!("{keys}: {shown:?}"), |line| {
            shown.iter().all(|text| line.contains(text)).then(|| line.to_owned())
        });
        // The requested value is in the JSON; fields of the log line itself may name router and task.
        let json = &line[line.find(['{', '"']).unwrap_or(0)..];
        for text in hidden.iter().filter(|text| text.starts_with("value")) {
            assert!(!json.contains(text), "{keys} shows {text}: {line}");
        }
    }
}
