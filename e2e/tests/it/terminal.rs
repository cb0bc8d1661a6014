//! Contract, section 11: the log at a terminal, and when triggers with an interval are due.
//!
//! | sentence | test |
//! |---|---|
//! | On a terminal the log has local time, short lines for an event that matched nothing, a job's start and its end; `print` shows indented JSON; colours unless `NO_COLOR`. Elsewhere it stays as it is | `people_at_a_terminal_see_short_lines` |
//! | `next` and `triggers` show the due time of `@every` | `intervals_are_due_at_a_time_while_the_daemon_runs` |

use e2e::daemon::Daemon;
use e2e::place::Place;
use e2e::program::{Program, built};
use e2e::wait::until;
use serde_json::Value;

const CONFIG: &str = "
state_dir: '@DIR@/state'
trigger: {slow: {type: cron, cron: '@every 1h'}, ticks: {type: tick, interval: 1800}, hook: {type: cron, cron: '@yearly'}, alone: {type: cron, cron: '@yearly'}}
executor: {sh: {type: local, work_dir: '@DIR@/work'}}
router:
  good: {trigger: hook, selector: all, task: {run: sh}, job_param: {cmd: 'true'}}
  bad: {trigger: hook, selector: all, task: {run: sh}, job_param: {cmd: sh, arg: [-c, 'echo no disk >&2; exit 3']}}
  shown: {trigger: hook, selector: all, task: {show: print}, job_param: {print_key: trigger_param/n}}
  never: {trigger: slow, selector: all, task: {run: none}}
";

fn heraldd(place: &Place, arguments: &[&str]) -> String {
    let config = place.text_path("heraldd.yml");
    let ended = place.run("heraldd", &[arguments, &["-c", &config]].concat());
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.text());
    ended.stdout
}

#[test]
fn people_at_a_terminal_see_short_lines() {
    let place = Place::new();
    let config = place.config_as("heraldd.yml", CONFIG);
    for (colours, no_colour) in [(true, ""), (false, "1")] {
        let shell = format!("exec {} -config {}", built("heraldd").display(), config.display());
        // A terminal of its own, whose output comes through a pipe.
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &shell, "/dev/null"]).env("TZ", "Asia/Kolkata").env("NO_COLOR", no_colour);
        let daemon = Program::start(&mut script);
        daemon.wait_for(&["heraldd is ready"]);
        for _ in 0..2 {
            heraldd(&place, &["trigger", "alone"]);
        }
        heraldd(&place, &["trigger", "hook", "-d", "{\"n\": {\"big\": 18446744073709551617}}"]);
        daemon.wait_for(&["job failed: exit code 3"]);
        daemon.wait_for(&["job succeeded"]);
        daemon.wait_for(&["job starts"]);
        daemon.wait_for(&["  \"big\": 18446744073709551617"]);
        let log = daemon.log();
        assert!(log.contains("(UTC+05:30)"), "{log}");
        assert!(log.contains("bad/run ") && !log.contains("heraldd::daemon"), "{log}");
        assert_eq!(log.contains("\u{1b}[3"), colours, "{log}");
        daemon.signal("TERM");
        let _ = daemon.wait_end();
        let log = daemon.log();
        assert_eq!(log.matches("event matched no router").count(), 2, "{log}");
        assert!(!log.contains("more events matched no router"), "{log}");
    }
}

#[test]
fn events_that_match_nothing_have_a_line_a_minute_in_a_log() {
    for format in ["text", "json"] {
        let place = Place::new();
        let daemon = Daemon::start(&place, &format!("{CONFIG}log: {{format: {format}}}\n"));
        daemon.wait_for(&["heraldd is ready"]);
        for _ in 0..4 {
            heraldd(&place, &["trigger", "alone"]);
        }
        daemon.wait_for(&["event matched no router", "alone"]);
        daemon.signal("TERM");
        assert_eq!(daemon.wait_end(), Some(0));
        let log = daemon.log();
        assert_eq!(log.matches("event matched no router").count(), 1, "{log}");
        let more = log.lines().find(|line| line.contains("more events matched no router"));
        assert!(more.is_some_and(|line| line.contains("alone") && line.contains('3')), "{log}");
    }
}

#[test]
fn intervals_are_due_at_a_time_while_the_daemon_runs() {
    let place = Place::new();
    place.config_as("heraldd.yml", CONFIG);
    let next = || -> Value { serde_json::from_str(&heraldd(&place, &["next", "--json"])).unwrap() };
    let due = |next: &Value| {
        next["every"].as_array().unwrap().iter().map(|one| !one["next"].is_null()).collect::<Vec<_>>()
    };
    assert_eq!(due(&next()), [false, false]);
    assert!(heraldd(&place, &["next"]).contains("from the start of heraldd"));
    let daemon = Daemon::start(&place, CONFIG);
    daemon.wait_for(&["heraldd is ready"]);
    let shown = until("both are known", || Some(next()).filter(|next| due(next) == [true, true]));
    let table = heraldd(&place, &["next"]);
    assert!(table.contains("in 59 m") || table.contains("in 1 h"), "{table}");
    assert!(!table.contains("from the start of heraldd"), "{table}");
    let triggers = heraldd(&place, &["triggers"]);
    let at = shown["every"][0]["next"].as_str().unwrap();
    assert!(triggers.contains("in 59 m") || triggers.contains("in 1 h"), "{at}: {triggers}");
}
