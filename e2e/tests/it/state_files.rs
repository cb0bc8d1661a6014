//! Contract, section 16, "State": `heraldd state`, damage and permissions, with the built programs.
//!
//! | sentence | test |
//! |---|---|
//! | everything under `state_dir` is 0600; a folder that others can write is refused | `the_state_is_private` |
//! | a backup is whole while the daemon runs, and is restored only into an empty folder without a daemon | `a_backup_of_a_running_daemon_is_restored` |
//! | a missing `seal.key` is refused while sealed jobs wait; `salvage` keeps the rest | `a_lost_key_is_refused_and_salvage_keeps_the_rest` |
//! | after damage the daemon starts with what is whole, and `/readyz` says so | `a_cut_journal_is_reported`, `damage_of_what_has_ended_is_reported` |

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use e2e::daemon::Daemon;
use e2e::place::Place;
use e2e::program::run_to_end;
use e2e::wait::until;
use serde_json::json;

const CONFIG: &str = "
state_dir: '@DIR@/state'
max_jobs: 1
trigger:
  manual: {type: http, port: 0}
executor:
  local_command: {type: local, work_dir: '@DIR@/work'}
router:
  work:
    trigger: manual
    selector: all
    task: {k: local_command}
    job_param: {cmd: sh, arg: ['-c', 'echo out; while test -d @DIR@ && ! test -e @DIR@/go; do sleep 0.02; done; echo ran >>@DIR@/ran']}
";

fn start(place: &Place) -> Daemon {
    place.config(CONFIG);
    let daemon = Daemon::run(&mut place.command("heraldd", &place.path("config.yml")));
    daemon.address("manual");
    daemon
}

fn kill(daemon: Daemon) {
    daemon.signal("KILL");
    assert_eq!(daemon.wait_end(), None, "ended by the signal");
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_state_is_private() {
    let place = Place::new();
    let daemon = start(&place);
    daemon.post(&json!({"n": 1}));
    for name in ["journal.db", "journal.db-wal", "journal.db-shm", "seal.key", "lock", "heraldd.sock"] {
        let about = std::fs::symlink_metadata(place.path("state").join(name)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o600, "{name}");
    }
    // Without its file the lock still holds: nothing is recovered.
    std::fs::remove_file(place.path("state/lock")).unwrap();
    let second = run_to_end(&mut place.command("heraldd", &place.path("config.yml")));
    assert_eq!(second.code, Some(1), "{}", second.text());
    assert!(second.stderr.contains(&format!("pid {}", daemon.pid())), "{}", second.text());
    kill(daemon);
    chmod(&place.path("state"), 0o777);
    let refused = run_to_end(&mut place.command("heraldd", &place.path("config.yml")));
    assert_eq!(refused.code, Some(1), "{}", refused.text());
    assert!(refused.stderr.contains("chmod 700"), "{}", refused.text());
    place.write("go", "");
}

#[test]
fn a_backup_of_a_running_daemon_is_restored() {
    let place = Place::new();
    let daemon = start(&place);
    for n in 0..3 {
        daemon.post(&json!({"n": n, "password": "from the event"}));
    }
    let run = |arguments: &[&str]| {
        place.run("heraldd", &[&["state"], arguments, &["--state-dir", "@DIR@/state"]].concat())
    };
    let made = run(&["backup", "@DIR@/copy"]);
    assert_eq!(made.code, Some(0), "{}", made.text());
    let checked = place.run("heraldd", &["state", "check", "--json", "--state-dir", "@DIR@/copy"]);
    assert!(checked.code == Some(0) && checked.stdout.contains("\"ok\":true"), "{}", checked.text());
    let again = run(&["backup", "@DIR@/copy"]);
    assert!(again.code == Some(1) && again.stderr.contains("is not empty"), "{}", again.text());
    let refused = run(&["restore", "@DIR@/copy"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("another heraldd"), "{}", refused.text());
    kill(daemon);
    let refused = run(&["restore", "@DIR@/copy"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("is not empty"), "{}", refused.text());
    std::fs::remove_dir_all(place.path("state")).unwrap();
    let restored = run(&["restore", "@DIR@/copy"]);
    assert_eq!(restored.code, Some(0), "{}", restored.text());
    place.write("go", "");
    let daemon = start(&place);
    // One ran when the copy was made: it is lost. The others waited.
    until("the jobs that waited", || (place.count("ran") >= 2).then_some(()));
    drop(daemon);
}

#[test]
fn a_lost_key_is_refused_and_salvage_keeps_the_rest() {
    let place = Place::new();
    let daemon = start(&place);
    daemon.post(&json!({"n": 1}));
    daemon.post(&json!({"password": "from the event"}));
    daemon.post(&json!({"n": 3}));
    kill(daemon);
    std::fs::remove_file(place.path("state/seal.key")).unwrap();
    let refused = run_to_end(&mut place.command("heraldd", &place.path("config.yml")));
    assert_eq!(refused.code, Some(1), "{}", refused.text());
    assert!(refused.stderr.contains("seal.key is missing"), "{}", refused.text());
    let salvaged = place.run("heraldd", &["state", "salvage", "-c", "@DIR@/config.yml"]);
    assert!(salvaged.code == Some(1) && salvaged.stderr.contains("lost: event"), "{}", salvaged.text());
    std::fs::rename(place.path("state"), place.path("damaged")).unwrap();
    std::fs::rename(place.path("state.salvaged"), place.path("state")).unwrap();
    place.write("go", "");
    let daemon = start(&place);
    until("the job that is whole", || (place.count("ran") >= 1).then_some(()));
    drop(daemon);
}

#[test]
fn a_cut_journal_is_reported() {
    let place = Place::new();
    let daemon = start(&place);
    daemon.post(&json!({"n": 1}));
    kill(daemon);
    let log = std::fs::read_dir(place.path("state/journal")).unwrap().map(|entry| entry.unwrap().path());
    let log = log.filter(|path| path.extension().is_some_and(|ending| ending == "log")).max().unwrap();
    std::fs::remove_file(log).unwrap();
    let checked = place.run("heraldd", &["state", "check", "--state-dir", "@DIR@/state"]);
    assert!(checked.code == Some(1) && checked.stderr.contains("is missing"), "{}", checked.text());
    place.write("go", "");
    let daemon = start(&place);
    let said = || daemon.log().contains("the state is damaged").then_some(());
    until("the report", said);
    daemon.post(&json!({"n": 2}));
}

#[test]
fn damage_of_what_has_ended_is_reported() {
    let place = Place::new();
    place.write("go", "");
    let daemon = start(&place);
    daemon.post(&json!({"n": 1}));
    place.wait_file("ran");
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0), "{}", daemon.log());
    // A parameter of its job is not valid text any more.
    let mut changed = 0;
    for file in ["state/journal.db", "state/journal.db-wal"] {
        let Ok(mut bytes) = std::fs::read(place.path(file)) else { continue };
        let found: Vec<usize> =
            (0..bytes.len().saturating_sub(8)).filter(|at| bytes[*at..].starts_with(b"echo ran")).collect();
        found.iter().for_each(|at| bytes[*at] = 0xff);
        changed += found.len();
        std::fs::write(place.path(file), bytes).unwrap();
    }
    assert!(changed > 0, "nothing was damaged");
    let daemon = start(&place);
    until("the report", || daemon.log().contains("the state is damaged").then_some(()));
}
