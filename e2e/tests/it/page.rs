//! Contract, section 15, the page: what is true of it without a browser.
//!
//! | sentence | test |
//! |---|---|
//! | `heraldd page` opens a random loopback port and prints a one-time link; nothing listens before | `a_link_lets_in_once_and_nothing_listens_before` |
//! | `page: {host, port, base, tls, title, links}`; beyond loopback without a login or without TLS is an error of `check` | `a_page_that_anybody_could_read_is_refused` |
//! | screens are addresses of their own; without a session they lead to the login | `every_address_needs_a_session` |
//! | roles | `viewers_see_no_acts_and_are_refused` |
//! | Routers: how their last jobs ended, and how long they took | `routers_show_how_their_last_jobs_ended` |
//! | works without scripts for reading and acting; every act is recorded | `acts_are_forms_and_recorded` |
//! | sessions end with the logout and the account, and outlive a restart | `sessions_end_with_the_account_and_outlive_a_restart` |
//! | one ends one's own sessions, and an admin those of others: recorded, on the page, by the API and by the command | `sessions_are_ended_by_their_owner_and_by_admins` |
//! | cross-site requests and foreign hosts are refused; strict policy | `requests_of_other_sites_are_refused`, `every_address_needs_a_session` |
//! | no password in clear text from elsewhere | `passwords_are_not_taken_where_others_could_read_them` |
//! | `board`: numbers, lines and tables out of the results of jobs | `a_board_follows_results_digit_for_digit` |
//! | Try: what an event would start, with its final parameters; starts nothing | `a_trial_starts_nothing` |
//! | output of jobs is text; secrets are masked | `what_jobs_say_is_text` |

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use e2e::daemon::Daemon;
use e2e::http::{Message, Response, send};
use e2e::place::Place;
use e2e::program::{Ended, run_to_end};
use e2e::wait::until;
use serde_json::Value;

const PASSWORD: &str = "correct horse";
const OPERATOR: (&str, &str) = ("Authorization", "Bearer operator-0123456789");
const OWN: (&str, &str) = ("Origin", "http://localhost");

const CONFIG: &str = "
state_dir: '@DIR@/state'
access:
  users: users
  token: {ci: {secret: operator-0123456789, role: operator}}
page: {port: 0, base: /herald/, title: Production <b>}
trigger:
  tick: {type: cron, cron: '@yearly'}
  alone: {type: cron, cron: '@yearly'}
  hook: {type: http, unix_socket: '@DIR@/hook.sock', path: '/deploy/{app}', auth: {token: '${file:@DIR@/secret}'}}
executor:
  sh: {type: local, work_dir: '@DIR@/work'}
board:
  shop: {tile: {size: {router: sizes, path: result/size, unit: B, alert: 18446744073709551617}, ratio: {router: sizes, path: result/ratio, show: line}}}
router:
  deploy: {trigger: hook, selector: match_map, task: {touch: sh}, select_param: {match_key: branch, match_value: main}, job_param: {cmd: touch, arg: ['@DIR@/ran', '{{ trigger_param.app }}'], env: {TOKEN: '${file:@DIR@/secret}'}}}
  sizes: {trigger: alone, selector: all, task: {print: sh}, job_param: {cmd: echo, arg: '{\"size\": 18446744073709551617, \"ratio\": 0.10}'}}
  'r<img src=x>': {trigger: tick, selector: all, task: {show: sh}, job_param: {cmd: sh, arg: [-c, 'printf \"\\033[31mred\\033[0m <img src=x onerror=alert(1)>\\n\"; exit 3'], note: '</pre><script>alert(2)</script>', env: {TOKEN: '${file:@DIR@/secret}'}}}
";

/// Every screen and act, without names and ids that exist.
const SCREENS: [&str; 20] = [
    "/",
    "/jobs",
    "/jobs/last",
    "/events",
    "/events/last",
    "/calendar",
    "/graph",
    "/routers",
    "/apps",
    "/apps/x",
    "/apps/x/plan",
    "/nodes",
    "/queues",
    "/published",
    "/boards",
    "/boards/shop",
    "/try",
    "/config",
    "/account",
    "/audit",
];
const ACTS: [&str; 20] = [
    "/jobs/last/cancel",
    "/jobs/last/retry",
    "/events/last/replay",
    "/triggers/tick",
    "/routers/x/pause",
    "/routers/x/resume",
    "/nodes/x/drain",
    "/nodes/x/resume",
    "/try",
    "/apps/x/deploy",
    "/apps/x/rollback",
    "/apps/x/hold",
    "/apps/x/unhold",
    "/queues/x/topics/x/pause",
    "/queues/x/topics/x/resume",
    "/queues/x/topics/x/requeue",
    "/published/x/publish",
    "/reload",
    "/account/end",
    "/logout",
];

