//! Contract, section 2: secrets.
//!
//! | sentence | test |
//! |---|---|
//! | ${env:NAME} or ${file:/path} (trailing newline cut) | `references_are_resolved_for_the_tasks_own_script` |
//! | A secret reaches only the component that its own task names | `references_are_resolved_for_the_tasks_own_script`, `nobody_else_sees_a_secret` |
//! | everywhere else it reads `***`: also what a template makes of a secret | `what_a_template_makes_of_a_secret_stays_with_its_task` |
//! | a value under a name that contains password, passphrase, … (a …_file name aside) | `names_make_secrets` |
//! | everywhere else, in logs, print, exe_done, errors, it reads *** | `nobody_else_sees_a_secret`, `names_make_secrets`, `a_report_of_a_mistake_shows_no_secret` |
//! | A file that group or others can read while it holds a literal secret gets a warning | `a_readable_file_with_a_literal_secret_earns_a_warning` |

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use e2e::daemon::{DONE, Daemon, HEAD};
use e2e::place::Place;
use serde_json::json;

fn with_secrets(place: &Place, config: &str) -> Daemon {
    let path = place.config(config);
    place.write("secret.txt", "from-a-file-4711\n");
    place.write("two-lines.txt", "line-one-4712\nline-two\n");
    Daemon::run(
        place.command("heraldd", &path).env("E2E_SECRET", "from-the-env-4713").env("E2E_ONE", "other-4714"),
    )
}

#[test]
fn references_are_resolved_for_the_tasks_own_script() {
    let place = Place::new();
    let script = place
        .script("keep.sh", "cp \"$HERALD_EXECUTE_PARAM_FILE\" @DIR@/seen\necho \"$GREETING\" >@DIR@/env");
    let daemon = with_secrets(
        &place,
        &format!(
            "{HEAD}
router:
  run:
    trigger: manual
    selector: all
    task: {{t: local_command}}
    job_param:
      cmd: {script}
      env: {{GREETING: '${{env:E2E_SECRET}}'}}
      greeting: '${{env:E2E_SECRET}}'
      from_file: '${{file:@DIR@/secret.txt}}'
      two_lines: '${{file:@DIR@/two-lines.txt}}'
      deep: {{list: ['${{env:E2E_ONE}}']}}
      db_password: literal-4715
      price: $5 and ${{HOME}}
{DONE}"
        ),
    );
    let ended = daemon.post_and_wait(&json!({}));
    assert_eq!(ended["success"], true, "{ended}");
    let seen: serde_json::Value = serde_json::from_str(&place.read("seen").unwrap()).unwrap();
    let param = &seen["job_param"];
    assert_eq!(param["greeting"], "from-the-env-4713");
    assert_eq!(param["from_file"], "from-a-file-4711");
    assert_eq!(param["two_lines"], "line-one-4712\nline-two");
    assert_eq!(param["deep"]["list"][0], "other-4714");
    assert_eq!(param["db_password"], "literal-4715");
    assert_eq!(param["price"], "$5 and ${HOME}", "only references are references");
    assert_eq!(place.read("env").unwrap(), "from-the-env-4713\n");
}

#[test]
fn nobody_else_sees_a_secret() {
    let place = Place::new();
    let leak = place.script("leak.sh", "echo \"I know $A and $B\"; echo \"err $A\" >&2; exit 1");
    let keep = place.script("keep.sh", "cp \"$HERALD_EXECUTE_PARAM_FILE\" @DIR@/seen");
    let daemon = with_secrets(
        &place,
        &format!(
            "log: {{level: DEBUG}}
{HEAD}
router:
  run:
    trigger: manual
    selector: all
    task: {{t: local_command, shown: print}}
    job_param: {{cmd: {leak}, env: {{A: '${{env:E2E_SECRET}}', B: '${{file:@DIR@/secret.txt}}'}}, innocent: '${{env:E2E_ONE}}'}}
  other:
    trigger: exe_done
    selector: match_map
    task: {{t: local_command}}
    select_param: {{match_key: task, match_value: t}}
    job_param: {{cmd: {keep}}}
{DONE}"
        ),
    );
    let event = daemon.post(&json!({}));
    daemon.wait_print("exe_done of t", |value| {
        value["trigger_param"]["trigger_id"] == *event && value["trigger_param"]["task"] == "t"
    });
    daemon.wait_print("print", |value| value["task"] == "shown");
    let seen = e2e::wait::until("what the other script saw", || {
        place.read("seen").filter(|text| serde_json::from_str::<serde_json::Value>(text).is_ok())
    });
    assert!(seen.contains("I know *** and ***"), "masked in the result: {seen}");
    for (who, text) in [("another script", seen), ("the log", daemon.log())] {
        for secret in ["from-the-env-4713", "from-a-file-4711", "other-4714"] {
            assert!(!text.contains(secret), "{who} sees {secret}: {text}");
        }
    }
}

/// Every file below a folder that holds one of these texts.
fn files_that_hold(folder: &Path, texts: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            files_that_hold(&path, texts, found);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let text = String::from_utf8_lossy(&bytes);
            found.extend(texts.iter().any(|secret| text.contains(secret)).then_some(path));
        }
    }
}

