//! Requests with an `Idempotency-Key`, and forms of the page, act once. Contract, sections 8 and 15.

use std::net::SocketAddr;

use e2e::daemon::Daemon;
use e2e::http::{Message, Response, send};
use e2e::place::Place;
use e2e::wait::until;

const CONFIG: &str = "
state_dir: '@DIR@/state'
api: {port: 0}
page: {port: 0}
access: {token: {ci: {secret: operator-0123456789, role: operator}, two: {secret: operator-9876543210, role: operator}}}
trigger: {hook: {type: cron, cron: '@yearly'}}
executor: {sh: {type: local, work_dir: '@DIR@/work'}}
router: {r: {trigger: hook, selector: all, task: {run: sh}, job_param: {cmd: sh, arg: [-c, 'echo x >> @DIR@/runs']}}}
";
const OWN: (&str, &str) = ("Origin", "http://localhost");
const CI: &str = "Bearer operator-0123456789";

fn start(place: &Place) -> (Daemon, SocketAddr, SocketAddr) {
    let daemon = Daemon::start(place, CONFIG);
    let listens = |marker: &'static str| {
        daemon.wait_pick(marker, |line| line.split_once(marker)?.1.trim().parse::<SocketAddr>().ok())
    };
    let (api, page) = (listens("the control API listens on "), listens("the page listens on "));
    daemon.wait_for(&["heraldd is ready"]);
    (daemon, api, page)
}

fn post(api: SocketAddr, token: &str, path: &str, key: &str, body: &str) -> Response {
    let headers = [("Authorization", token), ("Idempotency-Key", key), ("Content-Type", "application/json")];
    send(api, &Message::request("POST", path, &headers, body.as_bytes()))
}

#[test]
fn a_request_that_is_sent_again_acts_once_also_after_a_restart() {
    let place = Place::new();
    let (daemon, api, _) = start(&place);
    let fire = |api, token, key, body| post(api, token, "/v1/triggers/hook", key, body);
    let first = fire(api, CI, "k", "{}");
    assert_eq!((first.status, first.get("idempotent-replayed")), (200, None), "{first:?}");
    let same = |again: &Response| {
        let found = (again.status, again.get("idempotent-replayed"), again.text());
        assert_eq!(found, (200, Some("true"), first.text()));
        assert_eq!(again.get("content-type"), first.get("content-type"));
    };
    same(&fire(api, CI, "k", "{}"));
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));
    let (_daemon, api, _) = start(&place);
    same(&fire(api, CI, "k", "{}"));
    let different = fire(api, CI, "k", r#"{"a": 1}"#);
    assert_eq!(
        (different.status, different.text().contains("use another key")),
        (422, true),
        "{different:?}"
    );
    assert_eq!(fire(api, "Bearer operator-9876543210", "k", "{}").get("idempotent-replayed"), None);
    assert_eq!(fire(api, CI, "not a key", "{}").status, 400);
    until("two jobs", || (place.count("runs") == 2).then_some(()));
    // An act of another kind: the pause of a router.
    let pause = |key| post(api, CI, "/v1/routers/r/pause", key, "");
    let paused = pause("p");
    assert_eq!(paused.status, 200, "{paused:?}");
    assert_eq!(pause("p").text(), paused.text(), "since the first time");
}

#[test]
fn a_form_that_is_sent_twice_acts_once() {
    let place = Place::new();
    let (_daemon, _, page) = start(&place);
    let ask = |method: &str, path: &str, body: &str| {
        let headers = [("Authorization", CI), OWN, ("Content-Type", "application/x-www-form-urlencoded")];
        send(page, &Message::request(method, path, &headers, body.as_bytes()))
    };
    let key = || {
        let screen = ask("GET", "/routers", "").text();
        let field = screen.split_once("name=\"idempotency_key\" value=\"").unwrap().1;
        field.split('"').next().unwrap().to_owned()
    };
    let (one, two) = (key(), key());
    assert!(one.len() == 32 && one != two, "{one} {two}");
    let fire = |key: &str, reason: &str| {
        let fired = ask("POST", "/triggers/hook", &format!("idempotency_key={key}&reason={reason}"));
        assert_eq!(fired.status, 303, "{fired:?}");
        fired.get("location").unwrap().to_owned()
    };
    let first = fire(&one, "x");
    assert_eq!(fire(&one, "x"), first, "the same form");
    assert_ne!(fire(&one, "y"), first, "another reason");
    assert_ne!(fire(&two, "x"), first, "another screen");
    let wrong = |key: &str| ask("POST", "/triggers/hook", &format!("idempotency_key={key}&params=nonsense"));
    for _ in 0..2 {
        let refused = wrong(&one);
        assert!(refused.status == 400 && refused.text().contains("must be a JSON object"), "{refused:?}");
    }
    until("three jobs", || (place.count("runs") == 3).then_some(()));
}