struct Served<'a> {
    place: &'a Place,
    daemon: Daemon,
    page: SocketAddr,
}

fn start(place: &Place) -> Served<'_> {
    start_with(place, CONFIG)
}

fn start_with<'a>(place: &'a Place, config: &str) -> Served<'a> {
    let secret = place.write("secret", "hunter2hunter2");
    std::fs::set_permissions(secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let daemon = Daemon::start(place, config);
    let marker = "the page listens on ";
    let page = daemon.wait_pick(marker, |line| line.split_once(marker)?.1.trim().parse().ok());
    daemon.wait_for(&["heraldd is ready"]);
    Served { place, daemon, page }
}

fn heraldd(place: &Place, arguments: &[&str], input: &str) -> Ended {
    let input = place.write("input", input);
    let mut command = place.bare("heraldd");
    command.args(arguments).stdin(std::fs::File::open(input).unwrap());
    run_to_end(&mut command)
}

/// Adds a user, or changes one.
fn user(place: &Place, arguments: &[&str]) {
    let config = ["-config", &place.text_path("heraldd.yml")];
    let ended = heraldd(place, &[&["user"], arguments, &config[..]].concat(), &format!("{PASSWORD}\n"));
    assert_eq!(ended.code, Some(0), "{}", ended.text());
}

/// The cookie that a response sets, as a request has it.
fn cookie(response: &Response) -> String {
    let set = response.get("set-cookie").unwrap_or_else(|| panic!("no cookie: {response:?}"));
    assert!(set.contains("; Path=/herald/;") && set.contains("; HttpOnly; SameSite=Lax"), "{set}");
    set.split(';').next().unwrap().to_owned()
}

impl Served<'_> {
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let path = format!("/herald{path}");
        send(self.page, &Message::request(method, &path, headers, body.as_bytes()))
    }

    fn get(&self, path: &str, cookie: &str) -> Response {
        self.send("GET", path, &[("Cookie", cookie)], "")
    }

    /// As a form of the page itself.
    fn post(&self, path: &str, cookie: &str, body: &str) -> Response {
        self.send("POST", path, &[("Cookie", cookie), OWN], body)
    }

    fn log_in(&self, name: &str) -> String {
        let body = format!("name={name}&password=correct+horse&to=%2Fjobs%3Fstatus%3Dfailed");
        let response = self.send("POST", "/login", &[OWN], &body);
        assert_eq!(response.status, 303, "{response:?}");
        assert_eq!(response.get("location"), Some("/herald/jobs?status=failed"));
        cookie(&response)
    }

    /// The link of `heraldd page`, below the base.
    fn link(&self) -> String {
        let config = self.place.text_path("heraldd.yml");
        let ended = heraldd(self.place, &["page", "-config", &config], "");
        assert_eq!(ended.code, Some(0), "{}", ended.text());
        ended.stdout.trim().split_once("/herald").unwrap().1.to_owned()
    }

    fn as_admin(&self) -> String {
        cookie(&self.send("POST", &self.link(), &[OWN], ""))
    }

    /// Fires the trigger with a form, and waits until its job has ended; gives the job.
    fn run_job(&self, cookie: &str) -> Value {
        let fired = self.post("/triggers/tick", cookie, "params=%7B%22a%22%3A1%7D&reason=because");
        assert_eq!(fired.status, 303, "{fired:?}");
        let event = fired.get("location").unwrap().to_owned();
        let event = event.strip_prefix("/herald/events/").unwrap().split('?').next().unwrap();
        until("the end of the job", || {
            let jobs = self.get("/v1/jobs?status=failed", cookie).json();
            jobs["items"].as_array()?.iter().find(|job| job["event_id"] == event).cloned()
        })
    }
}

