//! What a program gets, and what becomes of what it gives.

use herald_exec::{Ending, Stop};
use serde_json::{Value, json};

use crate::fixture::{Bench, merged, params, sh};

#[tokio::test]
async fn arguments_and_environment() {
    let bench = Bench::new();
    for (job_param, expected) in [
        (json!({"cmd": "printf", "arg": "a b"}), "a b"),
        (json!({"cmd": "printf", "arg": ["%s|%s|%s|%s", "a b", 1, 2.5, true]}), "a b|1|2.5|true"),
        (json!({"cmd": "printf", "arg": ["%s", "$HOME;`id`*"]}), "$HOME;`id`*"),
        (json!({"cmd": "/bin/echo", "arg": "x"}), "x\n"),
        (merged(sh("printf '%s %s' \"$A\" \"$B\""), json!({"env": {"A": 1, "B": true}})), "1 true"),
        (
            merged(sh("printf '%s' \"$BIG\""), json!({"env": {"BIG": 12_345_678_901_234_567_890_u64}})),
            "12345678901234567890",
        ),
        (sh("cat"), ""),
    ] {
        let result = bench.result(job_param.clone()).await;
        assert_eq!(result["output"], json!(expected), "{job_param}");
        assert_eq!(result["exit_code"], json!(0));
    }
}

#[tokio::test]
async fn the_environment_starts_clean() {
    let bench = Bench::new();
    let result = bench.result(json!({"cmd": "env", "env": {"OWN": "1"}})).await;
    let names: Vec<&str> =
        result["output"].as_str().unwrap().lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    let allowed = ["PATH", "HOME", "LANG", "TZ", "USER", "SHELL", "TMPDIR", "OWN"];
    let added = ["HERALD_EXECUTE_PARAM", "HERALD_EXECUTE_PARAM_FILE", "HERALD_JOB_MARK"];
    for name in &names {
        assert!(allowed.contains(name) || added.contains(name), "{name}");
    }
    for name in added.iter().chain(&["OWN", "PATH"]) {
        assert!(names.contains(name), "{name}");
    }
    // Cargo's own variables are in the environment of this test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
}

#[tokio::test]
async fn a_job_on_a_node_knows_its_name() {
    let bench = Bench::new();
    for (node, expected) in [(None, "none\n"), (Some("web-1"), "web-1\n")] {
        let mut given = params(sh("echo \"${HERALD_NODE-none}\""));
        given.extend(node.map(|node| ("node".to_owned(), json!(node))));
        let report = bench.engine.run(&given, &Stop::new()).await.unwrap();
        assert_eq!(report.result["output"], json!(expected), "{node:?}");
    }
}

#[tokio::test]
async fn the_current_directory_is_run() {
    let bench = Bench::new();
    bench.engine.open().await.unwrap();
    std::fs::create_dir(bench.run_dir().join("sub")).unwrap();
    std::os::unix::fs::symlink("/bin/pwd", bench.run_dir().join("sub/where")).unwrap();
    let here = format!("{}\n", bench.run_dir().canonicalize().unwrap().display());
    assert_eq!(bench.result(json!({"cmd": "pwd", "arg": "-P"})).await["output"], json!(here));
    assert_eq!(bench.result(json!({"cmd": "sub/where", "arg": "-P"})).await["output"], json!(here));
}

