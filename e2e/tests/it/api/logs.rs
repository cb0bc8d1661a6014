//! The output of jobs, while they run.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use e2e::daemon::Daemon;
use e2e::place::Place;
use e2e::wait::until;
use serde_json::{Value, json};

use super::{ask, get, heraldd, job_with};

const CONFIG: &str = "
state_dir: '@DIR@/state'
history: {log_limit: 64KiB}
trigger:
  manual: {type: http, port: 0}
executor:
  local_command: {type: local, work_dir: '@DIR@/work'}
router:
  run:
    trigger: manual
    selector: all
    task: {k: local_command}
    job_param: {cmd: '@DIR@/job.sh', env: {MY_TOKEN: hunter2hunter2}}
@MORE@
";

fn start(place: &Place, script: &str, more: &str) -> (Daemon, String) {
    place.script("job.sh", script);
    let daemon = Daemon::start(place, &CONFIG.replace("@MORE@", more));
    let event = daemon.post(&json!({}));
    let job = until("a job", || {
        let jobs = get(place, "/v1/jobs");
        jobs["items"].as_array().unwrap().iter().find(|job| job["event_id"] == event).cloned()
    });
    let id = job["id"].as_str().unwrap().to_owned();
    (daemon, id)
}

fn log(place: &Place, id: &str, query: &str) -> String {
    let answer = ask(place, "GET", &format!("/v1/jobs/{id}/log{query}"), "");
    assert_eq!((answer.status, answer.get("content-type")), (200, Some("text/plain; charset=utf-8")));
    answer.text()
}

/// `heraldd logs -f`, and its lines.
#[expect(clippy::disallowed_methods, reason = "its lines are read as they come")]
fn follow(place: &Place, arguments: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command: Command = place.bare("heraldd");
    let mut child = command.args(["logs", "-f"]).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

#[test]
fn a_log_has_both_streams_in_order_without_secrets() {
    let place = Place::new();
    let script = "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo \"it is $MY_TOKEN\"";
    let (_daemon, id) = start(&place, script, "");
    until("its end", || (get(&place, &format!("/v1/jobs/{id}"))["status"] == "succeeded").then_some(()));
    for (query, expected) in [
        ("", "one\ntwo\nit is ***\n"),
        ("?stream=stdout", "one\nit is ***\n"),
        ("?stream=stderr", "two\n"),
        ("?follow=true", "one\ntwo\nit is ***\n"),
        ("?attempt=1", "one\ntwo\nit is ***\n"),
    ] {
        assert_eq!(log(&place, &id, query), expected, "{query}");
    }
    assert_eq!(heraldd(&place, &["logs", &id]).stdout, "one\ntwo\nit is ***\n");
    assert_eq!(heraldd(&place, &["logs", "--stream", "stderr", &id]).stdout, "two\n");
    for (path, status) in [
        (format!("/v1/jobs/{id}/log?stream=x"), 400),
        (format!("/v1/jobs/{id}/log?folow=true"), 400),
        ("/v1/jobs/nothing/log".to_owned(), 404),
        (format!("/v1/jobs/{id}/log?attempt=2"), 404),
    ] {
        assert_eq!(ask(&place, "GET", &path, "").status, status, "{path}");
    }
    let ended = heraldd(&place, &["logs", "--attempt", "5", &id]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(4), ""), "{}", ended.text());
    assert!(ended.stderr.contains("there is no attempt 5: the job has one attempt"), "{}", ended.text());
}

#[test]
fn lines_of_a_log_are_found_by_number_time_and_text() {
    let place = Place::new();
    let script = "i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); echo \"line $i\"; done; sleep 0.2; echo oops >&2; sleep 0.2; echo end";
    let (_daemon, id) = start(&place, script, "");
    until("its end", || (get(&place, &format!("/v1/jobs/{id}"))["status"] == "succeeded").then_some(()));
    let numbers = |from: u32, to: u32| (from..=to).map(|n| format!("line {n}\n")).collect::<String>();
    for (query, expected) in [
        ("?from_line=2998", "line 2998\nline 2999\nline 3000\noops\nend\n".to_owned()),
        ("?from_line=10&lines=2", numbers(10, 11)),
        ("?lines=3", numbers(1, 3)),
        ("?tail=2", "oops\nend\n".to_owned()),
        ("?tail=2&stream=stdout", "line 3000\nend\n".to_owned()),
        ("?tail=2&stream=stderr", "oops\n".to_owned()),
        ("?around=1500&lines=3", numbers(1499, 1501)),
        ("?from_line=4000", String::new()),
    ] {
        assert_eq!(log(&place, &id, query), expected, "{query}");
    }
    let page = get(&place, &format!("/v1/jobs/{id}/log?search=line%20299&from_line=2991&lines=3"));
    let texts: Vec<_> = page["lines"].as_array().unwrap().iter().map(|line| &line["text"]).collect();
    assert_eq!(texts, ["line 2991", "line 2992", "line 2993"], "{page}");
    assert_eq!(
        (&page["next_line"], &page["incomplete"], &page["attempt"]),
        (&json!(2994), &json!(false), &json!(1))
    );
    let page = get(&place, &format!("/v1/jobs/{id}/log?tail=1&format=json"));
    let end = &page["lines"][0];
    assert_eq!((&end["line"], &end["stream"], &end["text"]), (&json!(3002), &json!("stdout"), &json!("end")));
    assert_eq!(page["next_line"], Value::Null);
    let at = end["at"].as_str().unwrap();
    let around = get(&place, &format!("/v1/jobs/{id}/log?around={at}&lines=1&format=json"));
    assert_eq!(around["lines"][0]["text"], "end", "{around}");

    let tail = heraldd(&place, &["logs", "-n", "2", &id]);
    assert_eq!((tail.code, tail.stdout.as_str()), (Some(0), "oops\nend\n"), "{}", tail.text());
    for query in [
        "?from_line=0",
        "?lines=10001",
        "?tail=1&lines=1",
        "?tail=1&from_line=1",
        "?around=soon",
        "?search=x&tail=1",
        "?tail=1&follow=true",
    ] {
        let answer = ask(&place, "GET", &format!("/v1/jobs/{id}/log{query}"), "");
        assert_eq!(
            (answer.status, answer.get("content-type")),
            (400, Some("application/problem+json")),
            "{query}"
        );
    }
}