#[test]
fn a_link_lets_in_once_and_nothing_listens_before() {
    let place = Place::new();
    let daemon = Daemon::start(&place, "state_dir: '@DIR@/state'\n");
    daemon.wait_for(&["heraldd is ready"]);
    assert!(!daemon.said("listens on"), "{}", daemon.log());
    let config = place.text_path("heraldd.yml");
    let ended = heraldd(&place, &["page", "-config", &config], "");
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    let (address, path) = ended.stdout.trim().strip_prefix("http://").unwrap().split_once('/').unwrap();
    let address: SocketAddr = address.parse().unwrap();
    assert!(address.ip().is_loopback());
    let path = format!("/{path}");
    let call = |method: &str| send(address, &Message::request(method, &path, &[], b""));
    // What only looks at the link does not use it.
    for _ in 0..2 {
        let shown = call("GET");
        assert!(shown.status == 200 && shown.text().contains("<button"), "{shown:?}");
    }
    let first = call("POST");
    assert_eq!((first.status, first.get("location")), (303, Some("/")));
    assert_eq!([call("POST").status, call("GET").status], [403, 403]);
    let set = first.get("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let now = send(address, &Message::request("GET", "/", &[("Cookie", &set)], b""));
    assert!(now.status == 200 && now.text().contains("<h1><bdi>Now</bdi></h1>"), "{now:?}");
    // A second link leads to the same port, and both sessions last.
    let again = heraldd(&place, &["page", "-config", &config], "").stdout;
    assert!(again.contains(&address.to_string()), "{again}");
}

#[test]
fn every_address_needs_a_session() {
    let place = Place::new();
    let served = start(&place);
    user(&place, &["add", "anna", "--role", "operator"]);
    for (path, method) in
        SCREENS.iter().map(|path| (path, "GET")).chain(ACTS.iter().map(|path| (path, "POST")))
    {
        let response = served.send(method, path, &[OWN], "");
        let location = response.get("location").unwrap_or_default().to_owned();
        assert_eq!(response.status, 303, "{method} {path}: {response:?}");
        assert!(location.starts_with("/herald/login?to=%2F"), "{path}: {location}");
        let wrong =
            served.send(method, path, &[OWN, ("Cookie", "herald_x=1"), ("Authorization", "Bearer x")], "");
        assert_eq!(wrong.status, 303, "{method} {path}");
    }
    for path in [
        "/v1/jobs",
        "/v1/calendar.ics",
        "/v1/stream",
        "/v1/jobs/last/log",
        "/metrics",
        "/healthz",
        "/v1/openapi.json",
    ] {
        let response = served.send("GET", path, &[], "");
        assert_eq!(response.status, 401, "{path}");
        assert!(!response.get("www-authenticate").unwrap_or_default().contains("Basic"), "{response:?}");
        // The stream never ends.
        if path != "/v1/stream" {
            assert_ne!(served.send("GET", path, &[OPERATOR], "").status, 401, "{path}");
        }
    }
    let session = served.log_in("anna");
    served.run_job(&session);
    for path in SCREENS.iter().chain(&["/login", "/nothing", "/v1/jobs", "/jobs/0190-unknown"]) {
        let response = served.get(path, &session);
        let policy = response.get("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'") && policy.contains("trusted-types herald"), "{path}");
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(response.get(name), Some(value), "{path} {name}");
        }
        let is_known = !["/apps/x", "/apps/x/plan", "/nothing", "/jobs/0190-unknown"].contains(path);
        assert_eq!(response.status, if is_known { 200 } else { 404 }, "{path}: {response:?}");
        let text = response.text();
        assert!(!text.contains(" style=") && !text.contains(" onclick="), "{path}");
        let outside = text.replace("=\"/herald/", "=\"");
        assert!(
            !outside.contains("href=\"/") && !outside.contains("action=\"/"),
            "{path}: all below the base"
        );
    }
    let page = served.get("/", &session).text();
    let asset = page.split('"').find(|part| part.ends_with("page.css")).unwrap().to_owned();
    let css = send(served.page, &Message::request("GET", &asset, &[], b""));
    assert!(css.status == 200 && css.get("cache-control").unwrap().contains("immutable"), "{css:?}");
}

#[test]
fn viewers_see_no_acts_and_are_refused() {
    let place = Place::new();
    let served = start(&place);
    user(&place, &["add", "vera", "--role", "viewer"]);
    let admin = served.as_admin();
    let job = served.run_job(&admin);
    let viewer = served.log_in("vera");
    let id = job["id"].as_str().unwrap();
    for path in ["/", "/jobs", &format!("/jobs/{id}"), "/events/last", "/routers", "/config", "/nodes"] {
        let (seen, whole) = (served.get(path, &viewer).text(), served.get(path, &admin).text());
        assert!(!seen.contains("method=\"post\""), "{path}");
        assert!(!seen.contains("/audit\""), "{path}");
        assert!(whole.contains("/audit\""), "{path}");
    }
    assert!(served.get(&format!("/jobs/{id}"), &admin).text().contains("/retry\""));
    assert_eq!(served.get("/audit", &viewer).status, 403);
    for path in ACTS.iter().filter(|path| !["/account/end", "/logout"].contains(*path)) {
        let refused = served.post(path, &viewer, "reason=x");
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.text().contains("this needs the role"), "{path}: {refused:?}");
    }
    let audit = served.get("/audit", &admin).text();
    assert!(audit.contains("refused") && audit.contains("vera"), "{audit}");
}

