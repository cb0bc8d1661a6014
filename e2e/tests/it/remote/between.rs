//! Contract, section 4 (and the table of section 3): a job on a runner behaves like a job on `local`.
//!
//! | sentence | test |
//! |---|---|
//! | job_param of local and of http_remote (the same on both) | `a_job_gives_the_same_on_both` |
//! | v1 and v2: a command that ran and failed carries its exit_code | `a_job_gives_the_same_on_both` |
//! | a job that could not be run fails with the reason | `a_job_that_could_not_be_run_tells_why` |
//! | scripts from Git run on the runner | `a_script_from_git_runs_on_the_runner` |
//! | wire: 2 is the default, wire: 1 speaks to the original | all |
//! | A secret reaches only the component that its own task names; credentials are not passed on | `secrets_reach_the_runners_script_and_credentials_do_not` |
//! | No size of parameter makes a job fail | `large_parameters_arrive` |

use e2e::daemon::{Daemon, run_job};
use e2e::git::Repository;
use e2e::place::Place;
use e2e::runner::{Runner, remote_config, remote_daemon};
use serde_json::{Value, json};

use super::{assert_failed, run_remote};

const BOTH: &[(&str, &str)] = &[("", ""), ("wire: 1", "allow_v1: true\n")];

#[test]
fn a_job_gives_the_same_on_both() {
    let sh = |script: &str| json!({"cmd": "sh", "arg": ["-c", script]});
    for job in [
        sh("echo '{\"a\": 18446744073709551617}'"),
        sh("echo plain; echo err >&2"),
        sh("echo '{\"a\": 1}'; exit 3"),
        sh("kill -9 $$"),
        json!({"cmd": "printf", "arg": ["%s|", "a b", "", "$x"]}),
        json!({"cmd": "printenv", "arg": "N", "env": {"N": 5}}),
        json!({"cmd": "sh", "arg": ["-c", "printf '%s' \"$P\" | head -c 5"], "param_env_name": "P"}),
        json!({"cmd": "sh", "arg": ["-c", "printf '<%s>' \"$HERALD_EXECUTE_PARAM\""], "ignore_param_env": true}),
        json!({"cmd": "sh", "arg": ["-c", "basename \"$PWD\""]}),
    ] {
        let place = Place::new();
        let local = run_job(&place, &job);
        for (wire, allow) in BOTH {
            let place = Place::new();
            let runner = Runner::start(&place, allow);
            let remote = run_remote(&place, runner.address(), wire, &job);
            for key in ["success", "result"] {
                assert_eq!(remote[key], local[key], "{key} over {wire:?}: {remote}\n{local}");
            }
        }
    }
}

#[test]
fn a_job_that_could_not_be_run_tells_why() {
    for (wire, allow) in BOTH {
        let place = Place::new();
        let runner = Runner::start(&place, allow);
        let ended = run_remote(&place, runner.address(), wire, &json!({"cmd": "/nonexistent/program-4717"}));
        assert_failed(wire, &ended);
        assert!(ended["error"].as_str().unwrap().contains("program-4717"), "{ended}");
    }
    // Nobody there.
    let place = Place::new();
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], e2e::http::free_port()));
    let ended = run_remote(&place, nobody, "", &json!({"cmd": "true"}));
    assert_failed("nobody there", &ended);
    assert!(ended["error"].as_str().unwrap().contains(&nobody.to_string()), "{ended}");
}

#[test]
fn a_script_from_git_runs_on_the_runner() {
    let place = Place::new();
    let repository = Repository::new(&place, "repo");
    repository.commit("echo '{\"from\": \"git\"}'");
    let runner = Runner::start(&place, "");
    let job = json!({"repo": repository.url(), "cmd": "run/job.sh"});
    let ended = run_remote(&place, runner.address(), "", &job);
    assert_eq!(ended["result"], json!({"from": "git", "exit_code": 0}), "{ended}");
    assert!(place.path("runner/gitrepo").is_dir() && place.path("runner/run").is_dir());
    assert!(!place.path("data/gitrepo").exists());
}

#[test]
fn secrets_reach_the_runners_script_and_credentials_do_not() {
    for (wire, allow) in BOTH {
        let place = Place::new();
        let script =
            place.script("keep.sh", "cat \"$HERALD_EXECUTE_PARAM_FILE\" >@DIR@/seen; echo \"I say $E\"");
        let runner = Runner::start(&place, &format!("{allow}log_level: DEBUG\n"));
        let job = json!({
            "cmd": script, "env": {"E": "${env:E2E_SECRET}"}, "db_password": "literal-4719-password",
            "git_password": "credential-4720", "git_ssh_key": "credential-4720-key",
        });
        let config = place.config(&remote_config(runner.address(), &format!("{wire}\n"), &job));
        let daemon = Daemon::run(place.command("heraldd", &config).env("E2E_SECRET", "reference-4718"));
        let ended = daemon.post_and_wait(&json!({}));
        assert_eq!(ended["success"], true, "{ended}");
        let seen: Value = serde_json::from_str(&place.read("seen").unwrap()).unwrap();
        assert_eq!(seen["job_param"]["env"]["E"], "reference-4718");
        assert_eq!(seen["job_param"]["db_password"], "literal-4719-password");
        assert!(!seen.to_string().contains("4720"), "{seen}");
        for log in [daemon.log(), runner.log()] {
            for secret in ["reference-4718", "literal-4719", "credential-4720", e2e::runner::SECRET] {
                assert!(!log.contains(secret), "{wire}: {secret} in {log}");
            }
        }
        assert_eq!(ended["result"]["output"].as_str().map(str::trim_end), Some("I say ***"), "{ended}");
    }
}

#[test]
fn large_parameters_arrive() {
    for (wire, allow) in BOTH {
        let place = Place::new();
        let runner = Runner::start(&place, allow);
        let script = "wc -c <\"$HERALD_EXECUTE_PARAM_FILE\"; printf '%s' \"$HERALD_EXECUTE_PARAM\" | wc -c";
        let daemon =
            remote_daemon(&place, runner.address(), wire, &json!({"cmd": "sh", "arg": ["-c", script]}));
        let event = daemon.post(&json!({"big": "x".repeat(5_000_000)}));
        let ended = daemon.done(&event);
        let sizes: Vec<usize> = ended["result"]["output"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", &ended["error"]))
            .split_whitespace()
            .map(|word| word.parse().unwrap())
            .collect();
        assert!(sizes[0] > 5_000_000 && sizes[1] == 0, "{wire:?}: {sizes:?}");
    }
}
