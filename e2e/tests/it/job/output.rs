//! Contract, section 3: the output and result of a job.
//!
//! | sentence | test |
//! |---|---|
//! | Standard output that is a JSON object becomes the result, with exit_code added | `a_json_object_becomes_the_result` |
//! | any other output is the string output | `any_other_output_is_the_string_output` |
//! | Standard error is captured too and never mixed in | `standard_error_is_captured_and_never_mixed_in` |
//! | Captured output is bounded (default 1 MiB each; output_limit); truncated: true | `captured_output_is_bounded`, `output_limit_changes_the_bound` |
//! | memory stays bounded whatever a job prints | `memory_stays_bounded_whatever_a_job_prints` |
//! | A non-zero exit code or a signal is a failed job that still carries its result | `a_failed_job_carries_its_result` |
//! | file: {name: path}; relative paths are relative to work_dir/run | `result_files_are_relative_to_run` |

use e2e::daemon::{DONE, Daemon, HEAD, run_job};
use e2e::place::Place;
use serde_json::{Value, json};

fn shell(script: &str) -> Value {
    run_job(&Place::new(), &json!({"cmd": "sh", "arg": ["-c", script]}))
}

#[test]
fn a_json_object_becomes_the_result() {
    for (script, expected) in [
        ("echo '{\"a\": 1, \"b\": {\"c\": [null]}}'", json!({"a": 1, "b": {"c": [null]}, "exit_code": 0})),
        ("printf '\\n  {}\\n\\n'", json!({"exit_code": 0})),
        ("printf '{\\n\"a\":\\n1}'", json!({"a": 1, "exit_code": 0})),
        ("echo '{\"exit_code\": 7}'", json!({"exit_code": 0})),
        ("echo '{\"output\": \"mine\"}'", json!({"output": "mine", "exit_code": 0})),
    ] {
        let ended = shell(script);
        assert_eq!((&ended["result"], &ended["success"]), (&expected, &json!(true)), "{script}: {ended}");
    }
    let big = "{\"n\":[18446744073709551617,0.1234567890123456789012345]}";
    let result = shell(&format!("echo '{big}'"))["result"].to_string();
    assert!(
        result.contains("18446744073709551617") && result.contains("0.1234567890123456789012345"),
        "{result}"
    );
}

#[test]
fn any_other_output_is_the_string_output() {
    for (script, expected) in [
        ("echo hello", "hello"),
        ("echo '[1, 2]'", "[1, 2]"),
        ("echo 5", "5"),
        ("echo '{} {}'", "{} {}"),
        ("echo '{\"a\": }'", "{\"a\": }"),
        ("printf 'two\\n  lines'", "two\n  lines"),
        ("echo ü", "ü"),
        ("printf 'nul\\0nul'", "nul\u{0}nul"),
    ] {
        let ended = shell(script);
        let output = ended["result"]["output"].as_str().unwrap_or_else(|| panic!("{script}: {ended}"));
        assert_eq!(output.trim_end(), expected, "{script}: {ended}");
        assert_eq!(ended["result"]["exit_code"], 0, "{ended}");
    }
    let ended = shell("printf '\\377\\376 broken'");
    assert!(ended["result"]["output"].as_str().is_some_and(|output| output.ends_with(" broken")), "{ended}");
    let ended = shell("true");
    assert_eq!(ended["success"], true, "{ended}");
    assert_eq!(ended["result"].get("output").and_then(Value::as_str).unwrap_or_default(), "", "{ended}");
}

#[test]
fn standard_error_is_captured_and_never_mixed_in() {
    let ended = shell("echo mixed-1 >&2; echo '{\"a\": 1}'; echo mixed-2 >&2");
    assert_eq!(ended["success"], true, "what is written to standard error is no failure: {ended}");
    assert_eq!(ended["result"]["a"], 1, "{ended}");
    let ended = shell("echo out-1; echo err-2 >&2; exit 1");
    assert_eq!(ended["result"]["output"].as_str().map(str::trim_end), Some("out-1"), "{ended}");
    assert!(ended.to_string().contains("err-2"), "where a user finds it: {ended}");
}

/// A job whose output is too long for a log line: its result, from `exe_done`, through a script.
fn length_of_output(place: &Place, job_param: &Value) -> Value {
    let measure = place.script(
        "measure.sh",
        "cp \"$HERALD_EXECUTE_PARAM_FILE\" @DIR@/measured.tmp; mv @DIR@/measured.tmp @DIR@/measured",
    );
    let config = format!(
        "{HEAD}
router:
  run: {{trigger: manual, selector: all, task: {{t: local_command}}, job_param: {job_param}}}
  measure:
    trigger: exe_done
    selector: match_map
    task: {{m: local_command}}
    select_param: {{match_key: router, match_value: run}}
    job_param: {{cmd: {measure}}}
"
    );
    let daemon = Daemon::start(place, &config);
    daemon.post(&json!({}));
    let text = place.wait_file("measured");
    serde_json::from_str::<Value>(&text).unwrap()["trigger_param"].clone()
}

