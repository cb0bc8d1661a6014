//! Contract, section 3: Git repositories.
//!
//! | sentence | test |
//! |---|---|
//! | repo (also git_repo): repository that holds cmd; cmd is relative to it | `cmd_is_relative_to_the_repository` |
//! | git_branch: branch or tag; default: the remote's default branch | `the_default_branch_a_branch_and_a_tag` |
//! | git_commit: an exact commit | `an_exact_commit` |
//! | repositories live under work_dir/gitrepo; the current directory is work_dir/run | `cmd_is_relative_to_the_repository` |
//! | (what was pushed since is what runs) | `what_was_pushed_since_is_what_runs` |
//! | Whatever runs beside it, a job sees exactly the commit that it asked for | `jobs_side_by_side_see_their_own_commits` |
//! | nothing it does to its checkout reaches another job | `nothing_done_to_a_checkout_reaches_another_job` |
//! | (a clear error where there is no such thing, and no way out of the repository) | `what_is_not_there_is_a_clear_error`, `cmd_cannot_lead_outside_the_repository` |
//! | (hooks, and names that look like options, run nothing) | `a_hostile_repository_runs_nothing` |

use e2e::daemon::{DONE, Daemon, HEAD, run_job};
use e2e::git::Repository;
use e2e::place::Place;
use serde_json::{Value, json};

fn output(ended: &Value) -> &str {
    assert_eq!(ended["success"], true, "{ended}");
    ended["result"]["output"].as_str().unwrap_or_else(|| panic!("{ended}")).trim_end()
}

#[test]
fn cmd_is_relative_to_the_repository() {
    let place = Place::new();
    let repository = Repository::new(&place, "repo");
    repository.commit("echo \"$1\"; pwd; cat \"$(dirname \"$0\")/../data.txt\"");
    repository.commit_as("data.txt", "data");
    for key in ["repo", "git_repo"] {
        let ended =
            run_job(&place, &json!({"cmd": "run/job.sh", "arg": "an argument", key: repository.url()}));
        let lines: Vec<&str> = output(&ended).lines().collect();
        assert_eq!(lines[0], "an argument");
        assert_eq!(
            std::fs::canonicalize(lines[1]).unwrap(),
            std::fs::canonicalize(place.path("work/run")).unwrap()
        );
        assert_eq!(lines.last(), Some(&"data"), "{key}: {ended}");
        assert!(place.path("work/gitrepo").is_dir());
    }
    // A plain path is an address, too.
    let ended =
        run_job(&place, &json!({"cmd": "run/job.sh", "arg": "path", "repo": place.text_path("repo")}));
    assert_eq!(output(&ended).lines().next(), Some("path"));
}

#[test]
fn the_default_branch_a_branch_and_a_tag() {
    let place = Place::new();
    let repository = Repository::new(&place, "repo");
    repository.commit("echo on-main");
    repository.git(&["checkout", "-q", "-b", "feature/x"]);
    repository.commit("echo on-feature");
    repository.git(&["tag", "light"]);
    repository.commit("echo on-feature-later");
    repository.git(&["tag", "-a", "-m", "x", "v1.0"]);
    repository.commit("echo on-feature-last");
    repository.git(&["checkout", "-q", "-b", "trunk", "main"]);
    repository.commit("echo on-trunk");
    // The default branch is what HEAD of the remote says, whatever its name is.
    for (branch, expected) in [
        (None, "on-trunk"),
        (Some("main"), "on-main"),
        (Some("feature/x"), "on-feature-last"),
        (Some("light"), "on-feature"),
        (Some("v1.0"), "on-feature-later"),
        (None, "on-trunk"),
    ] {
        let mut job = json!({"cmd": "run/job.sh", "repo": repository.url()});
        if let Some(branch) = branch {
            job["git_branch"] = json!(branch);
        }
        assert_eq!(output(&run_job(&place, &job)), expected, "{branch:?}");
    }
}

#[test]
fn an_exact_commit() {
    let place = Place::new();
    let repository = Repository::new(&place, "repo");
    let first = repository.commit("echo first");
    let second = repository.commit("echo second");
    repository.git(&["checkout", "-q", "-b", "side"]);
    let side = repository.commit("echo side");
    repository.git(&["checkout", "-q", "main"]);
    for (commit, expected) in [(&first, "first"), (&second, "second"), (&side, "side"), (&first, "first")] {
        let ended =
            run_job(&place, &json!({"cmd": "run/job.sh", "repo": repository.url(), "git_commit": commit}));
        assert_eq!(output(&ended), expected);
    }
    // A commit that came after the repository was fetched.
    let third = repository.commit("echo third");
    let ended = run_job(&place, &json!({"cmd": "run/job.sh", "repo": repository.url(), "git_commit": third}));
    assert_eq!(output(&ended), "third");
}