#[test]
fn what_a_template_makes_of_a_secret_stays_with_its_task() {
    let place = Place::new();
    // The first attempt is killed with the daemon, the second one ends.
    let script = place.script(
        "leak.sh",
        "echo \"${1#k=} $2 $3\"; [ -e @DIR@/first ] || { touch @DIR@/first; exec sleep 60; }; echo \"$1 $2 $3\" >@DIR@/seen",
    );
    let config = format!(
        "log: {{level: DEBUG}}
state_dir: '@DIR@/state'
{HEAD}
router:
  run:
    trigger: manual
    selector: all
    task: {{t: local_command}}
    select_param: {{tok: '${{env:E2E_SECRET}}'}}
    policy: {{retry: {{max: 1, delay: 100ms, on: [lost]}}}}
    job_param:
      cmd: {script}
      arg: ['k={{{{ select_param.tok[:14] }}}}', '{{{{ select_param.tok | upper }}}}', '{{{{ trigger_param.user | upper }}}}']
{DONE}"
    );
    let daemon = with_secrets(&place, &config);
    daemon.post(&json!({"user": "somebody"}));
    e2e::wait::until("the first attempt", || place.read("first"));
    daemon.signal("KILL");
    assert_eq!(daemon.wait_end(), None, "it was killed");
    let before = daemon.log();
    drop(daemon);
    let daemon = with_secrets(&place, &config);
    let done = daemon.wait_print("exe_done of t", |value| value["trigger_param"]["task"] == "t");
    assert_eq!(place.read("seen").as_deref(), Some("k=from-the-env-4 FROM-THE-ENV-4713 SOMEBODY\n"));
    assert_eq!(done["trigger_param"]["job_param"]["arg"], json!(["k=***", "***", "SOMEBODY"]));
    let secrets = ["from-the-env-4", "FROM-THE-ENV"];
    for text in [before, daemon.log()] {
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
    }
    let mut found = Vec::new();
    files_that_hold(&place.path("state"), &secrets, &mut found);
    assert_eq!(found, Vec::<PathBuf>::new());
}

#[test]
fn names_make_secrets() {
    let place = Place::new();
    let daemon = Daemon::start(
        &place,
        "trigger: {manual: {type: http, port: 0}}
router:
  run:
    trigger: manual
    selector: all
    task: {t: print}
    job_param:
      password: hidden-1
      db_passphrase: hidden-2
      my_secret: hidden-3
      api_token: hidden-4
      git_ssh_key: hidden-5
      private_key: hidden-6
      MY_API_KEY: hidden-7
      nested: {list: [{token: hidden-8}]}
      secret: {deep: hidden-9}
      git_ssh_key_file: shown-1
      username: shown-2
      key: shown-3
",
    );
    daemon.post(&json!({"password": "hidden-posted", "user": "shown-posted"}));
    let job = daemon.wait_print("print", |value| value["router"] == "run");
    assert!(!daemon.log().contains("hidden-"), "{}", daemon.log());
    for shown in ["shown-1", "shown-2", "shown-3", "shown-posted"] {
        assert!(job.to_string().contains(shown), "{job}");
    }
    assert_eq!(job["job_param"]["password"], "***");
    assert_eq!(job["job_param"]["nested"]["list"][0]["token"], "***");
}

#[test]
fn a_report_of_a_mistake_shows_no_secret() {
    for config in [
        "executor: {e: {type: http_remote, host: 5, secret: my-literal-4716-secret}}",
        "executor: {e: {type: http_remote, host: 'http://localhost/', secret: my-literal-4716-secret, nope: 1}}",
        "executor:\n  e:\n    type: http_remote\n    host: 'http://localhost/'\n    secret: {wrong: my-literal-4716-kind}",
        "preset: {p: {password: my-literal-4716}}\nrouter: {r: {trigger: x, selector: all, task: {t: none}, job_param: {token: my-literal-4716, token: my-literal-4716-again}}}",
        "executor: {e: {type: http_remote, secret: my-literal-4716, host: 'http://ho st/'}}",
    ] {
        let ended = Place::new().refused("heraldd", config);
        assert_eq!(ended.code, Some(2), "{config}: {}", ended.text());
        assert!(!ended.text().contains("4716"), "{config}: {}", ended.text());
    }
}

#[test]
fn a_readable_file_with_a_literal_secret_earns_a_warning() {
    let literal =
        "router: {r: {trigger: manual, selector: all, task: {t: none}, job_param: {password: abcdefgh}}}";
    let reference = "router: {r: {trigger: manual, selector: all, task: {t: none}, job_param: {password: '${env:E2E_ONE}'}}}";
    let innocent = "router: {r: {trigger: manual, selector: all, task: {t: none}}}";
    for (router, mode, warns) in [
        (literal, 0o640, true),
        (literal, 0o604, true),
        (literal, 0o600, false),
        (reference, 0o644, false),
        (innocent, 0o644, false),
    ] {
        let place = Place::new();
        let config = place.config(&format!("trigger: {{manual: {{type: http, port: 0}}}}\n{router}\n"));
        std::fs::set_permissions(&config, std::fs::Permissions::from_mode(mode)).unwrap();
        let daemon = Daemon::run(place.command("heraldd", &config).env("E2E_ONE", "abcdefgh"));
        daemon.address("manual");
        let warned = daemon.lines().iter().any(|line| line.contains("WARN") && line.contains("config.yml"));
        assert_eq!(warned, warns, "{mode:o} {router}: {}", daemon.log());
    }
}
