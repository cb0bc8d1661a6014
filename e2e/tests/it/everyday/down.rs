//! What commands say while the daemon is down, or has no state on disk.

use std::os::unix::fs::PermissionsExt;

use e2e::daemon::Daemon;
use e2e::place::Place;
use e2e::program::run_to_end;
use serde_json::Value;

const CONFIG: &str = "
state_dir: '@DIR@/state'
trigger: {push: {type: http, port: 0}}
executor: {sh: {type: local, work_dir: '@DIR@/work'}}
router:
  good: {trigger: push, selector: all, task: {t: sh}, job_param: {cmd: 'true'}}
  bad: {trigger: push, selector: all, task: {t: sh}, job_param: {cmd: 'false'}}
";

/// Everything in the `state_dir`, with the time of its last change.
fn files(place: &Place) -> Vec<(std::path::PathBuf, std::time::SystemTime)> {
    let mut files: Vec<_> = std::fs::read_dir(place.path("state"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.path(), entry.metadata().unwrap().modified().unwrap()))
        .collect();
    files.sort();
    files
}

/// A job that succeeds, and one that fails.
fn fire(place: &Place) {
    let fired = place.run("heraldd", &["trigger", "push", "--wait", "-c", "heraldd.yml"]);
    assert_eq!(fired.code, Some(1), "{}", fired.text());
}

#[test]
fn jobs_are_listed_from_the_history() {
    let place = Place::new();
    let daemon = Daemon::start(&place, CONFIG);
    daemon.wait_for(&["heraldd is ready"]);
    let jobs = |more: &[&str]| place.run("heraldd", &[&["jobs", "-c", "heraldd.yml"], more].concat());
    fire(&place);
    let running = jobs(&["--json"]);
    assert_eq!((running.code, &*running.stderr), (Some(0), ""), "{}", running.text());
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));

    let before = files(&place);
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let down = jobs(&["--json"]);
    assert_eq!(down.code, Some(0), "{}", down.text());
    assert_eq!(json(&down.stdout), json(&running.stdout));
    for (filter, lines) in [
        (&[][..], 3),
        (&["--router", "bad"], 2),
        (&["--status", "failed,lost"], 2),
        (&["-n", "1"], 2),
        (&["--since", "1h"], 3),
        (&["--until", "1h"], 0),
    ] {
        let down = jobs(filter);
        assert_eq!((down.code, down.stdout.lines().count()), (Some(0), lines), "{filter:?}: {}", down.text());
        assert!(
            down.stderr.starts_with("heraldd: the daemon is down; this is its history"),
            "{}",
            down.text()
        );
    }
    let wrong = jobs(&["--status", "done"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.text());
    assert!(wrong.stderr.contains("status: expected one of: queued, "), "{}", wrong.text());
    assert_eq!(files(&place), before, "nothing is written");

    // A daemon that was killed leaves a part of the history in its log.
    let daemon = Daemon::start(&place, CONFIG);
    daemon.wait_for(&["heraldd is ready"]);
    fire(&place);
    // Which it has taken in by then.
    assert_eq!(json(&jobs(&["--json"]).stdout)["items"].as_array().unwrap().len(), 4);
    daemon.signal("KILL");
    assert_eq!(daemon.wait_end(), None);
    let before = files(&place);
    let killed = jobs(&["--json"]);
    assert_eq!(killed.code, Some(0), "{}", killed.text());
    assert_eq!(json(&killed.stdout)["items"].as_array().unwrap().len(), 4);
    assert_eq!(files(&place), before, "nothing is written");

    // Without a history it is as with other commands.
    let other = place.run("heraldd", &["jobs", "--socket", "nowhere/heraldd.sock"]);
    assert_eq!((other.code, &*other.stdout), (Some(3), ""), "{}", other.text());
}

/// What is asked about jobs, their output and events; the same job by its id, and by its end and beginning.
fn questions(id: &str) -> Vec<Vec<&str>> {
    let (begin, end) = (&id[..28], &id[28..]);
    let questions: [&[&str]; 17] = [
        &["job", "last", "--json"],
        &["job", "last:bad", "--json"],
        &["job", end, "--json"],
        &["job", begin, "--json"],
        &["job", id, "--json"],
        &["logs", "last:good"],
        &["logs", "-f", "last:good"],
        &["logs", "last:good", "--json"],
        &["logs", "last:good", "--stream", "stdout", "-n", "1"],
        &["logs", "last:good", "-n", "2", "--json"],
        &["logs", "last:bad"],
        &["events", "--json"],
        &["events", "--unmatched", "--trigger", "exe_done", "-n", "1", "--json"],
        &["events", "--router", "bad", "--json"],
        &["explain", "last:bad", "--json"],
        &["explain", end],
        &["explain", "last:bad", "--router", "good"],
    ];
    questions.map(<[&str]>::to_vec).to_vec()
}