#[test]
fn what_was_pushed_since_is_what_runs() {
    let place = Place::new();
    let repository = Repository::new(&place, "repo");
    repository.commit("echo 0");
    repository.git(&["tag", "moving"]);
    let daemon = Daemon::start(
        &place,
        &format!(
            "{HEAD}
router:
  run: {{trigger: manual, selector: all, task: {{t: local_command}}, job_param: {{repo: '{url}', cmd: run/job.sh}}}}
  tag: {{trigger: manual, selector: match_map, task: {{t: local_command}}, select_param: {{match_key: tag}}, job_param: {{repo: '{url}', cmd: run/job.sh, git_branch: moving}}}}
{DONE}",
            url = repository.url()
        ),
    );
    assert_eq!(output(&daemon.post_and_wait(&json!({}))), "0");
    for turn in ["1", "2"] {
        repository.commit(&format!("echo {turn}"));
        assert_eq!(output(&daemon.post_and_wait(&json!({}))), turn);
    }
    // History that was rewritten, a tag that was moved, a default branch that was renamed.
    repository.git(&["reset", "-q", "--hard", "HEAD~2"]);
    repository.commit("echo rewritten");
    repository.git(&["tag", "-f", "moving"]);
    assert_eq!(output(&daemon.post_and_wait(&json!({}))), "rewritten");
    let event = daemon.post(&json!({"tag": 1}));
    let of_tag = daemon.wait_print("tag", |job| {
        let param = &job["trigger_param"];
        job["trigger"] == "exe_done" && param["router"] == "tag" && param["trigger_id"] == *event
    });
    assert_eq!(output(&of_tag["trigger_param"]), "rewritten");
    repository.git(&["branch", "-m", "main", "renamed"]);
    repository.commit("echo renamed");
    assert_eq!(output(&daemon.post_and_wait(&json!({}))), "renamed");
}

#[test]
fn jobs_side_by_side_see_their_own_commits() {
    let place = Place::new();
    let repository = Repository::new(&place, "repo");
    let data = "d=$(dirname \"$0\")";
    let mut commits = Vec::new();
    for number in 0..6 {
        // Each looks twice, with time for the others in between.
        let body = format!(
            "{data}; a=$(cat $d/other.sh); sleep 0.3; echo {number}; test \"$a\" = \"$(cat $d/other.sh)\" || echo changed; tail -n 1 $d/other.sh"
        );
        repository.commit_as("run/other.sh", &format!("{number}"));
        commits.push(repository.commit(&body));
    }
    let mut routers = String::new();
    for (number, commit) in commits.iter().enumerate() {
        routers.push_str(&format!(
            "  r{number}: {{trigger: manual, selector: all, task: {{t: local_command}}, job_param: {{repo: '{}', cmd: run/job.sh, git_commit: '{commit}'}}}}\n",
            repository.url()
        ));
    }
    let daemon = Daemon::start(&place, &format!("{HEAD}\nrouter:\n{routers}{DONE}"));
    for _ in 0..3 {
        let event = daemon.post(&json!({}));
        for number in 0..commits.len() {
            let router = format!("r{number}");
            let ended = daemon.wait_print(&router, |job| {
                job["trigger"] == "exe_done"
                    && job["trigger_param"]["router"] == *router
                    && job["trigger_param"]["trigger_id"] == *event
            });
            assert_eq!(output(&ended["trigger_param"]), format!("{number}\n{number}"), "{ended}");
        }
    }
}

#[test]
fn nothing_done_to_a_checkout_reaches_another_job() {
    let place = Place::new();
    let repository = Repository::new(&place, "repo");
    repository.commit_as("run/data", "original");
    repository.commit(
        "cd \"$(dirname \"$0\")/..\" || exit 9
tail -n 1 run/data; ls -a . run | grep -c dropped
echo hacked >run/data; touch dropped run/dropped
echo 'echo hacked' >run/job.sh
if test -d .git; then printf '#!/bin/sh\\ntouch /tmp/x' >.git/hooks/post-checkout; git config core.pager x; fi
rm -rf .git; true",
    );
    let job = json!({"cmd": "run/job.sh", "repo": repository.url()});
    let daemon = Daemon::for_job(&place, &job);
    for _ in 0..3 {
        assert_eq!(output(&daemon.post_and_wait(&json!({}))), "original\n0");
    }
    // Nor by another job that runs at the same time.
    let events: Vec<String> = (0..8).map(|_| daemon.post(&json!({}))).collect();
    for event in events {
        assert_eq!(output(&daemon.done(&event)), "original\n0");
    }
}

