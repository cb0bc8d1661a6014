//! Contract, section 2: selectors.
//!
//! | sentence | test |
//! |---|---|
//! | match_map: match_key, match_value (absent: the key's existence is enough) | `match_map_compares_values`, `match_map_without_a_value_asks_for_the_key` |
//! | except_map: the opposite of match_map, | `except_map_is_the_opposite`, `match_map_without_a_value_asks_for_the_key` |
//! | and no when except_key is missing (the parameter; as in the original) | `except_map_without_a_key_is_no` |
//! | skip: skip_number n: lets every (n+1)th counter through | `skip_lets_every_n_plus_1st_through` |
//! | external: exit code 0 is yes; trigger_param_env, select_param_env, timeout | `external_asks_a_program`, `external_ends_a_slow_program`, `external_that_cannot_run_is_no` |
//! | Equality is on values: a YAML 5 equals a JSON 5 and 5.0; lists and maps compare whole | `match_map_compares_values` |
//! | no value of any kind may crash or stall the daemon | `extreme_values_stall_nothing` |
//! | Numbers above 2^53 arrive unchanged | `big_numbers_arrive_unchanged`, `match_map_compares_values` |

use std::time::{Duration, Instant};

use e2e::daemon::{DONE, Daemon, HEAD};
use e2e::http::post_json;
use e2e::place::Place;
use serde_json::{Value, json};

/// (what the router says in YAML, what comes in JSON, whether they are equal)
const EQUAL: &[(&str, &str, bool)] = &[
    ("5", "5", true),
    ("5", "5.0", true),
    ("5.0", "5", true),
    ("5", "5e0", true),
    ("100", "1e2", true),
    ("5", "5.1", false),
    ("5", "\"5\"", false),
    ("'5'", "5", false),
    ("0", "-0", true),
    ("0", "0.0", true),
    ("-7", "-7.0", true),
    ("0.1", "0.10", true),
    ("0x10", "16", true),
    ("true", "true", true),
    ("true", "\"true\"", false),
    ("true", "1", false),
    ("yes", "\"yes\"", true),
    ("text", "\"text\"", true),
    ("text", "\"Text\"", false),
    ("''", "\"\"", true),
    ("größe", "\"größe\"", true),
    ("[1, 2]", "[1, 2.0]", true),
    ("[1, 2]", "[2, 1]", false),
    ("[1, 2]", "[1, 2, 3]", false),
    ("[]", "[]", true),
    ("[]", "{}", false),
    ("{a: 1, b: [x]}", "{\"b\": [\"x\"], \"a\": 1.0}", true),
    ("{a: 1}", "{\"a\": 1, \"b\": 2}", false),
    ("{}", "{}", true),
    ("{}", "null", false),
    ("9007199254740993", "9007199254740993", true),
    ("9007199254740993", "9007199254740992", false),
    ("9007199254740993", "9007199254740993.0", true),
    ("18446744073709551617", "18446744073709551617", true),
    ("18446744073709551617", "18446744073709551616", false),
    ("123456789012345678901234567890", "123456789012345678901234567890", true),
    ("123456789012345678901234567890", "123456789012345678901234567891", false),
    ("1e1000", "1e1000", true),
];