#[tokio::test]
async fn parameters_as_variable_and_file() {
    let bench = Bench::new();
    let same = "cmp -s \"$HERALD_EXECUTE_PARAM_FILE\" - && stat -c %a \"$HERALD_EXECUTE_PARAM_FILE\"";
    let script = format!("printf %s \"$HERALD_EXECUTE_PARAM\" | {{ {same}; }}");
    assert_eq!(bench.result(sh(script)).await["output"], json!("600\n"));

    let seen = bench.result(merged(sh("echo \"$HERALD_EXECUTE_PARAM\""), json!({"own": "x"}))).await;
    assert_eq!(seen["job_param"]["own"], json!("x"));
    assert_eq!(seen["trigger_param"]["n"].to_string(), "9007199254740993");
    assert_eq!((&seen["id"], &seen["job_id"], &seen["attempt"]), (&json!("j1"), &json!("j1"), &json!(1)));

    let both =
        "[ -z \"$HERALD_EXECUTE_PARAM\" ] && [ \"$P_FILE\" = \"$HERALD_EXECUTE_PARAM_FILE\" ] && echo \"$P\"";
    let custom = bench.result(merged(sh(both), json!({"param_env_name": "P"}))).await;
    assert_eq!(custom["job_param"]["param_env_name"], json!("P"));

    let none = bench
        .result(merged(sh("env | grep HERALD_EXECUTE | cut -d= -f1"), json!({"ignore_param_env": true})))
        .await;
    assert_eq!(none["output"], json!("HERALD_EXECUTE_PARAM_FILE\n"));
    assert_eq!(bench.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn files_for_the_time_of_the_job() {
    let bench = Bench::new();
    let big = "x".repeat(300_000);
    let files = json!({"A": "one\n", "B": {"base64": "AAECCg=="}, "C": 5, "BIG": big});
    let script = "cat \"$A\" \"$C\"; od -An -tx1 \"$B\"; wc -c <\"$BIG\"; stat -c %a \"$A\" \"$B\" \"$BIG\"";
    let given = merged(sh(script), json!({"env_file": files, "env": {"A": "theirs"}}));
    let result = bench.result(given).await;
    assert_eq!(result["output"], json!("one\n5 00 01 02 0a\n300000\n600\n600\n600\n"));
    assert_eq!(bench.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn no_size_of_parameter_makes_a_job_fail() {
    let bench = Bench::new();
    for size in [130_000, 131_072, 300_000, 20_000_000] {
        let mut given = params(sh(
            "printf '%s ' \"${HERALD_EXECUTE_PARAM:-none}\" | cut -c 1-5; cat \"$HERALD_EXECUTE_PARAM_FILE\" | wc -c",
        ));
        given.insert("trigger_param".to_owned(), json!({"x": "y".repeat(size)}));
        let length = serde_json::to_string(&given).unwrap().len();
        let report = bench.engine.run(&given, &Stop::default()).await.unwrap();
        let start = if length < 131_000 { "{\"att" } else { "none " };
        let output = report.result["output"].as_str().unwrap();
        let mut lines = output.lines();
        let first = lines.next().unwrap();
        assert!(if start == "none " { first == "none " } else { first.starts_with('{') }, "{size}: {first}");
        assert_eq!(lines.next().unwrap().trim(), length.to_string());
    }
}

#[tokio::test]
async fn credentials_are_not_passed_on() {
    let bench = Bench::new();
    let param = json!({
        "git_username": "user-1", "git_password": "pass-2", "git_ssh_key": "key-3", "git_ssh_key_file": "/file-4",
        "git_ssh_key_password": "phrase-5",
    });
    let script = "cat \"$HERALD_EXECUTE_PARAM_FILE\" /proc/self/environ | tr '\\0' '\\n' | grep -cE 'user-1|pass-2|key-3|file-4|phrase-5'";
    let seen = bench.run(merged(sh(script), param)).await.unwrap();
    // The script itself names them once in each: in its own `arg`.
    assert_eq!(seen.result["output"], json!("2\n"));
}

#[tokio::test]
async fn bad_parameters_are_told_at_once() {
    let bench = Bench::new();
    let error = bench.error(json!({"arg": [[]], "timeout": "soon"})).await;
    for part in ["cmd: is missing", "arg/0: ", "timeout: "] {
        assert!(error.contains(part), "{error}");
    }
    assert!(bench.engine.run(&serde_json::Map::new(), &Stop::default()).await.is_err());
    assert!(!bench.run_dir().exists(), "nothing is touched before a job can be run");
}

#[tokio::test]
async fn programs_that_cannot_be_started() {
    let bench = Bench::new();
    bench.engine.open().await.unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let path = bench.run_dir().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    file("plain", "#!/bin/sh\n", 0o644);
    file("bad", "echo no first line\n", 0o755);
    file("windows", "#!/bin/sh\r\necho hello\r\n", 0o755);
    file("lost", "#!/no/such/shell\n", 0o755);
    for (job_param, part) in [
        (json!({"cmd": "no-such-program"}), "`no-such-program` was not found in PATH"),
        (json!({"cmd": "./nothing"}), "nothing does not exist; a relative `cmd` begins at "),
        (json!({"cmd": "./plain"}), "not executable (chmod +x)"),
        (json!({"cmd": "./bad"}), "nor a script with a #! line"),
        (json!({"cmd": "./lost"}), "names the interpreter /no/such/shell after #!, which does not exist"),
        (
            json!({"cmd": "./windows"}),
            "has Windows line endings, so that there is no interpreter `/bin/sh\\r`",
        ),
        (json!({"cmd": "/"}), "is a directory"),
        (json!({"cmd": "true", "arg": "x".repeat(200_000)}), "larger than 128 KiB"),
        (json!({"cmd": "true", "env": {"A": "x".repeat(200_000)}}), "larger than 128 KiB"),
    ] {
        let error = bench.error(job_param).await;
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(bench.leftovers().len(), 0);
}

#[tokio::test]
async fn json_becomes_the_result() {
    let bench = Bench::new();
    for (script, expected) in [
        ("echo '{\"a\": [1, 2.50]}'", json!({"a": [1, 2.5], "exit_code": 0})),
        ("echo '{\"a\": 1}'; echo oh >&2; exit 4", json!({"a": 1, "exit_code": 4, "stderr": "oh\n"})),
        ("echo '[1]'", json!({"output": "[1]\n", "exit_code": 0})),
        ("printf 'a\\377b'", json!({"output": "a\u{fffd}b", "exit_code": 0, "invalid_utf8": true})),
        ("echo oh >&2", json!({"output": "", "exit_code": 0, "stderr": "oh\n"})),
    ] {
        let result = bench.result(sh(script)).await;
        // Numbers keep their digits, so compare what they mean.
        assert_eq!(result.to_string().replace("2.50", "2.5"), expected.to_string(), "{script}");
    }
}

#[tokio::test]
async fn endings() {
    let bench = Bench::new();
    for (script, ending) in [
        ("exit 0", Ending::Exited(0)),
        ("exit 255", Ending::Exited(255)),
        ("kill -KILL $$", Ending::Signaled(9)),
        ("kill -TERM $$", Ending::Signaled(15)),
    ] {
        assert_eq!(bench.run(sh(script)).await.unwrap().ending, ending, "{script}");
    }
}

#[tokio::test]
async fn result_files() {
    let bench = Bench::new();
    let report = bench
        .run(sh("echo data > out.dat; echo '{\"file\": {\"one\": \"out.dat\"}, \"k\": 1}'"))
        .await
        .unwrap();
    let path = bench.run_dir().join("out.dat");
    assert_eq!(report.files.len(), 1);
    assert_eq!((report.files[0].name.as_str(), &report.files[0].path), ("one", &path));
    assert_eq!(report.result["file"], json!({"one": path}));
    for (file, part) in [
        ("{\"one\": \"missing\"}", "\"one\""),
        ("{\"one\": 1}", "is not a string"),
        ("[]", "is not a map"),
        ("{\"one\": \".\"}", "is not a regular file"),
    ] {
        let error = bench.error(sh(format!("echo '{{\"file\": {file}}}'"))).await;
        assert!(error.contains(part), "{error}");
    }
    // The rest of what it gave is kept beside the error.
    let script = "echo oh >&2; echo '{\"a\": 1, \"file\": {\"x\": \"nope\"}}'";
    let error = bench.run(sh(script)).await.unwrap_err();
    assert!(error.to_string().contains("result file \"x\""), "{error}");
    let expected = json!({"a": 1, "exit_code": 0, "stderr": "oh\n"});
    assert_eq!(json!(error.into_result()), expected);
    // A job that failed keeps its own failure.
    let failed = bench.run(sh("echo '{\"file\": {\"one\": \"missing\"}}'; exit 3")).await.unwrap();
    assert_eq!((failed.ending, failed.result.get("file"), failed.files.len()), (Ending::Exited(3), None, 0));
    // A pipe does not hold the job up.
    let error = bench.error(sh("mkfifo p; echo '{\"file\": {\"one\": \"p\"}}'")).await;
    assert!(error.contains("is not a regular file"), "{error}");
}

#[tokio::test]
async fn output_is_bounded() {
    let bench = Bench::new();
    let limited = merged(sh("printf 123456789"), json!({"output_limit": 4}));
    assert_eq!(bench.result(limited).await, json!({"output": "1234", "exit_code": 0, "truncated": true}));
    let json = merged(sh("printf '{\"a\": 1}            {'"), json!({"output_limit": 8}));
    assert_eq!(bench.result(json).await, json!({"output": "{\"a\": 1}", "exit_code": 0, "truncated": true}));
    let errors = merged(sh("printf 123456789 >&2"), json!({"output_limit": "4"}));
    let expected = json!({"output": "", "exit_code": 0, "stderr": "1234", "truncated": true});
    assert_eq!(bench.result(errors).await, expected);
    let exact = merged(sh("printf 1234"), json!({"output_limit": 4}));
    assert_eq!(bench.result(exact).await.get("truncated"), None::<&Value>);
}
