//! Contract, section 12: `policy: {keep: failed}`, `concurrency: {ordered: true}` and `heartbeat()`.
//!
//! | sentence | test |
//! |---|---|
//! | `keep: failed` keeps routine successes out of the history | `routine_successes_stay_out_of_the_history` |
//! | `ordered: true`: a job that waits for its retry keeps its place, over restarts as well | `reports_of_a_key_arrive_in_order` |
//! | the heartbeat: `tick` → `http_request`, with the original's fields first | `a_heartbeat_is_sent` |

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use e2e::daemon::{DONE, Daemon};
use e2e::fake::Fake;
use e2e::http::{Message, send_unix};
use e2e::place::Place;
use e2e::program::run_to_end;
use e2e::wait::until;
use herald_core::clock::Clock as _;
use serde_json::{Value, json};

fn get(place: &Place, path: &str) -> Value {
    let headers = [("Host", "localhost"), ("Connection", "close")];
    let request = Message::request("GET", path, &headers, b"");
    send_unix(&place.path("state/heraldd.sock"), &request).json()
}

#[test]
fn routine_successes_stay_out_of_the_history() {
    for (keep, kept) in [("failed", 1), ("none", 0)] {
        let place = Place::new();
        let config = format!(
            "state_dir: '@DIR@/state'\ntrigger: {{manual: {{type: http, port: 0}}}}\nexecutor: {{local: {{work_dir: '@DIR@/work'}}}}\n\
             router:\n  run: {{trigger: manual, selector: all, task: {{t: local}}, job_param: {{cmd: sh, arg: [-c, 'echo out; exit \
             \"$CODE\"'], env: {{CODE: '{{{{ trigger_param.code }}}}'}}}}, policy: {{keep: {keep}}}}}\n{DONE}"
        );
        let daemon = Daemon::start(&place, &config);
        let events: Vec<String> =
            [0, 0, 3, 0].iter().map(|code| daemon.post(&json!({"code": code}))).collect();
        let ends: Vec<Value> = events.iter().map(|event| daemon.done(event)).collect();
        assert_eq!(ends.iter().filter(|end| end["success"] == true).count(), 3, "exe_done fires in any case");
        let jobs = || get(&place, "/v1/jobs?router=run")["items"].as_array().unwrap().clone();
        until("the history", || (jobs().len() == kept).then_some(()));
        for (event, end) in events.iter().zip(&ends) {
            let is_kept = keep == "failed" && end["success"] == false;
            let status = |path: String| get(&place, &path)["status"].as_u64();
            let expected = (!is_kept).then_some(404);
            assert_eq!(status(format!("/v1/events/{event}")), expected, "{keep} {end}");
        }
        let metrics = send_unix(
            &place.path("state/heraldd.sock"),
            &Message::request("GET", "/metrics", &[("Connection", "close")], b""),
        );
        let metrics = metrics.text();
        let counted =
            metrics.lines().find(|line| line.contains("router=\"run\"") && line.contains("succeeded"));
        assert!(counted.is_some_and(|line| line.ends_with(" 3")), "{metrics}");
        let waited = run_to_end(
            place
                .bare("heraldd")
                .args(["trigger", "manual", "--wait", "-d", "{\"code\": 0}"])
                .arg("--socket")
                .arg(place.path("state/heraldd.sock")),
        );
        assert_eq!(waited.code, Some(0), "{}", waited.text());
        // The journal has nothing against it after a restart, either.
        daemon.signal("KILL");
        let _ = daemon.wait_end();
        let daemon = Daemon::start(&place, &config);
        daemon.address("manual");
        assert_eq!(jobs().len(), kept);
    }
}

/// Where a report is, and which one.
type Reports = Arc<Mutex<HashMap<String, Vec<u64>>>>;

#[test]
fn reports_of_a_key_arrive_in_order() {
    let (up, reports) = (Arc::new(AtomicBool::new(false)), Reports::default());
    let (is_up, kept) = (up.clone(), reports.clone());
    let server = Fake::start(move |request| {
        if !is_up.load(Ordering::SeqCst) {
            return Some(Message::response(503, &[], b""));
        }
        let report: Value = serde_json::from_slice(&request.body).unwrap();
        let key = report["key"].as_str().unwrap().to_owned();
        kept.lock().unwrap().entry(key).or_default().push(report["n"].as_u64().unwrap());
        Some(Message::response(200, &[], b""))
    });
    let place = Place::new();
    let policy = "{retry: {max: 100, delay: 300ms, max_delay: 600ms, on: [failed, timed_out, lost]}, concurrency: {limit: 1, key: \
                  trigger_param/key, ordered: true}}";
    let config = format!(
        "state_dir: '@DIR@/state'\ntrigger: {{manual: {{type: http, port: 0}}}}\nrouter:\n  run: {{trigger: manual, selector: all, task: \
         {{t: http_request}}, job_param: {{url: 'http://{}/', json: '{{{{ trigger_param }}}}'}}, policy: {policy}}}\n",
        server.address()
    );
    let daemon = Daemon::start(&place, &config);
    for n in 0..6 {
        daemon.post(&json!({"key": if n % 2 == 0 { "a" } else { "b" }, "n": n}));
    }
    until("attempts of both keys", || (server.seen().len() >= 4).then_some(()));
    daemon.signal("KILL");
    let _ = daemon.wait_end();
    let daemon = Daemon::start(&place, &config);
    daemon.post(&json!({"key": "a", "n": 6}));
    let before = server.seen().len();
    until("attempts after the restart", || (server.seen().len() >= before + 4).then_some(()));
    up.store(true, Ordering::SeqCst);
    let all = || reports.lock().unwrap().clone();
    until("all reports", || (all().values().map(Vec::len).sum::<usize>() >= 7).then_some(()));
    assert_eq!((&all()["a"][..], &all()["b"][..]), (&[0, 2, 4, 6][..], &[1, 3, 5][..]));
}

#[test]
fn a_heartbeat_is_sent() {
    let server = Fake::answering(Message::response(200, &[], b""));
    let place = Place::new();
    let config = format!(
        "state_dir: '@DIR@/state'\ntrigger: {{beat: {{type: tick, interval: 1}}}}\nrouter:\n  heartbeat: {{trigger: beat, selector: all, \
         task: {{post: http_request}}, job_param: {{url: 'http://{}', json: '{{{{ heartbeat() }}}}'}}, policy: {{keep: failed}}}}\n",
        server.address()
    );
    let _daemon = Daemon::start(&place, &config);
    until("two heartbeats", || (server.seen().len() >= 2).then_some(()));
    let beat = server.wait_first();
    assert_eq!((beat.target(), beat.get("content-type")), (("POST", "/"), Some("application/json")));
    let text = String::from_utf8(beat.body).unwrap();
    assert!(text.starts_with("{\"version\":\"herald "), "{text}");
    let fields: Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&String> = fields.as_object().unwrap().keys().collect();
    assert_eq!(names[..3], ["version", "hostname", "timestamp"]);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(fields["hostname"], kernel.trim_end());
    let now = herald_core::clock::SystemClock.unix_seconds();
    assert!(now - fields["timestamp"].as_i64().unwrap() < 60, "{text}");
    until("an empty history", || {
        get(&place, "/v1/jobs")["items"].as_array().unwrap().is_empty().then_some(())
    });
}