#[test]
fn a_job_its_output_and_its_event_are_shown_from_the_history() {
    let place = Place::new();
    let config =
        CONFIG.replace("{cmd: 'true'}", "{cmd: sh, arg: [-c, 'echo one; echo two >&2; echo three']}");
    let daemon = Daemon::start(&place, &config);
    daemon.wait_for(&["heraldd is ready"]);
    fire(&place);
    let run = |typed: &[&str]| place.run("heraldd", &[typed, &["-c", "heraldd.yml"]].concat());
    let shown = run(&["job", "last:bad", "--json"]);
    let id = serde_json::from_str::<Value>(&shown.stdout).unwrap()["id"].as_str().unwrap().to_owned();
    let questions = questions(&id);
    let running: Vec<String> = questions.iter().map(|typed| run(typed).stdout).collect();
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));

    let before = files(&place);
    for (typed, running) in questions.iter().zip(running) {
        let down = run(typed);
        assert_eq!(down.code, Some(0), "{typed:?}: {}", down.text());
        assert_eq!(down.stdout, running, "{typed:?}: {}", down.text());
        assert!(
            down.stderr.starts_with("heraldd: the daemon is down; this is its history"),
            "{}",
            down.text()
        );
    }
    assert_eq!(run(&["logs", "last:good", "--stream", "stdout"]).stdout, "one\nthree\n");
    assert!(run(&["job", "last:good"]).stdout.contains("Status     succeeded"));
    assert_eq!(run(&["events", "--trigger", "push"]).stdout.lines().count(), 2);
    let unmatched = run(&["explain", "last"]);
    assert!(unmatched.stderr.contains("once the daemon runs again"), "{}", unmatched.text());
    for (typed, code, says) in [
        (&["job", &id[..4]][..], 4, "is ambiguous; write more of its id\n  0"),
        (&["job", "abcdef"], 4, "there is no job \"abcdef\"; it may be older than"),
        (&["job", "x"], 4, "a part of an id has 4 characters or more"),
        (&["job", "last:gone"], 4, "the history has no job of a router \"gone\""),
        (&["logs", "last:good", "--attempt", "2"], 4, "there is no attempt 2: the job has one attempt"),
        (&["explain", "abcdef"], 4, "there is no event \"abcdef\""),
        (&["events", "--since", "soon"], 2, "since: expected a time such as"),
        (&["events", "--cursor", "x"], 2, "the cursor is not one that an earlier page gave"),
        (&["cancel", "last"], 3, "no heraldd listens here"),
    ] {
        let down = run(typed);
        assert_eq!((down.code, &*down.stdout), (Some(code), ""), "{typed:?}: {}", down.text());
        assert!(down.stderr.contains(says), "{typed:?}: {}", down.text());
    }
    assert_eq!(files(&place), before, "nothing is written");
}

#[test]
fn a_daemon_without_a_state_dir_has_a_socket() {
    let config = CONFIG.replace("state_dir: '@DIR@/state'", "state_dir: none");
    for variable in ["XDG_RUNTIME_DIR", "TMPDIR"] {
        let place = Place::new();
        let folder = place.path("runtime");
        std::fs::create_dir(&folder).unwrap();
        place.config_as("heraldd.yml", &config);
        let command = |typed: &[&str]| {
            let mut command = place.bare("heraldd");
            command.env_remove("XDG_RUNTIME_DIR").env(variable, &folder).args(typed);
            command
        };
        let daemon = Daemon::run(&mut command(&["-config", "heraldd.yml"]));
        daemon.wait_for(&["heraldd is ready"]);
        // Found by the name of the file, however it is written, or as the default one.
        for more in [&["-c", "heraldd.yml"][..], &["-c", "./runtime/../heraldd.yml"], &[]] {
            let fired = run_to_end(&mut command(&[&["trigger", "push", "--wait"], more].concat()));
            assert!(fired.stdout.contains("good") && fired.stdout.contains("bad"), "{}", fired.text());
        }
        let found: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [private] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(private.metadata().unwrap().permissions().mode() & 0o777, 0o700);

        // Another daemon with the same file runs without a socket.
        let second = Daemon::run(&mut command(&["-config", "heraldd.yml"]));
        second.wait_for(&["there is no control socket at"]);
        second.wait_for(&["heraldd is ready"]);
        second.signal("TERM");
        assert_eq!(second.wait_end(), Some(0));
        assert_eq!(run_to_end(&mut command(&["info"])).code, Some(0));

        daemon.signal("TERM");
        assert_eq!(daemon.wait_end(), Some(0));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is left");
        assert_eq!(run_to_end(&mut command(&["jobs"])).code, Some(3));
    }
}

#[test]
fn a_daemon_whose_state_dir_was_changed_meanwhile_is_named() {
    let place = Place::new();
    let daemon = Daemon::start(&place, CONFIG);
    daemon.wait_for(&["heraldd is ready"]);
    place.config_as("heraldd.yml", &CONFIG.replace("@DIR@/state", "@DIR@/moved"));
    let socket = place.text_path("state/heraldd.sock");
    for command in ["status", "jobs", "reload"] {
        let asked = place.run("heraldd", &[command, "-c", "heraldd.yml"]);
        assert_eq!(asked.code, Some(3), "{}", asked.text());
        for part in [
            "no heraldd listens here",
            "takes effect when the daemon is started again",
            &format!("--socket {socket}"),
        ] {
            assert!(asked.stderr.contains(part), "{part}: {}", asked.text());
        }
    }
    assert_eq!(place.run("heraldd", &["status", "--socket", &socket]).code, Some(0));
    // Another configuration has nothing to do with it.
    place.config_as("other.yml", &CONFIG.replace("@DIR@/state", "@DIR@/elsewhere"));
    let other = place.run("heraldd", &["status", "-c", "other.yml"]);
    assert!(other.code == Some(3) && !other.stderr.contains("pid"), "{}", other.text());
}
