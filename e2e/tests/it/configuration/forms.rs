//! Contract, section 2: the forms in which components and parameters can be written.
//!
//! | sentence | test |
//! |---|---|
//! | type may be left out when it equals the name | `the_type_may_be_left_out_when_it_equals_the_name` |
//! | a component that is not configured may be named by its type in a router | `a_component_may_be_named_by_its_type` |
//! | task.NAME is an executor's name, or a map {executor, select_param, job_param} | `a_task_is_a_name_or_a_map` |
//! | Nested keys in selectors and print_key are written a/b/c | `nested_keys_are_written_with_slashes` |
//! | YAML 1.2 | `the_file_is_yaml_1_2` |
//! | log (level, output, format) | `the_log_has_level_output_and_format` |

use e2e::daemon::Daemon;
use e2e::place::Place;
use serde_json::{Value, json};

#[test]
fn the_type_may_be_left_out_when_it_equals_the_name() {
    let place = Place::new();
    let daemon = Daemon::start(
        &place,
        "trigger: {tick: {interval: 0.05}, http: {port: 0}}
selector: {match_map: {}}
executor: {local: {work_dir: '@DIR@/work'}, print: {}}
router:
  a: {trigger: tick, selector: match_map, task: {t: print}, select_param: {match_key: counter, match_value: 2}}
  b: {trigger: http, selector: all, task: {t: local}, job_param: {cmd: touch, arg: '@DIR@/ran'}}
",
    );
    daemon.wait_print("a tick", |value| value["router"] == "a" && value["trigger_param"]["counter"] == 2);
    let answer = e2e::http::post_json(daemon.address("http"), b"{}");
    assert_eq!(answer.status, 200, "{answer:?}");
    e2e::wait::until("the local job", || place.path("ran").exists().then_some(()));
}

#[test]
fn a_component_may_be_named_by_its_type() {
    let place = Place::new();
    let daemon = Daemon::start(
        &place,
        "trigger: {manual: {type: http, port: 0}}
router:
  r: {trigger: manual, selector: skip, task: {t: print}, select_param: {skip_number: 0}}
  s: {trigger: manual, selector: match_map, task: {t: none}, select_param: {match_key: no}}
",
    );
    daemon.post(&json!({"counter": 1}));
    let job = daemon.wait_print("the job", |value| value["router"] == "r");
    assert_eq!((&job["selector"], &job["executor"]), (&json!("skip"), &json!("print")));
}

#[test]
fn a_task_is_a_name_or_a_map() {
    let place = Place::new();
    let daemon = Daemon::start(
        &place,
        "trigger: {manual: {type: http, port: 0}}
router:
  r:
    trigger: manual
    selector: all
    task:
      name: print
      map: {executor: print, select_param: {s: 2}, job_param: {j: 2}}
    select_param: {s: 1, r: 1}
    job_param: {j: 1, r: 1}
",
    );
    daemon.post(&json!({}));
    for (task, s, j) in [("name", 1, 1), ("map", 2, 2)] {
        let job = daemon.wait_print(task, |value| value["task"] == task);
        assert_eq!(job["select_param"], json!({"s": s, "r": 1}));
        assert_eq!(job["job_param"], json!({"j": j, "r": 1}));
    }
}

