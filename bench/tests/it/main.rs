//! Runs the crash program with small numbers. It fails if it finds anything wrong.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Command;

fn crash(kinds: &str, rounds: u32) {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    let output = bench.args(["crash", "--kinds", kinds, "--rounds", &rounds.to_string()]).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    for kind in kinds.split(',') {
        let line = text.lines().find(|line| line.starts_with(&format!("{kind} "))).unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [_, "skipped", ..] => eprintln!("{line}"),
            [_, rounds, acknowledged, "0", "0", ..] => {
                assert!(
                    rounds.parse::<u64>().unwrap() > 0 && acknowledged.parse::<u64>().unwrap() > 0,
                    "{text}"
                );
            }
            _ => panic!("{text}"),
        }
    }
}

#[test]
fn kills() {
    crash("kill", 20);
}

#[test]
fn stops() {
    crash("term", 20);
}

#[test]
fn failpoints() {
    crash("failpoint", 1);
}

#[test]
fn a_runner_that_is_killed() {
    crash("runner", 16);
}

#[test]
fn a_link_that_is_cut() {
    crash("link", 24);
}

/// Four rounds: a share of the number.
#[test]
fn a_queue_with_faults_of_every_kind() {
    crash("queue", 12);
}

#[test]
fn publications_that_are_killed() {
    crash("publish", 24);
}

/// Three rounds: a share of the number.
#[test]
fn deployments_that_are_killed() {
    crash("deploy", 15);
}

#[test]
fn power_loss_and_disks_that_fail() {
    crash("power,full,read-only", 40);
}

#[test]
fn wrong_arguments_are_told() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_bench")).args(["crash", "--kinds", "nothing"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown kind nothing"));
}