#[test]
fn what_is_not_there_is_a_clear_error() {
    let place = Place::new();
    let repository = Repository::new(&place, "repo");
    repository.commit("echo fine");
    let missing = place.text_path("missing");
    for (more, says) in [
        (json!({"git_branch": "nowhere-branch"}), "nowhere-branch"),
        (json!({"git_commit": "0123456789012345678901234567890123456789"}), "0123456789"),
        (json!({"git_commit": "not-a-commit"}), "git_commit"),
        (json!({"cmd": "run/missing.sh"}), "run/missing.sh"),
        (json!({"repo": format!("file://{missing}")}), "missing"),
        (json!({"repo": "nonsense://x/y"}), "repo"),
    ] {
        let mut job = json!({"cmd": "run/job.sh", "repo": repository.url()});
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let daemon = Daemon::for_job(&place, &job);
        // What follows from the configuration alone may be reported before anything starts.
        if daemon.wait_end_if_refused() {
            assert!(daemon.said(says), "{more}: {}", daemon.log());
            continue;
        }
        let ended = daemon.post_and_wait(&json!({}));
        assert_eq!(ended["success"], false, "{ended}");
        assert!(ended["error"].as_str().is_some_and(|error| error.contains(says)), "{says}: {ended}");
    }
}

#[test]
fn cmd_cannot_lead_outside_the_repository() {
    let place = Place::new();
    let repository = Repository::new(&place, "repo");
    let outside = place.script("outside.sh", "touch @DIR@/escaped");
    repository.commit("echo fine");
    std::os::unix::fs::symlink(&outside, place.path("repo/link.sh")).unwrap();
    std::os::unix::fs::symlink(place.path(""), place.path("repo/up")).unwrap();
    repository.git(&["add", "-A"]);
    repository.git(&["commit", "-q", "-m", "links"]);
    for cmd in [
        "../outside.sh",
        "../../../outside.sh",
        "run/../../../../../outside.sh",
        "link.sh",
        "up/outside.sh",
        outside.as_str(),
    ] {
        let daemon = Daemon::for_job(&place, &json!({"cmd": cmd, "repo": repository.url()}));
        if !daemon.wait_end_if_refused() {
            let ended = daemon.post_and_wait(&json!({}));
            assert_eq!(ended["success"], false, "{cmd}: {ended}");
        }
        assert!(!place.path("escaped").exists(), "{cmd}");
    }
}

#[test]
fn a_hostile_repository_runs_nothing() {
    let place = Place::new();
    let repository = Repository::new(&place, "repo");
    repository.commit("echo fine");
    // A filter, a submodule and a branch that would run something in a careless client.
    std::fs::write(place.path("repo/.gitattributes"), "* filter=evil\n").unwrap();
    std::fs::write(
        place.path("repo/.gitmodules"),
        "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c 'touch /tmp/herald-e2e-owned'\n",
    )
    .unwrap();
    std::fs::write(
        place.path("repo/.gitconfig"),
        format!("[filter \"evil\"]\n\tsmudge = touch {}\n", place.path("owned").display()),
    )
    .unwrap();
    repository.git(&["add", "-A"]);
    repository.git(&["commit", "-q", "-m", "hostile"]);
    let touch = format!("--upload-pack=touch {}", place.path("owned").display());
    for (key, value) in
        [("git_branch", touch.as_str()), ("git_commit", touch.as_str()), ("repo", touch.as_str())]
    {
        let mut job = json!({"cmd": "run/job.sh", "repo": repository.url()});
        job[key] = json!(value);
        let daemon = Daemon::for_job(&place, &job);
        if !daemon.wait_end_if_refused() {
            let ended = daemon.post_and_wait(&json!({}));
            assert_eq!(ended["success"], false, "{key}: {ended}");
        }
        assert!(!place.path("owned").exists(), "{key}");
    }
    let ext = format!("ext::sh -c touch% {}", place.path("owned").display());
    let daemon = Daemon::for_job(&place, &json!({"cmd": "run/job.sh", "repo": ext}));
    if !daemon.wait_end_if_refused() {
        assert_eq!(daemon.post_and_wait(&json!({}))["success"], false);
    }
    let ended = run_job(&place, &json!({"cmd": "run/job.sh", "repo": repository.url()}));
    assert_eq!(output(&ended), "fine");
    assert!(!place.path("owned").exists());
}
