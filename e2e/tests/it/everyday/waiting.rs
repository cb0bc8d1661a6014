//! What a list says of jobs that wait, and how long a job took that had several attempts.

use e2e::daemon::Daemon;
use e2e::place::Place;
use e2e::wait::until;
use serde_json::Value;

const CONFIG: &str = "
state_dir: '@DIR@/state'
trigger: {push: {type: http, port: 0}}
executor: {sh: {type: local, work_dir: '@DIR@/work'}}
router:
  again: {trigger: push, selector: all, task: {t: sh}, job_param: {cmd: 'false'}, policy: {retry: {max: 1, delay: 1s}}}
  later: {trigger: push, selector: all, task: {t: sh}, job_param: {cmd: sh, arg: [-c, 'echo tried; exit 1']}, policy: {retry: {max: 1, delay: 1h}}}
  held: {trigger: push, selector: all, task: {t: sh}, job_param: {cmd: 'true'}}
";

fn printed(place: &Place, typed: &[&str]) -> String {
    let ended = place.run("heraldd", &[typed, &["-c", "heraldd.yml"]].concat());
    assert_eq!(ended.code, Some(0), "{typed:?}: {}", ended.text());
    ended.stdout
}

fn json(place: &Place, typed: &[&str]) -> Value {
    serde_json::from_str(&printed(place, &[typed, &["--json"]].concat())).unwrap()
}

/// The line of a router.
fn line<'a>(table: &'a str, router: &str) -> &'a str {
    table.lines().find(|line| line.contains(router)).unwrap_or_else(|| panic!("{router}: {table}"))
}

#[test]
fn queued_jobs_say_what_they_wait_for_and_retried_jobs_how_long_they_took_as_a_whole() {
    let place = Place::new();
    let daemon = Daemon::start(&place, CONFIG);
    daemon.wait_for(&["heraldd is ready"]);
    printed(&place, &["pause", "held"]);
    printed(&place, &["trigger", "push"]);
    let jobs = until("the retried job has ended, and the others wait", || {
        let jobs = printed(&place, &["jobs"]);
        (jobs.matches("queued").count() == 2 && jobs.contains("failed")).then_some(jobs)
    });
    // The time of the next attempt is that of this machine, as everywhere for people.
    let retry = json(&place, &["job", "last:later"]);
    let at = retry["retry_at"].as_str().unwrap();
    assert_eq!(retry["waits_for"], format!("a retry, at {at}"), "{retry}");
    assert!(line(&jobs, "later").contains("  waits for a retry, at 20"), "{jobs}");
    assert!(!jobs.contains(at), "{jobs}");
    // Until that one has begun, the output is that of the attempt before.
    assert_eq!(printed(&place, &["logs", "last:later"]), "tried\n");
    assert!(line(&jobs, "held").ends_with("  waits for router held, which is paused"), "{jobs}");
    let listed = json(&place, &["jobs", "--router", "held"]);
    assert_eq!(listed["items"][0]["waits_for"], "router held, which is paused", "{listed}");

    // Two attempts of some milliseconds, and a second between them.
    assert!(line(&jobs, "again").contains("  1."), "{jobs}");
    let alone = printed(&place, &["job", "last:again"]);
    assert!(line(&alone, "Duration ").split_whitespace().nth(1).unwrap().starts_with("1."), "{alone}");
    let attempts: Vec<&str> = alone.lines().filter(|line| line.contains(" failed ")).collect();
    assert!(attempts.len() >= 2 && attempts.iter().all(|line| line.contains(" ms ")), "{alone}");
}
