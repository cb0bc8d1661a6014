//! Tables and log lines at terminals of 80, 120 and 200 columns: no line is wider, the last columns stay, ERROR is cut
//! first, and of a log line nothing is cut.

use e2e::daemon::Daemon;
use e2e::http::post_json;
use e2e::place::Place;
use e2e::program::{Program, built, run_to_end};
use e2e::wait::until;

const CONFIG: &str = r#"
state_dir: '@DIR@/state'
node: {web-frontend-1: {host: 'http://127.0.0.1:9/', secret: nobody-listens-on-this-port}}
trigger:
  hook: {type: http, port: 0}
  later: {type: http, port: 0}
  nightly_backup_of_the_shop: {type: cron, cron: '30 2 * * *', time_zone: Europe/Berlin}
executor: {sh: {type: local, work_dir: '@DIR@/work'}}
router:
  deploy_the_shop_to_production:
    trigger: hook
    selector: match_map
    select_param: {match_key: ref, match_value: refs/heads/main}
    task: {copy_files_and_restart: sh}
    job_param: {cmd: sh, arg: [-c, 'echo rsync: connection unexpectedly closed, 0 bytes received so far: no space left on the device of /srv/www/shop/releases/2026 >&2; exit 12']}
  waits_for_the_maintenance_to_end: {trigger: later, selector: all, task: {t: sh}, job_param: {cmd: 'true'}}
  copies_all_the_pictures: {trigger: later, selector: all, task: {t: sh}, job_param: {cmd: sleep, arg: 600}}
  quick: {trigger: hook, selector: all, task: {t: sh}, job_param: {cmd: 'true'}}
  sized: {trigger: hook, selector: all, task: {measure: sh}, job_param: {cmd: echo, arg: '{"size": 18446744073709551617, "text": "a text that is longer than there are columns left on a terminal of eighty columns or of one hundred and twenty"}'}}
"#;

const REASON: &str =
    "the disks of both machines are exchanged, which takes until the evening of the day after tomorrow";

/// The lines of a command at a terminal of this width.
fn at_width(place: &Place, width: usize, command: &str) -> Vec<String> {
    let line = format!("stty cols {width}; {} {command} -c heraldd.yml", built("heraldd").display());
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(place.path(".")).env("NO_COLOR", "1");
    let ended = run_to_end(&mut script);
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    ended.stdout.replace('\r', "").lines().map(str::to_owned).collect()
}

/// What stays the same from run to run: one space between columns, and # for ids, times and numbers.
fn masked(line: &str) -> String {
    let is_id = |word: &str| word.len() == 8 && word.chars().all(|c| c.is_ascii_hexdigit());
    let is_time = |word: &str| word.starts_with("20") && word.contains('T');
    let mask = |word: &str| {
        if is_id(word) || is_time(word) {
            return "#".to_owned();
        }
        let is_number = word.chars().next().is_some_and(|c| c.is_ascii_digit());
        if is_number { "#".to_owned() } else { word.to_owned() }
    };
    line.split_whitespace().map(mask).collect::<Vec<_>>().join(" ").replace("just now", "# ago")
}

/// A command, and at 80, 120 and 200 columns: how its header begins, and how the line with this part begins.
type Table = (&'static str, [&'static str; 3], &'static str, [&'static str; 3]);

const TABLES: [Table; 13] = [
    (
        "jobs --status queued,running",
        ["ID STATUS ROUTER TASK CREATED DURATION ERROR"; 3],
        "queued",
        [
            "# queued waits_for",
            "# queued waits_for_the_maintenance_to_end t # ago waits for router waits_fo",
            "# queued waits_for_the_maintenance_to_end t # ago waits for router waits_for_the_maintenance_to_end, which is paused",
        ],
    ),
    (
        "jobs --status queued,running",
        ["ID STATUS ROUTER TASK CREATED DURATION ERROR"; 3],
        "running",
        [
            "# running copies_",
            "# running copies_all_the_pictures t # ago",
            "# running copies_all_the_pictures t # ago",
        ],
    ),
    (
        "jobs",
        ["ID STATUS ROUTER TASK CREATED DURATION ERROR"; 3],
        "failed",
        [
            "# failed deploy",
            "# failed deploy_the_shop",
            "# failed deploy_the_shop_to_production copy_files_and_restart ",
        ],
    ),
    ("events", ["ID TRIGGER ACCEPTED MATCHED ROUTERS"; 3], "hook", ["# hook "; 3]),
    (
        "routers",
        ["ROUTER TRIGGER SELECTOR TASK EXECUTOR"; 3],
        "deploy",
        [
            "deploy_the_shop_to_produc… hook match_map copy_files_and_restart sh",
            "deploy_the_shop_to_production hook match_map copy_files_and_restart sh",
            "deploy_the_shop_to_production hook match_map copy_files_and_restart sh",
        ],
    ),
    (
        "nodes",
        [
            "NODE STATE SINCE VERSION RUNNING CLOCK",
            "NODE STATE SINCE VERSION RUNNING CLOCK OFFSET URL ERROR",
            "NODE STATE SINCE VERSION RUNNING CLOCK OFFSET URL ERROR",
        ],
        "offline",
        ["web-front", "web-frontend-1 offline ", "web-frontend-1 offline "],
    ),
    (
        "triggers",
        ["NAME TYPE NEXT RUN IN"; 3],
        "nightly",
        [
            "nightly_backup_of",
            "nightly_backup_of_the_shop cron # in ",
            "nightly_backup_of_the_shop cron # in ",
        ],
    ),
    ("audit", ["WHEN USER VIA ADDRESS ACT TARGET OUTCOME REASON"; 3], "pause", ["# "; 3]),
    ("stats", ["SINCE ROUTER JOBS FAILED MEDIAN P95 LONGEST"; 3], "deploy", ["# deploy_the_shop_"; 3]),
    ("results sized result", ["JOB TASK STATUS ENDED VALUE"; 3], "measure", ["# measure succeeded "; 3]),
    ("executors", ["NAME TYPE"; 3], "sh", ["sh local"; 3]),
    ("next -n 1", ["TIME IN TRIGGER SCHEDULE"; 3], "nightly", ["# in "; 3]),
    (
        "explain last:quick",
        [
            "ROUTER TASK SELECTOR MATCHED JOB",
            "ROUTER TASK SELECTOR MATCHED JOB REASON",
            "ROUTER TASK SELECTOR MATCHED JOB REASON",
        ],
        "quick",
        [
            "quick t all yes #",
            "quick t all yes # matches every event",
            "quick t all yes # matches every event",
        ],
    ),
];

