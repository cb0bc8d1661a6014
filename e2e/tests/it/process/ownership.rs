//! Contract, section 16: what jobs start is owned, and what the daemon knows is its own.
//!
//! | sentence | test |
//! |---|---|
//! | a process that left its session is ended at timeout, cancel, shutdown | `escapes_are_ended_whatever_ends_the_job` |
//! | each process gets TERM once | `each_process_gets_term_once_here_and_on_a_runner` |
//! | heraldd and herald-runner work as PID 1 of a container (no zombies) | `no_zombies_under_pid_1` |
//! | their environment does not show secrets to their jobs | `the_environment_of_the_programs_shows_no_secrets` |
//! | a `run` folder that is gone is made again; `run_dir: shared` or `job` | `the_folder_of_jobs` |
//! | `limits` that cannot be set are refused with a sentence | `limits_that_cannot_be_set_are_refused` |
//! | (units: `Type=notify`, `WatchdogSec=`) | `a_service_manager_is_kept_informed` |
//! | (units: the rest) | `the_units_and_their_drop_in_are_valid` |

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::daemon::{Daemon, job_config};
use e2e::place::Place;
use e2e::program::{Program, alive, built, clean};
use e2e::runner::{Runner, remote_daemon};
use e2e::wait::until;
use serde_json::{Value, json};

const ESCAPE: &str = "(env -i setsid sh -c 'echo $$ >@DIR@/pid; exec sleep 300' &)
    while ! test -s @DIR@/pid; do sleep 0.02; done; echo x >@DIR@/started; sleep 300";

/// The usual configuration, with further options of the executor.
fn with_options(more: &str, job_param: &Value) -> String {
    job_config("local_command", job_param).replace("'@DIR@/work'", &format!("'@DIR@/work'{more}"))
}

#[test]
fn escapes_are_ended_whatever_ends_the_job() {
    for end in ["timeout", "cancel", "shutdown"] {
        let place = Place::new();
        let script = place.script("escape.sh", ESCAPE);
        let timeout = if end == "timeout" { "1s" } else { "10m" };
        let job = json!({"cmd": script, "timeout": timeout});
        let config = format!("shutdown_grace: 200ms\n{}", job_config("local_command", &job));
        let daemon = Daemon::start(&place, &config);
        let event = daemon.post(&json!({}));
        place.wait_file("started");
        let pid: u32 = place.wait_file("pid").trim().parse().unwrap();
        match end {
            "cancel" => {
                assert_eq!(place.run("heraldd", &["cancel", "last"]).code, Some(0))
            }
            "shutdown" => {
                daemon.signal("TERM");
                assert_eq!(daemon.wait_end(), Some(0));
            }
            _ => {}
        }
        if end != "shutdown" {
            assert_eq!(daemon.done(&event)["success"], false);
        }
        assert!(!alive(pid), "{end}");
    }
}

#[test]
fn each_process_gets_term_once_here_and_on_a_runner() {
    let counts = "trap 'echo term >>@DIR@/terms' TERM; echo x >@DIR@/started; while :; do :; done";
    let cancelled = |place: &Place| {
        place.wait_file("started");
        let cancel = place.run("heraldd", &["cancel", "last"]);
        assert_eq!(cancel.code, Some(0), "{}", cancel.text());
    };
    let place = Place::new();
    let job = json!({"cmd": place.script("counts.sh", counts)});
    let daemon = Daemon::start(&place, &with_options(", kill_grace: 500ms", &job));
    let event = daemon.post(&json!({}));
    cancelled(&place);
    assert_eq!(daemon.done(&event)["success"], false);
    assert_eq!(place.read("terms").as_deref(), Some("term\n"));

    let place = Place::new();
    let runner = Runner::start(&place, "kill_grace: 500ms");
    let job = json!({"cmd": place.script("counts.sh", counts)});
    let daemon = remote_daemon(&place, runner.address(), "wire: 2", &job);
    let event = daemon.post(&json!({}));
    cancelled(&place);
    assert_eq!(daemon.done(&event)["success"], false);
    assert_eq!(place.read("terms").as_deref(), Some("term\n"), "on a runner");
}

