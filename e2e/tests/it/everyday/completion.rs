//! What a shell offers for names that only the running daemon knows.

use std::process::Command;
use std::time::{Duration, Instant};

use e2e::daemon::Daemon;
use e2e::place::Place;
use e2e::program::{built, run_to_end};

const CONFIG: &str = "
state_dir: '@DIR@/state'
node: {web-1: {host: 'http://127.0.0.1:9/', secret: nobody-listens-on-this-port}}
trigger: {push: {type: http, port: 0}, nightly: {type: cron, cron: '30 2 * * *'}}
router:
  deploy: {trigger: push, selector: all, task: {t: none}}
  backup: {trigger: nightly, selector: all, task: {t: none}}
";

/// What bash offers for the last of these words.
fn offered(place: &Place, words: &[&str]) -> Vec<String> {
    // As bash does it: the function, with the program, the word and the word before.
    // Options of a completion are those of bash itself, which does not run one here.
    let script = r#"source completions; compopt() { :; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_heraldd heraldd "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}""#;
    let mut bash = Command::new("bash");
    let path = std::env::var("PATH").unwrap();
    let program = built("heraldd");
    bash.args(["--norc", "-c", script, "bash", "heraldd"]).args(words).current_dir(place.path("."));
    bash.env("PATH", format!("{}:{path}", program.parent().unwrap().display()));
    bash.env("HOME", place.path(".")).env_remove("HERALD_SOCKET").env_remove("HERALD_CONFIG");
    let ended = run_to_end(&mut bash);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{words:?}");
    ended.stdout.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn names_of_the_running_daemon() {
    let place = Place::new();
    place.write("completions", &place.run("heraldd", &["completions", "bash"]).stdout);
    let daemon = Daemon::start(&place, CONFIG);
    daemon.wait_for(&["heraldd is ready"]);
    let fired = place.run("heraldd", &["trigger", "push", "--wait", "-c", "heraldd.yml"]);
    assert_eq!(fired.code, Some(0), "{}", fired.text());
    let jobs = place.run("heraldd", &["jobs", "--full-ids", "-c", "heraldd.yml"]).stdout;
    let id = jobs.lines().nth(1).unwrap().split(' ').next().unwrap();
    let short = &id[id.len() - 8..];

    for (words, names) in [
        // The configuration that would be used: ./heraldd.yml.
        (&["pause", ""][..], &["backup", "deploy"][..]),
        (&["resume", "d"], &["deploy"]),
        (&["trigger", ""], &["nightly", "push"]),
        (&["try", "heraldd.yml", "--trigger", "n"], &["nightly"]),
        (&["jobs", "--router", ""], &["backup", "deploy"]),
        (&["ps", "--trigger", "=", "p"], &["push"]),
        (&["events", "--trigger", ""], &["nightly", "push"]),
        (&["queue", "forget", ""], &["web-1"]),
        (&["job", "l"], &["last"]),
        (&["logs", &id[..20]], &[id]),
        (&["-c", "heraldd.yml", "pause", "d"], &["deploy"]),
        (&["pause", "-c", "heraldd.yml", "d"], &["deploy"]),
        (&["nodes", "w"], &["web-1"]),
        (&["jobs", "--status", "f"], &["failed"]),
        (&["ps", "--status", "failed,q"], &["failed,queued"]),
        (&["jobs", "--status", "=", "lo"], &["lost"]),
        (&["reference", "exe"], &["exe_done", "executor"]),
        (&["reference", "http_r"], &["http_remote", "http_request"]),
        (&["-config", "heraldd.y"], &["heraldd.yml"]),
        (&["jobs", "-config", "heraldd.y"], &["heraldd.yml"]),
        (&["jobs", "--config", "heraldd.y"], &["heraldd.yml"]),
        // No other daemon's names, and commands and options as ever.
        (&["pause", "--socket", "elsewhere.sock", "d"], &[]),
        (&["paus"], &["pause"]),
        (&["jobs", "--rout"], &["--router"]),
    ] {
        assert_eq!(offered(&place, words), names, "{words:?}");
    }
    for command in ["job", "logs", "cancel", "retry", "explain", "replay"] {
        assert_eq!(offered(&place, &[command, ""])[..2], ["last", short], "{command}");
    }
    drop(daemon);
    // Silent, and at once.
    let began = Instant::now();
    assert!(!offered(&place, &["pause", ""]).iter().any(|name| name == "deploy"));
    assert!(began.elapsed() < Duration::from_secs(5));
}