#[test]
fn every_table_fits_its_terminal() {
    let place = Place::new();
    let daemon = Daemon::start(&place, CONFIG);
    assert_eq!(post_json(daemon.address("hook"), br#"{"ref": "refs/heads/main"}"#).status, 200);
    until("both jobs have ended, and the node is known", || {
        let jobs = place.run("heraldd", &["jobs", "-c", "heraldd.yml"]).stdout;
        let nodes = place.run("heraldd", &["nodes", "-c", "heraldd.yml"]).stdout;
        (jobs.matches("succeeded").count() == 2 && jobs.contains("failed") && nodes.contains("offline"))
            .then_some(())
    });
    let waits = ["pause", "waits_for_the_maintenance_to_end"];
    for act in
        [&["pause", "quick", "--reason", REASON][..], &["resume", "quick"], &waits, &["trigger", "later"]]
    {
        let ended = place.run("heraldd", &[act, &["-c", "heraldd.yml"]].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.text());
    }
    for (command, header, part, lines) in TABLES {
        for (n, width) in [80, 120, 200].into_iter().enumerate() {
            let shown = at_width(&place, width, command);
            let whole = shown.join("\n");
            // How much is cut of a name depends on how long the times beside it are.
            assert!(masked(&shown[0]).starts_with(header[n]), "{command} at {width}:\n{whole}");
            let line = shown.iter().skip(1).find(|line| line.contains(part)).map(|line| masked(line));
            assert!(line.is_some_and(|line| line.starts_with(lines[n])), "{command} at {width}:\n{whole}");
            for line in &shown {
                assert!(line.chars().count() <= width, "{command} at {width}, wider:\n{whole}");
            }
        }
    }
    // The status has a table, too, and paths that are never cut.
    for width in [80, 120, 200] {
        let shown = at_width(&place, width, "status").join("\n");
        assert!(shown.contains("exit code 12: ") && shown.contains("DURATION  ERROR"), "{width}:\n{shown}");
    }
}

/// What is longer than this is one word, such as a path, or an example to copy.
#[test]
fn the_help_of_every_command_is_as_wide_as_the_terminal() {
    let place = Place::new();
    let all = place.run("heraldd", &["--help"]).stdout;
    let listed = all.lines().filter_map(|line| line.strip_prefix("  "));
    let listed = listed.filter(|line| line.starts_with(char::is_lowercase));
    let names = listed.filter_map(|line| line.split(' ').next()).collect::<Vec<_>>();
    assert!(names.len() > 40, "{all}");
    for name in ["", "import webhook"].into_iter().chain(names) {
        let line = format!("stty cols 80; {} {name} --help", built("heraldd").display());
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).current_dir(place.path(".")).env("NO_COLOR", "1");
        let shown = run_to_end(&mut script).stdout.replace('\r', "");
        assert!(shown.contains("Usage: heraldd"), "{name}: {shown}");
        for line in shown.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
}

#[test]
fn log_lines_are_broken_between_words() {
    for width in [80, 120, 200] {
        let place = Place::new();
        place.config_as("heraldd.yml", CONFIG);
        let line = format!("stty cols {width}; exec {} -config heraldd.yml", built("heraldd").display());
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).current_dir(place.path(".")).env("NO_COLOR", "1");
        let daemon = Program::start(&mut script);
        daemon.wait_for(&["heraldd is ready"]);
        let fired = place
            .run("heraldd", &["trigger", "hook", "-p", "ref=refs/heads/main", "-w", "-c", "heraldd.yml"]);
        assert_eq!(fired.code, Some(1), "{}", fired.text());
        daemon.wait_for(&["job failed: exit code 12: rsync: connection"]);
        daemon.signal("TERM");
        let _ = daemon.wait_end();
        let log = daemon.log();
        // What a path of this machine makes wider is a single word.
        for line in log.lines().filter(|line| line.trim().contains(' ') && !line.contains("/tmp/")) {
            assert!(line.trim_end_matches('\r').chars().count() <= width, "{width}:\n{log}");
        }
        let whole = log.split_whitespace().collect::<Vec<_>>().join(" ");
        let error = "rsync: connection unexpectedly closed, 0 bytes received so far: no space left on the device of \
                     /srv/www/shop/releases/2026 deploy_the_shop_to_production/copy_files_and_restart ";
        assert!(whole.contains(error), "{whole}");
        assert!(log.contains("\n         "), "the longest line has a second part at {width}: {log}");
    }
}
