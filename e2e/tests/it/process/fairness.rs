//! Contract, section 16: fairness.
//!
//! | sentence | test |
//! |---|---|
//! | `max_jobs` holds for each executor; `none` and `print` need no place; a job on another executor starts within 1 s, one on the same executor gets the next free place | `a_busy_router_holds_up_nobody` |
//! | one trigger never has more than half of the queue: another trigger's event is accepted | `a_greedy_trigger_closes_no_other_one` |
//! | accepted events get their verdict: what waits for a selector stays waiting, across restarts | `what_waits_for_a_selector_survives_kills` |
//! | waiting HTTP answers never close a port to others | `requests_that_wait_for_their_jobs_close_no_port` |
//! | half-closed clients get their answer | `a_half_closed_client_gets_its_answer` |

use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use e2e::daemon::{Daemon, HEAD};
use e2e::http::{Message, Response, connect, post_json, send};
use e2e::place::Place;
use e2e::wait::{until, until_within};
use serde_json::{Value, json};

const TRIGGERS: &str = "
trigger:
  manual: {type: http, port: 0}
  other: {type: http, port: 0}
executor:
  here: {type: local, work_dir: '@DIR@/work'}
  there: {type: local, work_dir: '@DIR@/work2', max_jobs: 2}
";

const GATED: &str = "echo x >>@DIR@/started; while ! test -e @DIR@/go; do sleep 0.05; done";

fn post(address: SocketAddr, body: &Value) -> Response {
    post_json(address, body.to_string().as_bytes())
}

#[test]
fn a_busy_router_holds_up_nobody() {
    let place = Place::new();
    let (busy, quick) = (place.script("busy.sh", GATED), place.script("quick.sh", "echo x >>@DIR@/quick"));
    let config = format!(
        "max_jobs: 4\n{TRIGGERS}
router:
  busy: {{trigger: manual, selector: all, task: {{t: here, u: there}}, job_param: {{cmd: {busy}}}}}
  free: {{trigger: other, selector: all, task: {{p: print, n: none}}}}
  quick: {{trigger: other, selector: all, task: {{q: quick}}, job_param: {{cmd: {quick}}}}}
  same: {{trigger: other, selector: all, task: {{s: here}}, job_param: {{cmd: {quick}}}}}
"
    );
    let config = config.replace("router:\n", "  quick: {type: local, work_dir: '@DIR@/work3'}\nrouter:\n");
    let daemon = Daemon::start(&place, &config);
    for _ in 0..20 {
        daemon.post(&json!({}));
    }
    until("all places are taken", || (place.count("started") == 6).then_some(()));
    let began = Instant::now();
    assert_eq!(post(daemon.address("other"), &json!({})).status, 200);
    until("the one on another executor", || (place.count("quick") == 1).then_some(()));
    daemon.wait_print("the printed one", |job| job["task"] == "p");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!((place.count("started"), place.count("quick")), (6, 1));
    place.write("go", "");
    until("the next place", || (place.count("quick") == 2).then_some(()));
    assert!(place.count("started") < 40, "it did not wait for all");
}

#[test]
fn a_greedy_trigger_closes_no_other_one() {
    let place = Place::new();
    let busy = place.script("busy.sh", GATED);
    let config = format!(
        "max_jobs: 1\nmax_queue: 20\n{TRIGGERS}
router:
  busy: {{trigger: manual, selector: all, task: {{t: here}}, job_param: {{cmd: {busy}}}}}
  free: {{trigger: other, selector: all, task: {{p: print}}}}
"
    );
    let daemon = Daemon::start(&place, &config);
    let (greedy, other) = (daemon.address("manual"), daemon.address("other"));
    let refused =
        until("it has its share", || Some(post(greedy, &json!({}))).filter(|answer| answer.status != 200));
    assert_eq!((refused.status, refused.get("retry-after").is_some()), (429, true));
    for _ in 0..10 {
        assert_eq!(post(other, &json!({})).status, 200);
        assert_eq!(post(greedy, &json!({})).status, 429);
    }
    place.write("go", "");
}

#[test]
fn what_waits_for_a_selector_survives_kills() {
    let place = Place::new();
    let slow = place.script("slow.sh", "sleep 0.4");
    let config = format!(
        "state_dir: '@DIR@/state'\n{HEAD}
selector: {{slow: {{type: external, program: {slow}}}}}
router:
  run: {{trigger: manual, selector: slow, task: {{p: local_command}}, job_param: {{cmd: {}}},
    policy: {{retry: {{max: 9, delay: 10ms, on: [lost]}}}}}}
",
        place.script("job.sh", "echo x >>@DIR@/ran")
    );
    let mut daemon = Daemon::start(&place, &config);
    for _ in 0..150 {
        daemon.post(&json!({}));
    }
    for _ in 0..2 {
        daemon.signal("KILL");
        drop(daemon);
        daemon = Daemon::start(&place, &config);
        std::thread::sleep(Duration::from_millis(700));
    }
    until_within(Duration::from_secs(60), "every verdict", || (place.count("ran") >= 150).then_some(()));
    drop(daemon);
}

const WAITING: &str = "
trigger:
  waits: {type: http, port: 0, path: /waits, respond: result, respond_timeout: 1m}
  manual: {type: http, port: 0, path: /now}
executor:
  here: {type: local, work_dir: '@DIR@/work', max_jobs: 1000}
";

#[test]
fn requests_that_wait_for_their_jobs_close_no_port() {
    let place = Place::new();
    let port = e2e::http::free_port();
    let busy = place.script("busy.sh", GATED);
    let config = format!(
        "{}
router:
  busy: {{trigger: waits, selector: all, task: {{t: here}}, job_param: {{cmd: {busy}}}, policy: {{concurrency: {{limit: 1}}}}}}
  free: {{trigger: manual, selector: all, task: {{p: print}}}}
",
        WAITING.replace("port: 0", &format!("port: {port}"))
    );
    let daemon = Daemon::start(&place, &config);
    until("the listener", || daemon.said("http trigger waits listening on ").then_some(()));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let request = |path: &str| Message::request("POST", path, &[("Content-Type", "application/json")], b"{}");
    let mut waiting = Vec::new();
    for _ in 0..128 {
        let mut client = connect(address);
        client.write_all(&request("/waits").bytes()).unwrap();
        waiting.push(client);
    }
    let refused = until("no more may wait", || {
        let mut client = connect(address);
        client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let answer = e2e::http::exchange(&mut client, &request("/waits").bytes(), false);
        waiting.push(client);
        answer
    });
    assert_eq!((refused.status, refused.get("retry-after").is_some()), (503, true));
    let began = Instant::now();
    for _ in 0..10 {
        assert_eq!(send(address, &request("/now")).status, 200);
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    place.write("go", "");
}

#[test]
fn a_half_closed_client_gets_its_answer() {
    let place = Place::new();
    let daemon = Daemon::start(
        &place,
        "trigger: {manual: {type: http, port: 0}}\nrouter: {r: {trigger: manual, selector: all, task: {p: print}}}\n",
    );
    for _ in 0..20 {
        let mut client = connect(daemon.address("manual"));
        let request = Message::request("POST", "/", &[("Content-Type", "application/json")], b"{}");
        client.write_all(&request.bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let answer = Message::read(&mut std::io::BufReader::new(client), true);
        assert!(answer.is_some_and(|answer| answer.start.starts_with("HTTP/1.1 200")));
    }
}