/// The program as PID 1 of its own process namespace; needs root.
fn as_pid_1(place: &Place, program: &str, config: &str) -> Program {
    let config = place.config_as(&format!("{program}.yml"), config);
    let mut command = Command::new("unshare");
    clean(&mut command, &place.path(""));
    command.args(["-p", "-f", "--mount-proc", "--kill-child"]).arg(built(program)).arg("-config").arg(config);
    Program::start(&mut command)
}

/// Ended children of the only child of this process.
fn zombies(unshare: u32) -> Vec<String> {
    let children = |pid: &str| {
        let list = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let lists =
            list.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
        lists
            .flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let is_zombie = |pid: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rfind(')').is_some_and(|end| stat[end..].starts_with(") Z"))
    };
    let own = children(&unshare.to_string());
    own.iter().flat_map(|pid| children(pid)).filter(is_zombie).collect()
}

#[test]
fn no_zombies_under_pid_1() {
    let script = "(sleep 0.2 >/dev/null 2>&1 &); (setsid sleep 0.3 >/dev/null 2>&1 &); exit 3";
    let place = Place::new();
    let cmd = place.script("leaves.sh", script);
    let daemon = as_pid_1(&place, "heraldd", &job_config("local_command", &json!({"cmd": cmd})));
    let daemon = Daemon::of(daemon);
    let runner_place = Place::new();
    let runner = Runner::of(as_pid_1(
        &runner_place,
        "herald-runner",
        &format!("port: 0\nwork_dir: '@DIR@/runner'\nsecret: {}\n", e2e::runner::SECRET),
    ));
    let remote_place = Place::new();
    let remote = remote_daemon(&remote_place, runner.address(), "wire: 2", &json!({"cmd": cmd}));
    for _ in 0..5 {
        for daemon in [&daemon, &remote] {
            let done = daemon.post_and_wait(&json!({}));
            assert_eq!(done["result"]["exit_code"], 3, "{done}");
        }
    }
    std::thread::sleep(Duration::from_millis(500));
    for pid in [daemon.pid(), runner.pid()] {
        until("no zombie", || zombies(pid).is_empty().then_some(()));
    }
}

#[test]
fn the_environment_of_the_programs_shows_no_secrets() {
    let place = Place::new();
    let cmd = place.script("read.sh", "tr '\\0' '\\n' </proc/$PPID/environ; env");
    let config = job_config("local_command", &json!({"cmd": cmd}));
    let config = place.config_as("heraldd.yml", &config);
    let mut command = place.command("heraldd", &config);
    command.env("DEPLOY_TOKEN", "seen-by-nobody-4711");
    let daemon = Daemon::run(&mut command);
    let done = daemon.post_and_wait(&json!({}));
    let output = done["result"]["output"].as_str().unwrap();
    assert!(output.contains("PATH=/") && !output.contains("seen-by-nobody-4711"), "{output}");
    let shown = std::fs::read(format!("/proc/{}/environ", daemon.pid())).unwrap();
    assert!(!String::from_utf8_lossy(&shown).contains("seen-by-nobody-4711"));
}

#[test]
fn the_folder_of_jobs() {
    let place = Place::new();
    let cmd = place.script("gone.sh", "pwd; rm -rf \"$PWD\"");
    let job = json!({"cmd": cmd});
    let executor = |more: &str| with_options(more, &job);
    let daemon = Daemon::start(&place, &executor(""));
    let output = |done: &Value| done["result"]["output"].as_str().unwrap_or_default().trim().to_owned();
    let (first, second) = (daemon.post_and_wait(&json!({})), daemon.post_and_wait(&json!({})));
    assert_eq!(output(&first), place.text_path("work/run"), "{first}");
    assert_eq!(output(&second), output(&first), "{second}");
    drop(daemon);
    let daemon = Daemon::start(&place, &executor(", run_dir: job"));
    let (first, second) = (daemon.post_and_wait(&json!({})), daemon.post_and_wait(&json!({})));
    assert_ne!(output(&first), output(&second), "{first} {second}");
    let wrong = place.check(&executor(", run_dir: mine"));
    assert_eq!(wrong.code, Some(2), "{}", wrong.text());
}