#[test]
fn acts_are_forms_and_recorded() {
    let place = Place::new();
    let served = start(&place);
    user(&place, &["add", "anna", "--role", "operator"]);
    let session = served.log_in("anna");
    let job = served.run_job(&session);
    let id = job["id"].as_str().unwrap();
    let detail = served.get(&format!("/v1/jobs/{id}"), &session).json();
    assert_eq!((&detail["by"]["user"], &detail["by"]["via"]), (&"anna".into(), &"page".into()), "{detail}");
    assert_eq!(detail["by"]["reason"], "because");
    let screen = served.get(&format!("/jobs/{id}"), &session).text();
    assert!(screen.contains("heraldd job ") && screen.contains("exit code 3"), "{screen}");
    let retried = served.post(&format!("/jobs/{id}/retry"), &session, "");
    let new = retried.get("location").unwrap().strip_prefix("/herald/jobs/").unwrap().to_owned();
    assert!(retried.status == 303 && new.ends_with("?done=retry") && !new.starts_with(id), "{retried:?}");
    let conflict = served.post(&format!("/jobs/{id}/cancel"), &session, "");
    assert!(conflict.status == 409 && conflict.text().contains("the job has ended already"), "{conflict:?}");
    let replayed =
        served.post(&format!("/events/{}/replay", job["event_id"].as_str().unwrap()), &session, "");
    assert_eq!(replayed.status, 303, "{replayed:?}");
    assert_eq!(served.post("/triggers/tick", &session, "params=nonsense").status, 400);
    assert_eq!(served.post("/reload", &session, "").status, 403);
    assert_eq!(
        served.post("/reload", &served.as_admin(), "").get("location"),
        Some("/herald/config?done=reload")
    );
    let audit = served.get("/audit", &session).text();
    for act in ["login", "trigger", "retry", "replay", "cancel", "page_link", "reload"] {
        assert!(audit.contains(&format!("<td>{act}</td>")), "{act}: {audit}");
    }
}

#[test]
fn routers_show_how_their_last_jobs_ended() {
    let place = Place::new();
    let served = start(&place);
    let admin = served.as_admin();
    served.run_job(&admin);
    assert_eq!(served.post("/triggers/alone", &admin, "").status, 303);
    until("its job", || {
        let jobs = served.get("/v1/jobs?status=succeeded", &admin).json();
        jobs["items"].as_array().filter(|jobs| !jobs.is_empty()).cloned()
    });
    let html = served.get("/routers", &admin).text();
    let row =
        |name: &str| html.split("<tr>").find(|row| row.contains(name)).unwrap_or_else(|| panic!("{html}"));
    for (router, parts) in [
        ("r&lt;img", &["0 % of 1 succeeded", "<path class=\"bad\"", "1 failed", " · p95 "][..]),
        ("<bdi>sizes", &["100 % of 1 succeeded", "<path class=\"good\"", "1 succeeded", "router=sizes"]),
        ("<bdi>deploy", &["none has ended yet"]),
    ] {
        for part in parts {
            assert!(row(router).contains(part), "{router}: {part}: {}", row(router));
        }
    }
    assert!(html.contains("<code>heraldd stats</code>") && !html.contains("data-again"), "{html}");
}

#[test]
fn requests_of_other_sites_are_refused() {
    let place = Place::new();
    let served = start(&place);
    let admin = served.as_admin();
    let fire = |headers: &[(&str, &str)]| served.send("POST", "/triggers/tick", headers, "").status;
    for (headers, status) in [
        (&[("Cookie", &*admin), OWN][..], 303),
        (&[("Cookie", &*admin), ("Sec-Fetch-Site", "same-origin")], 303),
        (&[("Cookie", &*admin)], 403),
        (&[("Cookie", &*admin), ("Origin", "https://evil.example.com")], 403),
        (&[("Cookie", &*admin), ("Origin", "null")], 403),
        (&[("Cookie", &*admin), ("Sec-Fetch-Site", "cross-site"), OWN], 403),
        (&[("Cookie", &*admin), ("Sec-Fetch-Site", "same-site"), OWN], 403),
        // Nobody's browser adds a token by itself.
        (&[OPERATOR], 303),
        (&[OPERATOR, ("Origin", "https://evil.example.com")], 403),
        (&[("Cookie", &*admin), OWN, ("Host", "evil.example.com")], 421),
    ] {
        assert_eq!(fire(headers), status, "{headers:?}");
    }
    let foreign = |path: &str| {
        let headers = [("Cookie", &*admin), ("Host", "evil.example.com:80")];
        served.send("GET", path, &headers, "").status
    };
    assert_eq!([foreign("/"), foreign("/v1/jobs"), foreign("/login")], [421; 3]);
    let body = "name=a&password=b&to=%2F";
    assert_eq!(served.send("POST", "/login", &[("Origin", "https://evil.example.com")], body).status, 403);
    // Another path of the host is not the page.
    let outside = |path: &str| send(served.page, &Message::request("GET", path, &[("Cookie", &*admin)], b""));
    assert_eq!((outside("/herald").status, outside("/jobs").status), (308, 404));
    let twice = format!("{admin}; {}", admin.replace('=', "=0"));
    assert_eq!(served.get("/", &twice).status, 303, "two cookies of one name");
}

