//! Contract, section 2: files that are not configurations, or are malicious.
//!
//! | sentence | test |
//! |---|---|
//! | A cyclic or exponentially expanding alias is refused within bounded memory | `hostile_aliases_are_refused_within_bounded_memory` |
//! | (a file that cannot be read as YAML at all) | `a_file_that_is_no_yaml_is_refused` |

use std::process::Command;

use e2e::place::Place;
use e2e::program::{Ended, built, clean, run_to_end};

use super::validation::check;

/// Runs the daemon with at most 4 GiB of memory.
fn within_bounds(config: &str) -> Ended {
    let place = Place::new();
    let path = place.config(config);
    let mut shell = Command::new("sh");
    clean(&mut shell, &place.path(""));
    shell.args(["-c", "ulimit -v 4194304; exec \"$0\" -config \"$1\""]).arg(built("heraldd")).arg(path);
    run_to_end(&mut shell)
}

#[test]
fn hostile_aliases_are_refused_within_bounded_memory() {
    let mut bomb = "preset:\n  a0: &a0 {x: [lol, lol, lol]}\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        bomb.push_str(&format!(
            "  a{level}: &a{level} {{x: [*a{below}, *a{below}, *a{below}, *a{below}]}}\n"
        ));
    }
    let nested = format!("preset: {{p: {{x: {}{}}}}}\n", "[".repeat(200_000), "]".repeat(200_000));
    let nested_maps = format!("preset: {}1{}\n", "{a: ".repeat(200_000), "}".repeat(200_000));
    let cases = [
        ("exponential", bomb.as_str()),
        ("cyclic list", "preset: {p: {x: &x [*x]}}\n"),
        ("cyclic map", "preset: {p: &p {x: *p}}\n"),
        ("unknown alias", "preset: {p: {x: *nobody}}\n"),
        ("deep lists", &nested),
        ("deep maps", &nested_maps),
    ];
    for (name, config) in cases {
        let ended = within_bounds(config);
        let report: String = ended.text().chars().take(2000).collect();
        assert_eq!(ended.code, Some(2), "{name}: {report}");
        assert!(report.contains("config.yml"), "{name}: {report}");
        assert!(ended.text().len() < 100_000, "{name}: a report of {} bytes", ended.text().len());
    }
}

#[test]
fn a_file_that_is_no_yaml_is_refused() {
    check(("trigger:\n  a: {type: tick\n«  b: 1»\nrouter: x\n", &[]));
    let endless = Place::new().refused("heraldd", "trigger:\n  a: 'never ends\n");
    assert_eq!(endless.code, Some(2), "{}", endless.text());
    assert!(endless.text().contains("config.yml:"), "{}", endless.text());
    let place = Place::new();
    std::fs::write(place.path("binary.yml"), [0xff, 0xfe, 0x00, 0x80]).unwrap();
    for name in ["binary.yml", "missing.yml", ""] {
        let ended = run_to_end(&mut place.command("heraldd", &place.path(name)));
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.text());
        assert!(ended.text().contains(name), "{name}: {}", ended.text());
    }
}