#[test]
fn captured_output_is_bounded() {
    for (bytes, truncated) in [(1 << 20, false), ((1 << 20) + 1, true), (5 << 20, true)] {
        let place = Place::new();
        let script = format!("head -c {bytes} /dev/zero | tr '\\0' x");
        let ended = length_of_output(&place, &json!({"cmd": "sh", "arg": ["-c", script]}));
        let output = ended["result"]["output"].as_str().unwrap();
        assert_eq!(output.len(), bytes.min(1 << 20), "{bytes}");
        assert_eq!(ended["result"].get("truncated") == Some(&json!(true)), truncated, "{bytes}");
        assert_eq!(ended["success"], true, "{bytes}");
    }
}

#[test]
fn output_limit_changes_the_bound() {
    for (limit, length) in [(json!(10), 10), (json!("2KiB"), 2048)] {
        let place = Place::new();
        let script = "head -c 100000 /dev/zero | tr '\\0' x";
        let ended =
            length_of_output(&place, &json!({"cmd": "sh", "arg": ["-c", script], "output_limit": limit}));
        let output = ended["result"]["output"].as_str().unwrap();
        assert_eq!((output.len(), &ended["result"]["truncated"]), (length, &json!(true)), "{limit}");
    }
    // A character is not cut in two.
    let script = "printf ääääää";
    let ended = run_job(&Place::new(), &json!({"cmd": "sh", "arg": ["-c", script], "output_limit": 3}));
    assert!(
        ended["result"]["output"]
            .as_str()
            .is_some_and(|output| output.starts_with('ä') && output.chars().count() <= 2),
        "{ended}"
    );
}

#[test]
fn memory_stays_bounded_whatever_a_job_prints() {
    let place = Place::new();
    let script = "head -c 300000000 /dev/zero; head -c 300000000 /dev/zero >&2";
    let daemon = Daemon::start(
        &place,
        &format!(
            "{HEAD}\nrouter:\n  run: {{trigger: manual, selector: all, task: {{t: local_command}}, job_param: {{cmd: sh, arg: [-c, '{script}'], output_limit: 100}}}}\n{DONE}"
        ),
    );
    let ended = daemon.post_and_wait(&json!({}));
    assert_eq!((&ended["success"], &ended["result"]["truncated"]), (&json!(true), &json!(true)), "{ended}");
    assert!(daemon.peak_mib() < 100, "{} MiB", daemon.peak_mib());
}

#[test]
fn a_failed_job_carries_its_result() {
    for (script, code) in
        [("exit 1", 1), ("exit 255", 255), ("echo '{\"a\": 1}'; exit 3", 3), ("echo text; exit 4", 4)]
    {
        let ended = shell(script);
        assert_eq!(ended["success"], false, "{ended}");
        assert_eq!(ended["result"]["exit_code"], code, "{ended}");
        let error = ended["error"].as_str().unwrap_or_default();
        assert!(error.contains(&code.to_string()), "{ended}");
    }
    assert_eq!(shell("echo '{\"a\": 1}'; exit 3")["result"]["a"], 1);
    assert_eq!(shell("echo '{\"exit_code\": 0}'; exit 3")["result"]["exit_code"], 3);
    for (name, number) in [("KILL", 9), ("TERM", 15), ("SEGV", 11)] {
        let ended = shell(&format!("echo before; kill -s {name} $$; sleep 5"));
        assert_eq!(ended["success"], false, "{ended}");
        let signal = &ended["result"]["signal"];
        assert!(*signal == number || signal.as_str().is_some_and(|text| text.contains(name)), "{ended}");
        assert_eq!(ended["result"]["output"].as_str().map(str::trim_end), Some("before"), "{ended}");
        assert!(ended["error"].as_str().is_some_and(|error| !error.is_empty()), "{ended}");
    }
}

#[test]
fn result_files_are_relative_to_run() {
    let place = Place::new();
    let absolute = place.write("absolute.dat", "absolute");
    let script = format!(
        "mkdir -p sub; echo relative >sub/r.dat; echo '{{\"file\": {{\"a\": \"{}\", \"r\": \"sub/r.dat\"}}, \"k\": 1}}'",
        absolute.display()
    );
    let ended = run_job(&place, &json!({"cmd": "sh", "arg": ["-c", script]}));
    let run = place.path("work/run");
    for (name, content) in [("a", "absolute"), ("r", "relative\n")] {
        let path = ended["result"]["file"][name].as_str().unwrap_or_else(|| panic!("{ended}"));
        assert_eq!(std::fs::read_to_string(run.join(path)).unwrap(), content, "{ended}");
    }
    assert_eq!(ended["result"]["k"], 1);
}
