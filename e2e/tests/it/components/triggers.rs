//! Contract, section 2: triggers tick and cron.
//!
//! | sentence | test |
//! |---|---|
//! | tick: interval (seconds as a number) → counter (from 1), time | `tick_counts_from_1_every_interval` |
//! | or a duration | `tick_takes_a_duration` |
//! | cron: → cron, time (when it fired), scheduled_at (when it was due); with_seconds | `cron_with_seconds_fires_when_due` |
//! | @every | `cron_takes_every` |
//! | names, lists, ranges, steps, @daily…, time_zone | `cron_takes_every_classic_form` |
//! | more than one trigger | `triggers_run_side_by_side` |

use std::time::Instant;

use e2e::daemon::Daemon;
use e2e::place::Place;
use serde_json::Value;

fn printing(trigger: &str) -> (Place, Daemon) {
    let place = Place::new();
    let config = format!(
        "trigger: {{t: {trigger}}}\nrouter: {{r: {{trigger: t, selector: all, task: {{p: print}}}}}}\n"
    );
    let daemon = Daemon::start(&place, &config);
    (place, daemon)
}

fn wait_param(daemon: &Daemon, key: &str, value: u64) -> Value {
    daemon.wait_print(&format!("{key} {value}"), |job| job["trigger_param"][key] == value)["trigger_param"]
        .clone()
}

#[test]
fn tick_counts_from_1_every_interval() {
    let (_place, daemon) = printing("{type: tick, interval: 0.2}");
    let first = wait_param(&daemon, "counter", 1);
    let started = Instant::now();
    let sixth = wait_param(&daemon, "counter", 6);
    let took = started.elapsed().as_secs_f64();
    assert!((0.7..3.0).contains(&took), "five intervals of 0.2 s took {took} s");
    assert!(first["time"].is_string() && first["time"] != sixth["time"], "{first} {sixth}");
    let counters: Vec<u64> =
        daemon.printed().iter().map(|job| job["trigger_param"]["counter"].as_u64().unwrap()).collect();
    let expected: Vec<u64> = (1..=counters.len() as u64).collect();
    assert_eq!(counters, expected);
}

#[test]
fn tick_takes_a_duration() {
    let (_place, daemon) = printing("{type: tick, interval: 1s}");
    wait_param(&daemon, "counter", 1);
    let started = Instant::now();
    wait_param(&daemon, "counter", 2);
    let took = started.elapsed().as_secs_f64();
    assert!((0.5..4.0).contains(&took), "{took}");
    for duration in ["1m30s", "1h", "500ms", "90"] {
        let (_place, daemon) = printing(&format!("{{type: tick, interval: {duration}}}"));
        assert!(daemon.ended().is_none(), "{}", daemon.log());
    }
}

#[test]
fn cron_with_seconds_fires_when_due() {
    let (_place, daemon) = printing("{type: cron, cron: '* * * * * *', with_seconds: true}");
    let fired: Vec<Value> = e2e::wait::until("three times", || {
        let printed = daemon.printed();
        (printed.len() >= 3).then_some(printed)
    });
    let mut due = Vec::new();
    for job in &fired {
        let param = &job["trigger_param"];
        assert_eq!(param["cron"], "* * * * * *");
        let (time, scheduled) = (param["time"].as_str().unwrap(), param["scheduled_at"].as_str().unwrap());
        let second = |text: &str| text.split(['.', '+', 'Z', '[']).next().unwrap()[..19].to_owned();
        assert!(second(time) >= second(scheduled), "fired at {time}, due at {scheduled}");
        assert!(!scheduled.contains('.') || scheduled.contains(".0"), "due at a whole second: {scheduled}");
        due.push(second(scheduled));
    }
    let mut once = due.clone();
    once.dedup();
    assert_eq!(due, once, "each once");
}

#[test]
fn cron_takes_every() {
    let (_place, daemon) = printing("{type: cron, cron: '@every 1s'}");
    daemon.wait_print("it", |job| job["trigger_param"]["cron"] == "@every 1s");
    e2e::wait::until("again", || (daemon.printed().len() >= 2).then_some(()));
}

#[test]
fn cron_takes_every_classic_form() {
    let place = Place::new();
    let mut config = "router: {r: {trigger: manual, selector: all, task: {p: none}}}\ntrigger:\n  manual: {type: http, port: 0}\n".to_owned();
    let lines = [
        "30 6 * * 3",
        "*/5 * * * *",
        "0 0,12 1-15/2 jan,jul mon-fri",
        "0 0 * * sun",
        "0 0 * * 7",
        "0 0 * * 0",
        "0 0 29 2 *",
        "0 0 13 * fri",
        "5/15 * * * *",
        "@yearly",
        "@annually",
        "@monthly",
        "@weekly",
        "@daily",
        "@midnight",
        "@hourly",
        "@every 1h30m",
    ];
    for (number, line) in lines.iter().enumerate() {
        config.push_str(&format!("  c{number}: {{type: cron, cron: '{line}'}}\n"));
    }
    config.push_str("  zone: {type: cron, cron: '30 2 * * *', time_zone: Europe/Berlin}\n");
    config.push_str("  seconds: {type: cron, cron: '15 30 6 * * wed', with_seconds: true, time_zone: UTC}\n");
    let daemon = Daemon::start(&place, &config);
    daemon.address("manual");
    assert!(!daemon.said("WARN") && !daemon.said("ERROR"), "{}", daemon.log());
}

#[test]
fn triggers_run_side_by_side() {
    let place = Place::new();
    let daemon = Daemon::start(
        &place,
        "trigger: {a: {type: tick, interval: 0.1}, b: {type: tick, interval: 0.1}, c: {type: http, port: 0}, d: {type: http, port: 0}}
router:
  a: {trigger: a, selector: all, task: {p: print}}
  b: {trigger: b, selector: all, task: {p: print}}
  c: {trigger: c, selector: all, task: {p: print}}
  d: {trigger: d, selector: all, task: {p: print}}
",
    );
    for name in ["c", "d"] {
        assert_eq!(e2e::http::post_json(daemon.address(name), b"{}").status, 200);
    }
    for name in ["a", "b", "c", "d"] {
        daemon.wait_print(name, |job| job["trigger"] == *name && job["router"] == *name);
    }
}