/// A job that writes the time, line after line.
const TELLS_THE_TIME: &str = "for n in 1 2 3 4 5 6 7 8 9 10; do date +%s%N; sleep 0.1; done; echo end";

/// Follows such a job to its end: most of its lines come within 200 ms.
#[expect(clippy::disallowed_methods, reason = "the clock that the job reads")]
fn assert_live(place: &Place, id: &str) {
    let (mut child, lines) = follow(place, &[id]);
    let mut late = Vec::new();
    for line in lines.lines() {
        let line = line.unwrap();
        if let Ok(written) = line.parse::<u128>() {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            late.push(now.as_nanos().saturating_sub(written) / 1_000_000);
        } else {
            assert_eq!(line, "end");
        }
    }
    assert!(child.wait().unwrap().success(), "following ends with the job");
    assert_eq!(late.len(), 10);
    late.sort_unstable();
    // Of those that were written while somebody followed, most come at once, also on a busy machine.
    assert!(late[4] < 200, "milliseconds from the job to the follower: {late:?}");
}

#[test]
fn a_running_job_is_followed_live() {
    let place = Place::new();
    let (_daemon, id) = start(&place, TELLS_THE_TIME, "");
    assert_live(&place, &id);
}

#[test]
fn a_remote_job_is_followed_live() {
    let place = Place::new();
    let runner = e2e::runner::Runner::start(&place, "");
    let script = place.script("remote.sh", TELLS_THE_TIME);
    let config = e2e::runner::remote_config(runner.address(), "wire: 2", &json!({"cmd": script}));
    let daemon = Daemon::start(&place, &format!("state_dir: '@DIR@/state'\n{config}"));
    let job = job_with(&place, &daemon.post(&json!({})), "running");
    assert_live(&place, job["id"].as_str().unwrap());
}

#[test]
fn following_begins_before_the_job_and_goes_on_with_its_attempts() {
    let place = Place::new();
    // The second job waits for a file of its own.
    let script = "case \"$HERALD_EXECUTE_PARAM\" in *second*) go=go2;; *) go=go;; esac
        echo attempt; while ! test -e @DIR@/$go; do sleep 0.02; done; exit 1";
    let policy = "    policy: {retry: {max: 1, delay: 10ms}, concurrency: {limit: 1}}";
    let (daemon, first) = start(&place, script, policy);
    let second = job_with(&place, &daemon.post(&json!({"name": "second"})), "queued");
    let second = second["id"].as_str().unwrap();
    let (mut child, lines) = follow(&place, &[second]);
    let mut lines = lines.lines().map(Result::unwrap);
    place.write("go", "");
    // A client follows from the attempt that runs when it connects: the first one ends once it is seen.
    assert_eq!(lines.next().as_deref(), Some("attempt"));
    place.write("go2", "");
    assert_eq!(lines.collect::<Vec<_>>(), ["attempt"]);
    assert!(child.wait().unwrap().success());
    assert_eq!(log(&place, &first, "?attempt=1"), "attempt\n");
    let job = get(&place, &format!("/v1/jobs/{second}"));
    assert_eq!((job["attempts"].as_array().unwrap().len(), &job["status"]), (2, &json!("failed")));
}