#[test]
fn limits_that_cannot_be_set_are_refused() {
    let place = Place::new();
    let config = |more: &str| with_options(&format!(", {more}"), &json!({"cmd": "true"}));
    for (more, part) in [
        ("user: no-such-user-here", "there is no user `no-such-user-here` on this machine"),
        ("limits: {cpu: 0}", "expected a number from 0.01 to 4096"),
        ("limits: {memroy: 1GiB}", "memory"),
        ("limits: {pids: 0}", "pids"),
    ] {
        let ended = place.check(&config(more));
        assert_eq!(ended.code, Some(2), "{more}: {}", ended.text());
        assert!(ended.text().contains(part), "{more}: {}", ended.text());
    }
    let controllers = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    if !controllers.split_whitespace().any(|name| name == "pids") {
        let ended = place.refused("heraldd", &config("limits: {pids: 5}"));
        assert_eq!(ended.code, Some(2), "{}", ended.text());
        assert!(ended.text().contains("cannot limit pids: this needs cgroup v2"), "{}", ended.text());
    }
}

#[test]
fn a_service_manager_is_kept_informed() {
    for program in ["heraldd", "herald-runner"] {
        let place = Place::new();
        let socket = UnixDatagram::bind(place.path("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let config = match program {
            "heraldd" => job_config("local_command", &json!({"cmd": "true"})),
            _ => format!("port: 0\nwork_dir: '@DIR@/runner'\nsecret: {}\n", e2e::runner::SECRET),
        };
        let config = place.config_as(&format!("{program}.yml"), &config);
        let mut command = place.command(program, &config);
        command.env("NOTIFY_SOCKET", place.path("notify")).env("WATCHDOG_USEC", "400000");
        let running = Program::start(&mut command);
        // The next message that says more than a sign of life.
        let next = || loop {
            let mut text = [0; 300];
            let length = socket.recv(&mut text).expect("a message");
            let text = String::from_utf8(text[..length].to_vec()).unwrap();
            if text != "WATCHDOG=1" {
                return text;
            }
        };
        assert_eq!(next(), "READY=1", "{program}");
        let begun = Instant::now();
        for _ in 0..5 {
            let mut text = [0; 300];
            let length = socket.recv(&mut text).unwrap();
            assert_eq!(&text[..length], b"WATCHDOG=1", "{program}");
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        running.signal("HUP");
        let text = next();
        assert!(text.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{program}: {text}");
        assert_eq!(next(), "READY=1", "{program}");
        running.signal("TERM");
        assert_eq!(next(), "STOPPING=1", "{program}");
        assert_eq!(running.wait_end(), Some(0), "{program}");
    }
}

#[test]
fn the_units_and_their_drop_in_are_valid() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/systemd");
    let place = Place::new();
    let read = |name: &str| std::fs::read_to_string(examples.join(name)).unwrap();
    for program in ["heraldd", "herald-runner"] {
        // The program is not installed here.
        let unit =
            read(&format!("{program}.service")).replace(&format!("/usr/local/bin/{program}"), "/bin/true");
        for setting in [
            "Type=notify",
            "WatchdogSec=",
            "Delegate=yes",
            "OOMPolicy=continue",
            "ProtectControlGroups=no",
            "KillMode=mixed",
        ] {
            assert!(unit.lines().any(|line| line.starts_with(setting)), "{program}: {setting}");
        }
        let name = format!("units/{program}.service");
        let unit = place.write(&name, &unit);
        for drop_in in [false, true] {
            if drop_in {
                place.write(&format!("{name}.d/user.conf"), &read("jobs-of-another-user.conf"));
            }
            let mut verify = Command::new("systemd-analyze");
            verify.arg("verify").arg("--man=no").arg(&unit);
            let ended = e2e::program::run_to_end(&mut verify);
            assert_eq!((ended.code, ended.text().as_str()), (Some(0), ""), "{program}, drop-in: {drop_in}");
        }
    }
}
