//! Commands that need no daemon.

use e2e::place::Place;
use serde_json::Value;

#[test]
fn without_a_daemon() {
    let place = Place::new();
    let nobody =
        "no heraldd listens here; start it, or name its socket with --socket or its configuration with -c";
    for (typed, code, says) in [
        (
            &[][..],
            2,
            &["no configuration file: name one with -c FILE", "./heraldd.yml", "`heraldd init` writes one"][..],
        ),
        (&["help"], 0, &["\nJobs:\n", "\nEvents:\n", "\nInspect:\n", "\nConfiguration:\n", "\nShell:\n"]),
        (&["version"], 0, &["heraldd 0."]),
        (&["status"], 3, &[nobody]),
        (&["ps"], 3, &[nobody]),
        (&["events"], 3, &[nobody]),
        (
            &["-confg", "x.yml"],
            2,
            &["unexpected argument '--confg'", "a similar argument exists: '--config'"],
        ),
        (&["jbos"], 2, &["unrecognized subcommand 'jbos'", "'jobs'"]),
        (&["-config", "-"], 2, &["must be a file"]),
    ] {
        let mut command = place.bare("heraldd");
        // Not the folder of somebody who runs a daemon.
        command.env("STATE_DIRECTORY", place.path("none")).args(typed);
        let ended = e2e::program::run_to_end(&mut command);
        assert_eq!(ended.code, Some(code), "{typed:?}: {}", ended.text());
        for part in says {
            assert!(ended.text().contains(part), "{typed:?}: no {part:?} in {}", ended.text());
        }
        assert!(ended.text().ends_with('\n'), "{typed:?}");
    }
}

#[test]
fn herald_runner_has_the_same_tools() {
    let place = Place::new();
    place.config_as("good.yml", "secret: sixteen-bytes-and-more\n");
    place.config_as("bad.yml", "secret: short\nprot: 1\n");
    for (typed, code, says) in [
        (&["help"][..], 0, &["check", "schema", "completions", "man", "version"][..]),
        (&["version"], 0, &["herald-runner 0."]),
        (&["check", "good.yml"], 0, &["good.yml: ok\n"]),
        (
            &["check", "good.yml", "bad.yml"],
            2,
            &["good.yml: ok\n", "bad.yml:1:", "16", "bad.yml:2:1", "did you mean `port`?"],
        ),
        (&["man"], 0, &[".TH herald-runner 1", ".SH \"EXIT STATUS\"", ".SH ENVIRONMENT", ".SH FILES"]),
        (&["completions", "bash"], 0, &["herald-runner", "schema"]),
        (&["-confg", "x.yml"], 2, &["unexpected argument '--confg'", "'--config'"]),
        (&["chekc"], 2, &["unrecognized subcommand 'chekc'", "'check'"]),
        (&["-c", "-"], 2, &["must be a file"]),
    ] {
        let ended = place.run("herald-runner", typed);
        assert_eq!(ended.code, Some(code), "{typed:?}: {}", ended.text());
        for part in says {
            assert!(ended.text().contains(part), "{typed:?}: no {part:?} in {}", ended.text());
        }
    }
    let schema = place.run("herald-runner", &["schema"]);
    let schema: Value = serde_json::from_str(&schema.stdout).unwrap();
    assert_eq!(schema["properties"]["port"]["anyOf"][0]["maximum"], 65535);
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"].get("type"), None);
}

#[test]
fn the_reference_in_a_terminal() {
    let place = Place::new();
    for (typed, says) in [
        (&["reference", "cron"][..], &["Trigger cron\n", "time_zone", "jitter", "\nExample:\n"][..]),
        (
            &["reference", "exe_done"],
            &["trigger_param holds:", "status", "error", "result", "attempts", "ended_at"],
        ),
        (&["reference", "node_state"], &["trigger_param holds:", "state"]),
        (&["reference", "local"], &["cmd", "env", "timeout"]),
        (&["man", "heraldd.yml"], &[".TH heraldd.yml 5", ".SH FILES"]),
        (&["man"], &[".SH \"EXIT STATUS\"", ".SH ENVIRONMENT", ".SH FILES"]),
        (&["man", "jobs"], &[".TH heraldd-jobs 1", ".SH \"EXIT STATUS\""]),
    ] {
        let ended = place.run("heraldd", typed);
        assert_eq!(ended.code, Some(0), "{typed:?}: {}", ended.text());
        for part in says {
            assert!(ended.stdout.contains(part), "{typed:?}: no {part:?} in {}", ended.stdout);
        }
    }
}

#[test]
fn the_graph_at_a_terminal_is_a_tree() {
    let place = Place::new();
    place.config(
        "trigger: {nightly: {type: cron, cron: '0 3 * * *'}}
router:
  backup: {trigger: nightly, selector: all, task: {copy: none}}
  report: {trigger: exe_done, selector: match_map, select_param: {match_key: router, match_value: backup}, task: {show: print}}
",
    );
    let tree = "nightly (cron)\n└─ backup (all)\n   └─ copy (none)\n      └─ exe_done: report (match_map)\n         \
                └─ show (print)\n";
    let graph = |more: &[&str]| place.run("heraldd", &[&["graph", "config.yml"], more].concat()).stdout;
    assert_eq!(graph(&["--format", "tree"]), tree);
    assert!(graph(&[]).starts_with("flowchart LR\n"));
    let line = format!("{} graph config.yml", e2e::program::built("heraldd").display());
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(place.path("."));
    let shown = e2e::program::run_to_end(&mut script).stdout.replace('\r', "");
    assert_eq!(shown, tree);
}