#[test]
fn sessions_end_with_the_account_and_outlive_a_restart() {
    let place = Place::new();
    let served = start(&place);
    user(&place, &["add", "anna", "--role", "operator"]);
    for (name, password) in [("anna", "wrong"), ("bob", "correct+horse")] {
        let response = served.send("POST", "/login", &[OWN], &format!("name={name}&password={password}"));
        assert!(response.status == 401 && response.get("set-cookie").is_none(), "{response:?}");
        assert!(response.text().contains("wrong name or password"), "{response:?}");
    }
    let elsewhere = "name=anna&password=correct+horse&to=https%3A%2F%2Fevil.example.com";
    let response = served.send("POST", "/login", &[OWN], elsewhere);
    assert_eq!(response.get("location"), Some("/herald/"));
    let (first, second, third) = (cookie(&response), served.log_in("anna"), served.log_in("anna"));
    let account = served.get("/account", &first).text();
    assert_eq!(account.matches("name=\"session\"").count(), 2, "{account}");
    let id = account.split("name=\"session\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    served.post("/account/end", &first, &format!("session={id}"));
    let alive = |session: &str| served.get("/jobs", session).status == 200;
    assert_eq!([&second, &third].iter().filter(|session| alive(session)).count(), 1);
    let out = served.post("/logout", &first, "");
    assert_eq!((out.status, out.get("location")), (303, Some("/herald/login")));
    assert!(out.get("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(!alive(&first));
    let (kept, admin) = (served.log_in("anna"), served.as_admin());
    let audit = served.get("/v1/audit", &admin).json();
    let acts: Vec<&str> =
        audit["items"].as_array().unwrap().iter().map(|entry| entry["act"].as_str().unwrap()).collect();
    let count = |act: &str| acts.iter().filter(|one| **one == act).count();
    assert_eq!((count("logout"), count("end_session")), (1, 1), "{audit}");
    let is_refused = |entry: &&Value| entry["act"] == "login" && entry["outcome"] == "refused";
    let refused: Vec<&Value> = audit["items"].as_array().unwrap().iter().filter(is_refused).collect();
    let users: Vec<&Value> = refused.iter().map(|entry| &entry["user"]).collect();
    assert_eq!(users, [&Value::Null, &serde_json::json!("anna")], "bob is no account: {audit}");
    assert_eq!(refused[0]["error"], "wrong name or password");
    let former = served.log_in("anna");
    let body = "name=anna&password=correct+horse";
    let again = cookie(&served.send("POST", "/login", &[OWN, ("Cookie", &former)], body));
    assert!(!alive(&former) && alive(&again), "a new login ends that of the cookie");
    served.daemon.signal("TERM");
    assert_eq!(served.daemon.wait_end(), Some(0));
    drop(served);
    let served = start(&place);
    assert_eq!((served.get("/jobs", &kept).status, served.get("/audit", &admin).status), (200, 200));
    user(&place, &["role", "anna", "viewer"]);
    assert_eq!(served.get("/jobs", &kept).status, 303, "the role is another one");
    let slowed = (0..20).find(|_| {
        let response = served.send("POST", "/login", &[OWN], "name=bob&password=wrong");
        response.status == 429 && response.get("retry-after").is_some()
    });
    assert!(slowed.is_some());
    let log = served.daemon.log();
    assert!(!log.contains(PASSWORD) && !log.contains(kept.split('=').nth(1).unwrap()), "{log}");
}

/// The ends of sessions as they are recorded, the newest first.
fn ends_in_audit(served: &Served<'_>, admin: &str) -> Vec<String> {
    let audit = served.get("/v1/audit?act=end_session", admin).json();
    let recorded = |entry: &Value| {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        [text("user"), text("via"), text("target"), text("outcome"), text("reason")].join(" ")
    };
    audit["items"].as_array().unwrap().iter().map(recorded).collect()
}

#[test]
fn sessions_are_ended_by_their_owner_and_by_admins() {
    let place = Place::new();
    let served = start(&place);
    user(&place, &["add", "anna", "--role", "operator"]);
    user(&place, &["add", "bob", "--role", "viewer"]);
    let (anna, second, bob) = (served.log_in("anna"), served.log_in("anna"), served.log_in("bob"));
    let admin = served.as_admin();
    let list = |cookie: &str| served.get("/v1/sessions", cookie).json()["items"].as_array().unwrap().clone();
    let counts = [&anna, &bob, &admin].map(|cookie| {
        let sessions = list(cookie);
        let count = |key: &str| sessions.iter().filter(|one| one[key] == true).count();
        (sessions.len(), count("own"), count("current"))
    });
    assert_eq!(counts, [(2, 2, 1), (1, 1, 1), (4, 1, 1)]);
    let of_token = served.send("GET", "/v1/sessions", &[OPERATOR], "").json();
    assert_eq!(of_token["items"], Value::Array(Vec::new()));
    let id = |cookie: &str| {
        let of = list(cookie).into_iter().find(|one| one["current"] == true).unwrap();
        assert!(!cookie.contains(of["id"].as_str().unwrap()), "the id is a part of the secret");
        of["id"].as_str().unwrap().to_owned()
    };
    let alive = |cookie: &str| served.get("/jobs", cookie).status == 200;
    let end = |id: &str, cookie: &str| {
        served.send("DELETE", &format!("/v1/sessions/{id}"), &[("Cookie", cookie), OWN], "")
    };
    let (of_anna, of_bob) = (id(&anna), id(&bob));
    for refused in [end(&of_bob, &anna), served.post("/account/end", &bob, &format!("session={of_anna}"))] {
        assert!(refused.status == 403 && refused.text().contains("the role admin"), "{refused:?}");
    }
    assert!(alive(&anna) && alive(&bob));
    assert_eq!(end(&id(&second), &anna).status, 200);
    assert!(alive(&anna) && !alive(&second));
    let socket = place.text_path("state/heraldd.sock");
    let run = |arguments: &[&str]| {
        place.run("heraldd", &[&["sessions"], arguments, &["--socket", &socket]].concat())
    };
    let shown = run(&[]);
    assert!(shown.stdout.contains(&of_bob) && shown.stdout.contains("127.0.0.1"), "{}", shown.text());
    let ended = run(&["end", &of_bob, "--reason", "a lost laptop"]);
    assert_eq!(ended.stdout.trim(), format!("the session {of_bob} of bob has ended"), "{}", ended.text());
    assert!(!alive(&bob) && alive(&anna));
    let again = run(&["end", &of_bob]);
    assert!(
        again.code != Some(0) && again.text().contains("there is no session of this id"),
        "{}",
        again.text()
    );
    let screens = [&anna, &admin].map(|cookie| served.get("/account", cookie).text());
    assert_eq!(screens.map(|html| html.contains("Sessions of others")), [false, true]);
    assert_eq!(served.post("/account/end", &admin, &format!("session={of_anna}")).status, 303);
    assert!(!alive(&anna));
    let recorded = ends_in_audit(&served, &admin);
    assert_eq!(recorded.len(), 5, "{recorded:?}");
    assert!(recorded[0].contains(&format!("page session {of_anna} of anna accepted")), "{recorded:?}");
    assert!(
        recorded[1].contains(&format!("cli session {of_bob} of bob accepted a lost laptop")),
        "{recorded:?}"
    );
    assert!(recorded[4].starts_with(&format!("anna page session {of_bob} of bob refused")), "{recorded:?}");
}

#[test]
fn a_logout_counts_also_where_a_proxy_says_who_it_is() {
    let place = Place::new();
    let proxy = "  users: users\n  proxy: {from: 127.0.0.1, user: X-User, role: viewer}\n";
    let served = start_with(&place, &CONFIG.replace("  users: users\n", proxy));
    user(&place, &["add", "anna", "--role", "operator"]);
    let session = served.log_in("anna");
    let by_proxy = [("Cookie", &*session), ("X-User", "anna"), OWN];
    assert_eq!(served.send("POST", "/logout", &by_proxy, "").status, 303);
    assert_eq!(served.get("/jobs", &session).status, 303, "the session of the cookie has ended");
}

#[test]
fn what_jobs_say_is_text() {
    let place = Place::new();
    let served = start(&place);
    let admin = served.as_admin();
    let job = served.run_job(&admin);
    let id = job["id"].as_str().unwrap();
    let screens = [
        served.get(&format!("/jobs/{id}"), &admin),
        served.get("/", &admin),
        served.get("/routers", &admin),
        served.get("/events/last", &admin),
        served.get("/jobs?router=%22%3E%3Cscript%3E&status=failed", &admin),
        served.get(&format!("/jobs/{id}?search=%3Cimg"), &admin),
    ];
    for screen in &screens {
        assert_eq!(screen.status, 200, "{screen:?}");
        let text = screen.text();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(
            !text.contains("<img") && !text.contains("<script>") && !text.contains("Production <b>"),
            "{text}"
        );
    }
    let text = screens[0].text();
    assert!(text.contains("***"), "{text}");
    assert!(text.contains("<span class=\"a1\">red</span> &lt;img src=x onerror=alert(1)&gt;"), "{text}");
    assert!(text.contains("id=\"L1\"") && text.contains("href=\"#L1\""), "{text}");
    assert!(screens[5].text().contains("1 line with"), "{}", screens[5].text());
}

#[test]
fn addresses_that_people_expect_lead_somewhere() {
    let place = Place::new();
    let served = start(&place);
    for (path, leads) in [
        ("/jobs.json?limit=1", "/v1/jobs?limit=1"),
        ("/calendar.ics", "/v1/calendar.ics"),
        ("/routers/deploy?from=a", "/routers?name=deploy&from=a"),
        ("/about", "/config"),
    ] {
        let response = served.send("GET", path, &[OPERATOR], "");
        assert_eq!(
            (response.status, response.get("location").unwrap()),
            (303, &*format!("/herald{leads}")),
            "{path}"
        );
        assert_eq!(served.send("GET", leads, &[OPERATOR], "").status, 200, "{leads}");
    }
    assert_eq!(served.send("POST", "/jobs.json", &[OPERATOR], "").status, 404);
}

#[test]
fn a_page_that_anybody_could_read_is_refused() {
    let place = Place::new();
    for (config, says) in [
        ("page: {host: 0.0.0.0, port: 1}", "no section `access` says who may"),
        ("page: {host: 0.0.0.0, port: 1}\naccess: {users: u}", "passwords would not be encrypted"),
        ("page: {host: 0.0.0.0, port: 1}\naccess: {users: u}", "access: {proxy: {from: […]}}"),
        (
            "page: {host: 0.0.0.0, port: 1}\naccess: {proxy: {from: 10.0.0.1}}",
            "no section `access` says who may",
        ),
        ("page: {port: 1, base: herald}", "expected a path such as /herald/"),
        ("page: {port: 1, links: {r: 'javascript:alert(1)'}}", "expected a URL"),
        ("page: {}", "port"),
    ] {
        let file = place.write("bad.yml", config);
        let ended = heraldd(&place, &["check", file.to_str().unwrap()], "");
        assert_eq!(ended.code, Some(2), "{config}: {}", ended.text());
        assert!(ended.text().contains(says), "{config}: {}", ended.text());
    }
    let proxied =
        "page: {host: 0.0.0.0, port: 1}\naccess: {proxy: {from: [10.0.0.1], user: X-User, role: viewer}}";
    let with_users = "page: {host: 0.0.0.0, port: 1}\naccess: {users: u, proxy: {from: 10.0.0.1}}";
    for config in ["page: {port: 1}", proxied, with_users] {
        let file = place.write("good.yml", config);
        let ended = heraldd(&place, &["check", file.to_str().unwrap()], "");
        assert_eq!(ended.code, Some(0), "{config}: {}", ended.text());
    }
}

#[test]
fn passwords_are_not_taken_where_others_could_read_them() {
    let place = Place::new();
    let config = CONFIG
        .replace("page: {port: 0,", "page: {host: 0.0.0.0, port: 0,")
        .replace("  users: users\n", "  users: users\n  proxy: {from: 127.0.0.1}\n");
    let served = start_with(&place, &config);
    user(&place, &["add", "anna", "--role", "viewer"]);
    // anna:correct horse
    let basic = ("Authorization", "Basic YW5uYTpjb3JyZWN0IGhvcnNl");
    for path in ["/", "/v1/jobs"] {
        let response = served.send("GET", path, &[basic], "");
        assert_eq!(response.status, 403, "{path}: {response:?}");
        let response = served.send("GET", path, &[basic, ("X-Forwarded-Proto", "https")], "");
        assert_eq!(response.status, 200, "{path}: {response:?}");
    }
    let response = served.send("POST", "/login", &[OWN], "name=anna&password=correct+horse");
    assert_eq!(response.status, 403, "{response:?}");
    assert_eq!(served.send("GET", "/v1/jobs", &[OPERATOR], "").status, 200);
    // A proxy on this machine, for a browser that is elsewhere.
    let place = Place::new();
    let local = CONFIG.replace(
        "  users: users\n",
        "  users: users\n  proxy: {from: 127.0.0.1, user: X-User, role: viewer}\n",
    );
    let served = start_with(&place, &local);
    user(&place, &["add", "anna", "--role", "viewer"]);
    let from = ("X-Forwarded-For", "10.1.1.1");
    for (headers, expected) in [
        (&[from][..], 403),
        (&[from, ("X-Forwarded-Proto", "http")], 403),
        (&[from, ("X-Forwarded-Proto", "https")], 200),
    ] {
        let response = served.send("GET", "/v1/jobs", &[&[basic], headers].concat(), "");
        assert_eq!(response.status, expected, "{headers:?}: {response:?}");
    }
}

#[test]
fn a_board_follows_results_digit_for_digit() {
    let place = Place::new();
    let served = start(&place);
    let admin = served.as_admin();
    let seen = || served.get("/boards/shop", &admin).text();
    assert!(seen().contains("No job of <bdi>sizes</bdi> has <code>result/size</code> yet."), "{}", seen());
    assert_eq!(served.post("/triggers/alone", &admin, "").status, 303);
    let board = until("the values", || Some(seen()).filter(|board| board.contains("18446744073709551617 ")));
    for part in [
        "<p class=\"big long\">18446744073709551617 ",
        "</span> alert",
        "<p class=\"big\">0.10",
        "<title>0.10 ",
    ] {
        assert!(board.contains(part), "{part}: {board}");
    }
    assert!(served.get("/boards", &admin).text().contains("/herald/boards/shop?tv=1"));
    assert!(!served.get("/boards/shop?tv=1", &admin).text().contains("<nav"));
    let config = place.text_path("heraldd.yml");
    let listed =
        heraldd(&place, &["results", "sizes", "result/ratio", "--since", "1h", "-config", &config], "");
    assert!(listed.code == Some(0) && listed.stdout.contains(" 0.10\n"), "{}", listed.text());
    let json = heraldd(&place, &["results", "sizes", "result/size", "--json", "-config", &config], "").stdout;
    assert!(json.contains("\"value\":18446744073709551617"), "{json}");
}

/// A request to the trigger `hook`, as the form sends it.
fn hook_form(token: &str, branch: &str) -> String {
    let headers = format!("Content-Type: application/json\r\nAuthorization: Bearer {token}");
    let json = format!("{{\"branch\": \"{branch}\",\r\n \"n\": 18446744073709551617}}");
    let field = |(name, value): (&str, &str)| {
        format!("{name}={}", value.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>())
    };
    let fields = [
        ("trigger", "hook"),
        ("method", "POST"),
        ("path", "/deploy/shop"),
        ("headers", &headers),
        ("body", &json),
    ];
    fields.map(field).join("&")
}

#[test]
fn a_trial_starts_nothing() {
    let place = Place::new();
    let served = start(&place);
    user(&place, &["add", "anna", "--role", "operator"]);
    user(&place, &["add", "vera", "--role", "viewer"]);
    let (anna, vera) = (served.log_in("anna"), served.log_in("vera"));
    let form = served.get("/try?trigger=hook", &anna).text();
    assert!(form.contains("name=\"headers\"") && form.contains("name=\"unchecked\""), "{form}");
    assert!(form.contains("name=\"path\" maxlength=\"8000\" value=\"/deploy/{app}\""), "{form}");
    for (token, branch, parts) in [
        (
            "hunter2hunter2",
            "main",
            &[
                "One job would be created",
                "&quot;shop&quot;",
                "&quot;TOKEN&quot;: &quot;***&quot;",
                "18446744073709551617",
            ][..],
        ),
        ("hunter2hunter2", "dev", &["No job would be created", "branch is &quot;dev&quot;"]),
        ("wrong", "main", &["The response would be <b>401</b>"]),
    ] {
        let shown = served.post("/try", &anna, &hook_form(token, branch));
        assert_eq!(shown.status, 200, "{shown:?}");
        for part in parts {
            assert!(shown.text().contains(part), "{part}: {}", shown.text());
        }
    }
    let shown = served.post("/try", &anna, "trigger=alone&params=%7B%22n%22%3A0.10%7D");
    let command = "heraldd try --trigger alone --data '{&quot;n&quot;:0.10}'";
    assert!(shown.text().contains(command), "{}", shown.text());
    for (body, status) in [("trigger=alone&params=x", 400), ("trigger=nobody", 404)] {
        let wrong = served.post("/try", &anna, body);
        assert!(wrong.status == status && wrong.text().contains("role=\"alert\""), "{wrong:?}");
    }
    let refused = served.post("/try", &vera, "trigger=alone");
    assert!(refused.status == 403 && refused.text().contains("this needs the role operator"), "{refused:?}");
    assert_eq!(served.get("/try", &vera).status, 403);
    assert_eq!(
        served.send("POST", "/try", &[("Cookie", &*anna)], "trigger=alone").status,
        403,
        "another site"
    );
    assert_eq!(served.get("/v1/events", &anna).json()["items"], serde_json::json!([]));
    assert!(!place.path("ran").exists());
    let audit = served.get("/v1/audit", &anna).text();
    assert!(audit.contains("\"act\":\"try\"") && audit.matches("\"act\":\"try\"").count() == 1, "{audit}");
    let config = place.text_path("heraldd.yml");
    let data = r#"{"router": "x"}"#;
    let tried = heraldd(&place, &["try", &config, "--trigger", "exe_done", "--data", data], "");
    assert!(tried.code == Some(0) && tried.stderr.contains("no router has the trigger"), "{}", tried.text());
    let tried = heraldd(&place, &["try", &config, "--trigger", "alone", "-d", "-"], "{}");
    assert!(tried.stdout.contains("sizes/print on sh would get job_param"), "{}", tried.text());
    assert_eq!(heraldd(&place, &["try", &config, "--trigger", "alone"], "").code, Some(2));
}