/// Which tasks of an event ran: their names, sorted. A task `always` of the same trigger runs last or first.
fn tasks_of(daemon: &Daemon, body: &str, count: usize) -> Vec<String> {
    let answer = post_json(daemon.address("manual"), body.as_bytes());
    let body: String = body.chars().take(200).collect();
    assert_eq!(answer.status, 200, "{body}: {answer:?}");
    let event = answer.json()["event_id"].clone();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let printed = daemon.printed();
        let of_event = printed.iter().filter(|job| job["trigger_id"] == event);
        let mut names: Vec<String> = of_event.map(|job| job["task"].as_str().unwrap().to_owned()).collect();
        names.sort();
        if names.contains(&"always".to_owned()) && names.len() >= count {
            return names;
        }
        assert!(Instant::now() < deadline, "{count} tasks for {body}, not {names:?}:\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn selecting(routers: &str) -> (Place, Daemon) {
    let place = Place::new();
    let daemon = Daemon::start(
        &place,
        &format!(
            "trigger: {{manual: {{type: http, port: 0}}}}\nrouter:\n  always: {{trigger: manual, selector: all, task: {{always: print}}}}\n{routers}"
        ),
    );
    (place, daemon)
}

/// Every case as an event of its own. Each also carries a value for the other routers, which they do not match.
fn compare_all(selector: &str, key: &str, invert: bool) {
    let mut routers = String::new();
    let mut no = serde_json::Map::new();
    for (number, (yaml, _, _)) in EQUAL.iter().enumerate() {
        routers.push_str(&format!(
            "  r{number}: {{trigger: manual, selector: {selector}, task: {{t{number}: print}}, select_param: {{{key}_key: n/k{number}, {key}_value: {yaml}}}}}\n"
        ));
        let other = if invert { yaml } else { "no" };
        no.insert(format!("k{number}"), same_in_json(other));
    }
    let (_place, daemon) = selecting(&routers);
    let mut jobs = 0;
    for (number, (yaml, json, equal)) in EQUAL.iter().enumerate() {
        let mut expected = vec!["always".to_owned()];
        if *equal != invert {
            expected.push(format!("t{number}"));
        }
        let mut values = no.clone();
        values.insert(format!("k{number}"), serde_json::from_str(json).unwrap());
        let body = json!({"n": values}).to_string();
        assert_eq!(tasks_of(&daemon, &body, expected.len()), expected, "{selector}: {yaml} and {json}");
        jobs += expected.len();
    }
    assert_eq!(daemon.printed().len(), jobs, "nothing came late");
}

/// The value that a case's YAML means, as the first case with the same YAML says.
fn same_in_json(yaml: &str) -> Value {
    let same = EQUAL.iter().find(|(other, _, equal)| *other == yaml && *equal);
    let rest = [("'5'", "\"5\""), ("no", "\"no\""), ("{a: 1}", "{\"a\": 1}")];
    let json = same
        .map(|(_, json, _)| *json)
        .or_else(|| rest.iter().find(|(other, _)| *other == yaml).map(|(_, json)| *json));
    serde_json::from_str(json.unwrap_or_else(|| panic!("{yaml}"))).unwrap()
}

#[test]
fn match_map_compares_values() {
    compare_all("match_map", "match", false);
}

#[test]
fn except_map_is_the_opposite() {
    compare_all("except_map", "except", true);
}

#[test]
fn except_map_without_a_key_is_no() {
    let config = "trigger: {manual: {type: http, port: 0}}\nrouter:
  always: {trigger: manual, selector: all, task: {always: print}}
  e: {trigger: manual, selector: except_map, task: {e: print}, select_param: {except_value: 1}}
  f: {trigger: manual, selector: except_map, task: {f: print}}
";
    let place = Place::new();
    let daemon = Daemon::start(&place, config);
    // To find it before anything starts is as good.
    if !daemon.wait_end_if_refused() {
        assert_eq!(tasks_of(&daemon, "{}", 1), ["always"]);
    }
}

#[test]
fn match_map_without_a_value_asks_for_the_key() {
    let (_place, daemon) = selecting(
        "  m: {trigger: manual, selector: match_map, task: {m: print}, select_param: {match_key: k}}
  e: {trigger: manual, selector: except_map, task: {e: print}, select_param: {except_key: k}}
  v: {trigger: manual, selector: except_map, task: {v: print}, select_param: {except_key: k, except_value: 1}}
",
    );
    for (body, expected) in [
        ("{\"k\": 5}", vec!["always", "m", "v"]),
        ("{\"k\": null}", vec!["always", "m", "v"]),
        ("{\"k\": 1}", vec!["always", "m"]),
        ("{}", vec!["always", "e", "v"]),
        ("{\"K\": 5}", vec!["always", "e", "v"]),
    ] {
        assert_eq!(tasks_of(&daemon, body, expected.len()), expected, "{body}");
    }
}

#[test]
fn skip_lets_every_n_plus_1st_through() {
    let (_place, daemon) = selecting(
        "  s: {trigger: manual, selector: skip, task: {two: print}, select_param: {skip_number: 2}}
  z: {trigger: manual, selector: skip, task: {zero: print}, select_param: {skip_number: 0}}
",
    );
    for counter in 1..=9 {
        let expected = if counter % 3 == 0 { vec!["always", "two", "zero"] } else { vec!["always", "zero"] };
        assert_eq!(
            tasks_of(&daemon, &format!("{{\"counter\": {counter}}}"), expected.len()),
            expected,
            "{counter}"
        );
    }
    for body in
        ["{}", "{\"counter\": \"3\"}", "{\"counter\": 1.5}", "{\"counter\": [3]}", "{\"counter\": 1e999}"]
    {
        let ran = tasks_of(&daemon, body, 1);
        assert!(!ran.contains(&"two".to_owned()), "{body}: {ran:?}");
    }
    let (_place, daemon) = selecting(
        "  s: {trigger: manual, selector: skip, task: {huge: print}, select_param: {skip_number: 9007199254740993}}\n",
    );
    assert_eq!(tasks_of(&daemon, "{\"counter\": 18446744073709551615}", 1)[0], "always");
}

#[test]
fn external_asks_a_program() {
    let place = Place::new();
    let by_default = place.script(
        "default.sh",
        "echo \"$HERALD_TRIGGER_PARAM\" >@DIR@/t; echo \"$HERALD_SELECT_PARAM\" >@DIR@/s\nexit 0",
    );
    let named = place.script(
        "named.sh",
        "echo \"$T $S\" >@DIR@/named; test -z \"$HERALD_TRIGGER_PARAM$HERALD_SELECT_PARAM\"",
    );
    let no = place.script("no.sh", "exit 1");
    let killed = place.script("killed.sh", "kill -9 $$");
    let secretive = place.script("secretive.sh", "test -z \"$E2E_DAEMON_SECRET\"");
    let config = format!(
        "trigger: {{manual: {{type: http, port: 0}}}}
selector:
  default: {{type: external, program: {by_default}}}
  named: {{type: external, program: {named}, trigger_param_env: T, select_param_env: S}}
  no: {{type: external, program: {no}}}
  killed: {{type: external, program: {killed}}}
  secretive: {{type: external, program: {secretive}}}
router:
  always: {{trigger: manual, selector: all, task: {{always: print}}}}
  default: {{trigger: manual, selector: default, task: {{default: print}}, select_param: {{p: 18446744073709551617}}}}
  named: {{trigger: manual, selector: named, task: {{named: print}}, select_param: {{p: q}}}}
  no: {{trigger: manual, selector: no, task: {{no: print}}}}
  killed: {{trigger: manual, selector: killed, task: {{killed: print}}}}
  secretive: {{trigger: manual, selector: secretive, task: {{secretive: print}}}}
"
    );
    let path = place.config(&config);
    let daemon = Daemon::run(place.command("heraldd", &path).env("E2E_DAEMON_SECRET", "x"));
    let ran = tasks_of(&daemon, "{\"a\": {\"b\": \"ü 'x' $HOME\"}}", 4);
    assert_eq!(ran, ["always", "default", "named", "secretive"]);
    let json = |name: &str| -> Value { serde_json::from_str(&place.read(name).unwrap()).unwrap() };
    assert_eq!(json("t"), json!({"a": {"b": "ü 'x' $HOME"}}));
    assert_eq!(place.read("s").unwrap().trim().replace(' ', ""), "{\"p\":18446744073709551617}");
    assert!(place.read("named").unwrap().trim().ends_with("}"), "{:?}", place.read("named"));
}

#[test]
fn external_ends_a_slow_program() {
    let place = Place::new();
    let slow = place.script("slow.sh", "echo $$ >@DIR@/pid; sleep 600 & echo $! >@DIR@/child; wait");
    let daemon = Daemon::start(
        &place,
        &format!(
            "trigger: {{manual: {{type: http, port: 0}}}}
selector: {{slow: {{type: external, program: {slow}, timeout: 1}}}}
router: {{slow: {{trigger: manual, selector: slow, task: {{slow: print}}}}}}
"
        ),
    );
    let started = Instant::now();
    daemon.post(&json!({}));
    daemon.wait_for(&["slow.sh", "1s"]);
    for name in ["pid", "child"] {
        let pid = place.wait_file(name).trim().parse().unwrap();
        e2e::wait::until(&format!("the end of {name}"), || (!e2e::program::alive(pid)).then_some(()));
    }
    assert!(started.elapsed() > Duration::from_millis(900));
    assert!(daemon.printed().is_empty(), "{}", daemon.log());
}

#[test]
fn external_that_cannot_run_is_no() {
    let place = Place::new();
    place.write("not-executable", "#!/bin/sh\nexit 0\n");
    let yes = place.script("yes.sh", "exit 0");
    let daemon = Daemon::start(
        &place,
        &format!(
            "trigger: {{manual: {{type: http, port: 0}}}}
selector:
  missing: {{type: external, program: '@DIR@/missing'}}
  locked: {{type: external, program: '@DIR@/not-executable'}}
  there: {{type: external, program: {yes}}}
router:
  always: {{trigger: manual, selector: all, task: {{always: print}}}}
  missing: {{trigger: manual, selector: missing, task: {{missing: print}}}}
  locked: {{trigger: manual, selector: locked, task: {{locked: print}}}}
  there: {{trigger: manual, selector: there, task: {{there: print}}}}
"
        ),
    );
    assert_eq!(tasks_of(&daemon, "{}", 2), ["always", "there"]);
    daemon.wait_for(&["missing"]);
    daemon.wait_for(&["not-executable"]);
    // A variable over 128 KiB cannot be passed to a program: whatever comes of it, the daemon goes on.
    let big = format!("{{\"big\": \"{}\"}}", "x".repeat(300_000));
    assert_eq!(post_json(daemon.address("manual"), big.as_bytes()).status, 200);
    assert_eq!(tasks_of(&daemon, "{}", 2), ["always", "there"]);
}

#[test]
fn extreme_values_stall_nothing() {
    let (_place, daemon) = selecting(
        "  a: {trigger: manual, selector: match_map, task: {a: print}, select_param: {match_key: k, match_value: 1e999999999}}
  b: {trigger: manual, selector: match_map, task: {b: print}, select_param: {match_key: k/0/x/y, match_value: 1}}
  c: {trigger: manual, selector: except_map, task: {c: print}, select_param: {except_key: k, except_value: 1}}
",
    );
    for value in [
        "1e1000000000",
        "1e-1000000000",
        "-1e999999999",
        "123e456789",
        "[[[[[]]]]]",
        "{\"0\": {\"x\": {}}}",
        "\"\\u0000\"",
    ] {
        let started = Instant::now();
        let answer = post_json(daemon.address("manual"), format!("{{\"k\": {value}}}").as_bytes());
        assert!([200, 400].contains(&answer.status), "{value}: {answer:?}");
        if answer.status == 200 {
            let event = answer.json()["event_id"].clone();
            daemon.wait_print(value, |job| job["trigger_id"] == event && job["task"] == "always");
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{value} took {:?}", started.elapsed());
    }
    assert!(daemon.peak_mib() < 200, "{} MiB", daemon.peak_mib());
}

#[test]
fn big_numbers_arrive_unchanged() {
    let place = Place::new();
    let keep = place
        .script("keep.sh", "cat \"$HERALD_EXECUTE_PARAM_FILE\"; echo \"$HERALD_EXECUTE_PARAM\" >@DIR@/env");
    let numbers = "[9007199254740993,18446744073709551617,-9223372036854775809,123456789012345678901234567890,0.1234567890123456789012345]";
    let daemon = Daemon::start(
        &place,
        &format!(
            "{HEAD}\nrouter:\n  run: {{trigger: manual, selector: all, task: {{t: local_command}}, job_param: {{cmd: {keep}, n: {numbers}}}}}\n{DONE}"
        ),
    );
    let answer = post_json(daemon.address("manual"), format!("{{\"n\":{numbers}}}").as_bytes());
    let ended = daemon.done(answer.json()["event_id"].as_str().unwrap());
    let places = ["/trigger_param/n", "/job_param/n", "/result/trigger_param/n", "/result/job_param/n"];
    for pointer in places {
        assert_eq!(
            ended.pointer(pointer).map(Value::to_string).as_deref(),
            Some(numbers),
            "{pointer} of {ended}"
        );
    }
    assert!(place.read("env").unwrap().replace(' ', "").contains(numbers));
}