#[test]
fn a_log_is_bounded_and_goes_with_its_job() {
    let place = Place::new();
    let (daemon, id) = start(&place, "head -c 200000 /dev/zero | tr '\\0' x", "");
    until("its end", || (get(&place, &format!("/v1/jobs/{id}"))["status"] == "succeeded").then_some(()));
    let text = log(&place, &id, "");
    let (kept, remark) = text.split_at(64 << 10);
    assert!(kept.bytes().all(|byte| byte == b'x') && remark.contains("log_limit"), "{remark}");
    let files = |place: &Place| {
        let days = std::fs::read_dir(place.path("state/log")).into_iter().flatten();
        let files = days.flat_map(|day| std::fs::read_dir(day.unwrap().path()).unwrap());
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    // The log, and its line index.
    let first = files(&place);
    assert!((1..=2).contains(&first.len()) && first.iter().all(|name| name.starts_with(&id)), "{first:?}");
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));
    let config = CONFIG.replace("@MORE@", "").replace("{log_limit: 64KiB}", "{max_jobs: 1}");
    place.script("job.sh", "echo short");
    let daemon = Daemon::start(&place, &config);
    daemon.post(&json!({}));
    until("the first job's log is gone", || {
        let left = get(&place, "/v1/jobs")["items"].as_array().unwrap().len();
        let files = files(&place);
        // Both files of the first job are removed: the log and its line index.
        (left == 1 && !files.is_empty() && files.iter().all(|name| !name.starts_with(&id))).then_some(())
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "its lines are read as they come")]
fn changes_are_streamed() {
    let place = Place::new();
    let (daemon, _) = start(&place, "echo x", "");
    let mut command = Command::new("curl");
    command.args([
        "-sN",
        "--unix-socket",
        &place.text_path("state/heraldd.sock"),
        "http://localhost/v1/stream",
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // Until the stream is open nothing that happens is in it: make something happen until it shows.
    let stop = std::sync::atomic::AtomicBool::new(false);
    let first = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                daemon.post(&json!({}));
            }
        });
        let first = lines.next().unwrap();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        first
    });
    assert!(first.starts_with("event: "), "{first}");
    let event = daemon.post(&json!({}));
    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("succeeded") {
        let Some(data) = lines.next().unwrap().strip_prefix("data: ").map(str::to_owned) else { continue };
        let change: Value = serde_json::from_str(&data).unwrap();
        if change["kind"] == "event" && change["id"] == event {
            seen.push("event".to_owned());
        } else if change["event_id"] == event {
            seen.push(change["status"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(seen, ["event", "queued", "running", "succeeded"]);
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0), "an open stream does not hold up the end");
    assert!(child.wait().is_ok());
}

#[test]
fn a_remote_job_is_followed_cancelled_and_run_again() {
    let place = Place::new();
    let runner = e2e::runner::Runner::start(&place, "");
    let script = place.script(
        "remote.sh",
        "echo one; echo two >&2; while ! test -e @DIR@/go; do sleep 0.02; done; echo end",
    );
    let config = e2e::runner::remote_config(runner.address(), "wire: 2", &json!({"cmd": script}));
    let daemon = Daemon::start(&place, &format!("state_dir: '@DIR@/state'\n{config}"));
    let job = job_with(&place, &daemon.post(&json!({})), "running");
    let id = job["id"].as_str().unwrap();
    let (mut child, lines) = follow(&place, &[id]);
    let mut lines = lines.lines().map(Result::unwrap);
    let mut first = [lines.next().unwrap(), lines.next().unwrap()];
    first.sort();
    assert_eq!(first, ["one", "two"], "while it runs");
    assert_eq!(heraldd(&place, &["cancel", id]).code, Some(0));
    assert_eq!(lines.next(), None);
    assert!(child.wait().unwrap().success());
    until("its end", || (get(&place, &format!("/v1/jobs/{id}"))["status"] == "cancelled").then_some(()));
    place.write("go", "");
    let again = heraldd(&place, &["retry", "--wait", "--json", id]);
    let jobs: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(jobs[0]["status"], "succeeded", "{}", again.text());
    let text = log(&place, jobs[0]["id"].as_str().unwrap(), "?stream=stdout");
    assert_eq!(text, "one\nend\n");
}

#[test]
fn the_log_of_a_remote_job_survives_the_daemon() {
    let place = Place::new();
    let runner = e2e::runner::Runner::start(&place, "");
    let script = place.script(
        "remote.sh",
        "echo one; while ! test -e @DIR@/next; do sleep 0.02; done; echo two; while ! test -e @DIR@/go; do sleep 0.02; done; echo end",
    );
    let config = e2e::runner::remote_config(runner.address(), "wire: 2", &json!({"cmd": script}));
    let config = format!("state_dir: '@DIR@/state'\n{config}");
    let daemon = Daemon::start(&place, &config);
    let job = job_with(&place, &daemon.post(&json!({})), "running");
    let id = job["id"].as_str().unwrap();
    until("its first line", || (log(&place, id, "") == "one\n").then_some(()));
    daemon.signal("KILL");
    assert_eq!(daemon.wait_end(), None);
    place.write("next", "");
    let daemon = Daemon::start(&place, &config);
    daemon.address("manual");
    until("its second line", || (log(&place, id, "") == "one\ntwo\n").then_some(()));
    place.write("go", "");
    assert_eq!(log(&place, id, "?follow=true"), "one\ntwo\nend\n");
}
