//! Contract, section 3: the environment of a job.
//!
//! | sentence | test |
//! |---|---|
//! | env: numbers and booleans are turned into text | `env_turns_numbers_and_booleans_into_text` |
//! | anything else is an error | `env_of_any_other_kind_is_an_error` |
//! | param_env_name (default HERALD_EXECUTE_PARAM), ignore_param_env: none at all | `the_json_variable_has_a_name_or_is_left_out` |
//! | HERALD_EXECUTE_PARAM_FILE always names a file (0600, removed afterwards) with the same JSON | `the_file_holds_the_same_json` |
//! | when the JSON is too large for a variable, only the file is given. No size makes a job fail | `no_size_of_parameter_makes_a_job_fail` |
//! | The environment starts clean | `the_environment_starts_clean` |
//! | Credentials are not passed on to the script | `credentials_are_not_passed_on` |

use std::collections::BTreeMap;

use e2e::daemon::{DONE, Daemon, HEAD, job_config, run_job};
use e2e::place::Place;
use serde_json::{Value, json};

/// What `env -0` printed.
fn environment(ended: &Value) -> BTreeMap<String, String> {
    let output = ended["result"]["output"].as_str().unwrap_or_else(|| panic!("{ended}"));
    output
        .split('\0')
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn env_turns_numbers_and_booleans_into_text() {
    let env = json!({"TEXT": "a b\n$HOME", "EMPTY": "", "NUMBER": 5, "FLOAT": 1.5, "YES": true, "NO": false, "PATH": "/bin:/usr/bin"});
    let ended = run_job(&Place::new(), &json!({"cmd": "env", "arg": "-0", "env": env}));
    let seen = environment(&ended);
    for (name, value) in [
        ("TEXT", "a b\n$HOME"),
        ("EMPTY", ""),
        ("NUMBER", "5"),
        ("FLOAT", "1.5"),
        ("YES", "true"),
        ("NO", "false"),
        ("PATH", "/bin:/usr/bin"),
    ] {
        assert_eq!(seen.get(name).map(String::as_str), Some(value), "{name} in {seen:?}");
    }
    let big = "trigger: {manual: {type: http, port: 0}}\nexecutor: {local: {work_dir: '@DIR@/work'}}\nrouter:
  run: {trigger: manual, selector: all, task: {t: local}, job_param: {cmd: env, arg: -0, env: {BIG: 18446744073709551617}}}\n";
    let place = Place::new();
    let ended = Daemon::start(&place, &format!("{big}{DONE}")).post_and_wait(&json!({}));
    assert_eq!(environment(&ended)["BIG"], "18446744073709551617");
}

#[test]
fn env_of_any_other_kind_is_an_error() {
    for env in [json!({"A": [1]}), json!({"A": {"b": 1}}), json!({"A": null}), json!(["A=1"]), json!("A=1")] {
        let ended =
            Place::new().refused("heraldd", &job_config("local_command", &json!({"cmd": "env", "env": env})));
        assert_eq!(ended.code, Some(2), "{env}: {}", ended.text());
        assert!(ended.text().contains("env"), "{env}: {}", ended.text());
    }
    // Names that the system cannot take.
    for name in ["A=B", "", "A\u{0}B"] {
        let place = Place::new();
        let config = job_config("local_command", &json!({"cmd": "env", "env": {name: "x"}}));
        let daemon = Daemon::start(&place, &config);
        if !daemon.wait_end_if_refused() {
            let ended = daemon.post_and_wait(&json!({}));
            assert_eq!(ended["success"], false, "{name:?}: {ended}");
        }
    }
}

#[test]
fn the_json_variable_has_a_name_or_is_left_out() {
    for (param, has, lacks) in [
        (json!({}), Some("HERALD_EXECUTE_PARAM"), "OTHER"),
        (json!({"param_env_name": "OTHER"}), Some("OTHER"), "HERALD_EXECUTE_PARAM"),
        (json!({"ignore_param_env": true}), None, "HERALD_EXECUTE_PARAM"),
        (json!({"ignore_param_env": false}), Some("HERALD_EXECUTE_PARAM"), "OTHER"),
    ] {
        let mut job = param.clone();
        job["cmd"] = json!("env");
        job["arg"] = json!("-0");
        let ended = run_job(&Place::new(), &job);
        let seen = environment(&ended);
        if let Some(name) = has {
            let inside: Value = serde_json::from_str(&seen[name]).unwrap();
            assert_eq!(inside["job_id"], ended["job_id"], "{param}");
        }
        assert!(!seen.contains_key(lacks), "{param}: {seen:?}");
        assert!(seen.contains_key("HERALD_EXECUTE_PARAM_FILE"), "always: {param}: {seen:?}");
    }
}

#[test]
fn the_file_holds_the_same_json() {
    let place = Place::new();
    let script = place.script(
        "show.sh",
        "f=$HERALD_EXECUTE_PARAM_FILE
test \"$(cat \"$f\")\" = \"$HERALD_EXECUTE_PARAM\" || echo differs
stat -c '%a %n' \"$f\"",
    );
    let ended = run_job(&place, &json!({"cmd": script, "deep": [{"x": "ü"}]}));
    let output = ended["result"]["output"].as_str().unwrap().trim();
    let (mode, path) = output.split_once(' ').unwrap_or_else(|| panic!("{output}"));
    assert_eq!(mode, "600", "{output}");
    assert!(!std::path::Path::new(path).exists(), "removed afterwards: {path}");
}

#[test]
fn no_size_of_parameter_makes_a_job_fail() {
    let place = Place::new();
    let script = place.script(
        "size.sh",
        "printf '%s %s ' \"${#HERALD_EXECUTE_PARAM}\" \"$(wc -c <\"$HERALD_EXECUTE_PARAM_FILE\")\"
test -n \"$HERALD_EXECUTE_PARAM\" && echo variable || echo none",
    );
    let config = format!("max_chain_depth: 8\n{HEAD}\nrouter:\n  run: {{trigger: manual, selector: all, task: {{t: local_command}}, job_param: {{cmd: {script}}}}}
  show: {{trigger: exe_done, selector: match_map, task: {{show: print}}, select_param: {{match_key: router, match_value: run}}, job_param: {{print_key: [trigger_param/success, trigger_param/error, trigger_param/result]}}}}\n");
    let daemon = Daemon::start(&place, &config);
    for (size, variable) in [
        (1000, "variable"),
        (120_000, "variable"),
        (131_072, "none"),
        (1_000_000, "none"),
        (20_000_000, "none"),
    ] {
        daemon.post(&json!({"x": "y".repeat(size)}));
        daemon.wait_pick(&format!("{variable} for {size}"), |line| {
            let numbers: Vec<usize> =
                line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
            let fits = numbers.iter().any(|number| (size..size + 3000).contains(number));
            (fits && line.contains("output") && line.contains(variable) && line.contains("true"))
                .then_some(())
        });
    }
}

#[test]
fn the_environment_starts_clean() {
    let place = Place::new();
    let path = place.config(&job_config("local_command", &json!({"cmd": "env", "arg": "-0"})));
    let mut command = place.command("heraldd", &path);
    let of_daemon = [
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("LD_LIBRARY_PATH", "/x"),
        ("GIT_DIR", "/x"),
        ("HERALD_X", "x"),
        ("TZ", "Europe/Berlin"),
    ];
    command.envs(of_daemon).env("LANG", "C.UTF-8").env("SHELL", "/bin/sh").env("TMPDIR", place.path(""));
    let seen = environment(&Daemon::run(&mut command).post_and_wait(&json!({})));
    let allowed = [
        "PATH",
        "HOME",
        "LANG",
        "TZ",
        "USER",
        "SHELL",
        "TMPDIR",
        "HERALD_EXECUTE_PARAM",
        "HERALD_EXECUTE_PARAM_FILE",
    ];
    for name in seen.keys() {
        assert!(
            allowed.contains(&name.as_str()) || name.starts_with("HERALD_") && name != "HERALD_X",
            "{name} in {seen:?}"
        );
    }
    assert_eq!(seen["TZ"], "Europe/Berlin");
    assert_eq!(seen["LANG"], "C.UTF-8");
    for name in ["PATH", "HOME", "USER", "SHELL"] {
        assert!(seen.get(name).is_some_and(|value| !value.is_empty()), "{name} in {seen:?}");
    }
}

#[test]
fn credentials_are_not_passed_on() {
    let place = Place::new();
    let repository = e2e::git::Repository::new(&place, "repo");
    repository.commit("cat \"$HERALD_EXECUTE_PARAM_FILE\" >@DIR@/seen; env >>@DIR@/seen; git config -l >>@DIR@/seen 2>&1; true".replace("@DIR@", place.path("").to_str().unwrap()).as_str());
    let credentials = json!({
        "cmd": "run/job.sh", "repo": repository.url(), "git_username": "cred-user-1", "git_password": "cred-2-password",
        "git_ssh_key": "cred-3-key", "git_ssh_key_password": "cred-4-key-password", "git_ssh_key_file": "/cred-5-file",
        "my_password": "own-6-password",
    });
    let ended = run_job(&place, &credentials);
    assert_eq!(ended["success"], true, "{ended}");
    let seen = place.read("seen").unwrap();
    for credential in ["cred-2-password", "cred-3-key", "cred-4-key-password"] {
        assert!(!seen.contains(credential), "{credential} in {seen}");
    }
    assert!(seen.contains("own-6-password"), "a script sees its own task's other secrets");
}