#[test]
fn nested_keys_are_written_with_slashes() {
    let place = Place::new();
    let daemon = Daemon::start(
        &place,
        "trigger: {manual: {type: http, port: 0}}
router:
  match: {trigger: manual, selector: match_map, task: {t: print}, select_param: {match_key: a/b/c, match_value: 1}}
  except: {trigger: manual, selector: except_map, task: {t: print}, select_param: {except_key: a/b/c, except_value: 1}}
  exists: {trigger: manual, selector: match_map, task: {t: print}, select_param: {match_key: a/b}}
  shown: {trigger: manual, selector: all, task: {t: print}, job_param: {print_key: trigger_param/a/b}}
",
    );
    let shown = |event: &str, param: &Value| {
        // Tasks of one event run side by side: wait for the one that always runs.
        let expected = param["a"]["b"].clone();
        daemon.wait_pick(&format!("{expected} in print"), |line| {
            (line.contains(&expected.to_string()) && !line.contains(event)).then_some(())
        });
    };
    let routers = |event: &str, count: usize| {
        let of = || -> Vec<String> {
            let all = daemon.printed();
            let mut names: Vec<String> = all
                .iter()
                .filter(|value| value["trigger_id"] == *event)
                .map(|value| value["router"].as_str().unwrap().to_owned())
                .collect();
            names.sort();
            names
        };
        e2e::wait::until("the jobs", || (of().len() == count).then(of))
    };
    for (param, expected) in [
        (json!({"a": {"b": {"c": 1, "x": "one"}}}), vec!["exists", "match"]),
        (json!({"a": {"b": {"c": 2, "x": "two"}}}), vec!["except", "exists"]),
        (json!({"a": {"b": {"x": "three"}}}), vec!["except", "exists"]),
        (json!({"a": {"b": ["four"]}}), vec!["except", "exists"]),
    ] {
        let event = daemon.post(&param);
        assert_eq!(routers(&event, expected.len()), expected, "{param}");
        shown(&event, &param);
    }
}

#[test]
fn the_file_is_yaml_1_2() {
    let place = Place::new();
    let daemon = Daemon::start(
        &place,
        "# A comment; anchors, merges and block scalars are what people use.
trigger: {manual: {type: http, port: 0}}
preset:
  base: &base {one: 1, two: 2}
  more: {<<: *base, two: two}
router:
  r:
    trigger: manual
    selector: all
    task: {t: print}
    job_param:
      preset: more
      norway: no
      switch: on
      answer: yes
      truth: true
      text: |
        two
        lines
      folded: >-
        one
        line
      hex: 0x10
      nothing: null
      tilde: ~
      quoted: '5'
      float: 1.5
      base: *base
",
    );
    daemon.post(&json!({}));
    let job = daemon.wait_print("the job", |value| value["router"] == "r");
    let expected = json!({
        "one": 1, "two": "two", "norway": "no", "switch": "on", "answer": "yes", "truth": true,
        "text": "two\nlines\n", "folded": "one line", "hex": 16, "nothing": null, "tilde": null, "quoted": "5",
        "float": 1.5, "base": {"one": 1, "two": 2},
    });
    assert_eq!(job["job_param"], expected);
}

#[test]
fn the_log_has_level_output_and_format() {
    let place = Place::new();
    let config = |log: &str| {
        format!(
            "log: {log}
trigger: {{web: {{type: http, unix_socket: '@DIR@/socket'}}, fast: {{type: tick, interval: 0.05}}}}
router: {{r: {{trigger: fast, selector: all, task: {{t: print}}}}}}
"
        )
    };
    let daemon = Daemon::start(&place, &config("{level: INFO, format: json}"));
    daemon.wait_for(&["trigger_id"]);
    for line in daemon.lines() {
        let parsed: Result<Value, _> = serde_json::from_str(&line);
        assert!(parsed.is_ok_and(|value| value.is_object()), "not one JSON object: {line}");
    }
    drop(daemon);

    let daemon = Daemon::start(&place, &config("{level: INFO, output: '@DIR@/heraldd.log'}"));
    e2e::wait::until("print in the file", || {
        place.read("heraldd.log").is_some_and(|text| text.contains("trigger_id")).then_some(())
    });
    assert!(!daemon.said("trigger_id"), "{}", daemon.log());
    drop(daemon);

    let daemon = Daemon::start(&place, &config("{level: ERROR}"));
    e2e::wait::until("the socket", || place.path("socket").exists().then_some(()));
    e2e::wait::stays(std::time::Duration::from_millis(300), "silent", || daemon.lines().is_empty());
}
