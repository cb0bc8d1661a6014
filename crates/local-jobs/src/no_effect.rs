//! Parameters that are a script's own by their names, and were probably meant for what runs it. Names that scripts use
//! for themselves just as often are reported only where the value gives them away.

use herald_core::param::Params;
use herald_core::problem::{Path, Problem};
use herald_core::template::holds_template;
use serde_json::Value;

/// Ways to say where a program starts.
const FOLDERS: [&str; 7] =
    ["cwd", "chdir", "work_dir", "workdir", "working_dir", "working_directory", "workingDirectory"];
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "ksh", "ash", "fish"];
/// Options of the executor that nothing else is called like.
const OPTIONS: [&str; 4] = ["kill_grace", "git_timeout", "git_max_size", "git_max_files"];
const LIMITS: [&str; 4] = ["memory", "pids", "cpu", "open_files"];
/// What they may have meant in a repository: as written, and the parameter that is there.
const OF_GIT: [(&str, &str); 8] = [
    ("branch", "git_branch"),
    ("tag", "git_branch"),
    ("commit", "git_commit"),
    ("ssh_key", "git_ssh_key"),
    ("ssh_key_file", "git_ssh_key_file"),
    ("ssh_key_password", "git_ssh_key_password"),
    ("known_hosts", "git_known_hosts"),
    ("known_hosts_file", "git_known_hosts"),
];

/// A warning for each of them.
pub fn without_effect(given: &Params) -> impl Iterator<Item = Problem> {
    given.iter().filter(|(_, value)| !value.is_null()).filter_map(|(key, value)| {
        // A script of a repository reads parameters of its own: `user` may be that of its database.
        let is_own = key == "user" && is_from_git(given);
        let help = of_executor(key, value).filter(|_| !is_own).or_else(|| of_git(key, value, given))?;
        let what = format!("`{key}` is not a parameter of a job, and has no effect on how it runs");
        Some(Problem::warning(Path::top().key(key), what).at_key().help(help))
    })
}

/// What to write instead of an option of what runs the job, or of what other programs have and a job has not.
fn of_executor(key: &str, value: &Value) -> Option<String> {
    let text = value.as_str().filter(|_| !holds_template(value)).unwrap_or_default();
    let is_option = match key {
        "user" => is_user_name(text),
        "limits" => is_limits(value),
        "run_dir" => ["shared", "job"].contains(&text),
        _ => OPTIONS.contains(&key),
    };
    let is_shell = || value.is_boolean() || SHELLS.contains(&text.rsplit('/').next().unwrap_or_default());
    if is_option {
        let shown = if value.is_object() { "{…}" } else { text };
        let shown = if shown.is_empty() { "…" } else { shown };
        Some(format!("write  {key}: {shown}  in the executor of type local, or in the runner's own file"))
    } else if key == "shell" && is_shell() {
        Some("for a shell line write  cmd: sh, arg: [-c, 'LINE']".to_owned())
    } else if FOLDERS.contains(&key) && text.starts_with(['/', '~', '.']) {
        Some(format!(
            "a job starts in the folder `run` of its executor's `work_dir`; for another one write  \
             cmd: sh, arg: [-c, 'cd {text} && exec PROGRAM']"
        ))
    } else {
        None
    }
}

fn is_from_git(given: &Params) -> bool {
    ["repo", "git_repo"].iter().any(|name| given.get(*name).is_some_and(|value| !value.is_null()))
}

fn of_git(key: &str, value: &Value, given: &Params) -> Option<String> {
    let is_given = |name: &str| given.get(name).is_some_and(|value| !value.is_null());
    let (_, meant) = OF_GIT.into_iter().find(|(written, _)| *written == key)?;
    let is_chosen = is_given(meant) || (meant == "git_branch" && is_given("git_commit"));
    (is_from_git(given) && value.is_string() && !is_chosen).then(|| format!("did you mean `{meant}`?"))
}

fn is_user_name(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && text.chars().all(is_allowed)
}

fn is_limits(value: &Value) -> bool {
    let map = value.as_object().filter(|map| !map.is_empty());
    map.is_some_and(|map| map.keys().all(|key| LIMITS.contains(&key.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_has_no_effect_is_said() {
        for (given, says) in [
            (
                json!({"user": "nobody"}),
                "write  user: nobody  in the executor of type local, or in the runner's own file",
            ),
            (json!({"limits": {"memory": "1GiB"}}), "write  limits: {…}  in the executor"),
            (json!({"run_dir": "job"}), "write  run_dir: job  in the executor"),
            (json!({"kill_grace": 10}), "write  kill_grace: …  in the executor"),
            (json!({"cwd": "/srv/app"}), "'cd /srv/app && exec PROGRAM'"),
            (json!({"working_dir": "~/app"}), "'cd ~/app && exec PROGRAM'"),
            (json!({"shell": true}), "cmd: sh, arg: [-c, 'LINE']"),
            (json!({"shell": "/bin/bash"}), "cmd: sh, arg: [-c, 'LINE']"),
            (json!({"repo": "https://h/r.git", "branch": "feature"}), "did you mean `git_branch`?"),
            (
                json!({"git_repo": "https://h/r.git", "branch": "{{ trigger_param.b }}"}),
                "did you mean `git_branch`?",
            ),
            (json!({"repo": "https://h/r.git", "commit": "abc1234"}), "did you mean `git_commit`?"),
            // Scripts have parameters of their own.
            (json!({"user": "{{ trigger_param.user }}"}), ""),
            (json!({"user": {"name": "alice"}}), ""),
            (json!({"repo": "https://h/r.git", "cmd": "dump.sh", "user": "postgres"}), ""),
            (json!({"user": "Alice Example"}), ""),
            (json!({"user": "alice@example.com"}), ""),
            (json!({"limits": {"rows": 5}}), ""),
            (json!({"limits": [1, 2]}), ""),
            (json!({"shell": "exchange"}), ""),
            (json!({"cwd": "x"}), ""),
            (json!({"branch": "feature"}), ""),
            (json!({"repo": "https://h/r.git", "branch": "b", "git_branch": "main"}), ""),
            (json!({"repo": "https://h/r.git", "branch": "b", "git_commit": "abc1234"}), ""),
            (json!({"repo": "https://h/r.git", "branch": null, "cwd": null}), ""),
        ] {
            let found: Vec<String> =
                without_effect(given.as_object().unwrap()).map(|problem| problem.to_string()).collect();
            match says {
                "" => assert_eq!(found, [""; 0], "{given}"),
                says => assert!(found.len() == 1 && found[0].contains(says), "{given}: {found:?}"),
            }
        }
    }
}
