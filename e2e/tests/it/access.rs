//! Contract, section 15, its first two sentences: who may do what, and who did what.
//!
//! | sentence | test |
//! |---|---|
//! | `users`: a file made by `heraldd user add, passwd, list, remove`, argon2id, 0600 | `users_log_in_with_a_password`, `the_users_file_is_private` |
//! | `token: {NAME: {secret, role}}`; viewer < operator < admin; `api.token` is an admin | `each_token_has_its_role` |
//! | `jwt: {secret, name, role}`: HS256 alone, `exp` demanded, the seed's claims | `tokens_of_another_program_name_their_holder` |
//! | `proxy: {from, user, groups, roles}` | `a_proxy_counts_only_where_it_is_trusted` |
//! | `may: {ROLE: {WHO: [patterns]}}` | `patterns_limit_what_an_operator_may_do` |
//! | `by` is at every event and job | `tokens_of_another_program_name_their_holder`, `users_log_in_with_a_password` |
//! | every act is recorded before it is done; `GET /v1/audit`, `heraldd audit` | `every_act_is_recorded` |
//! | a configuration that is wrong is refused at its place | `mistakes_are_found_at_their_place` |

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use e2e::daemon::Daemon;
use e2e::http::{Message, Response, send, send_unix};
use e2e::place::Place;
use e2e::program::{Ended, run_to_end};
use e2e::wait::until;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "a-secret-of-the-sso";
const OPERATOR: &str = "Bearer operator-0123456789";
const VIEWER: &str = "Bearer viewer-0123456789";
const ADMIN: &str = "Bearer admin-0123456789";

const CONFIG: &str = "
state_dir: '@DIR@/state'
api: {port: 0, token: admin-0123456789}
access:
  users: users
  token:
    ci: {secret: operator-0123456789, role: operator}
    board: {secret: viewer-0123456789, role: viewer}
    narrow: {secret: narrow-0123456789, role: viewer}
  jwt: {secret: a-secret-of-the-sso, role: operator}
  may: {operator: {'token:narrow': ['blog*']}}
trigger:
  shop: {type: cron, cron: '@yearly'}
  blog: {type: cron, cron: '@yearly'}
  both: {type: cron, cron: '@yearly'}
router:
  shop: {trigger: shop, selector: all, task: {show: print}}
  blog_de: {trigger: blog, selector: all, task: {show: print}}
  shop_too: {trigger: both, selector: all, task: {show: print}}
  blog_too: {trigger: both, selector: all, task: {show: print}}
";

struct Served {
    daemon: Daemon,
    api: SocketAddr,
}

fn start(place: &Place, config: &str) -> Served {
    let daemon = Daemon::start(place, config);
    let marker = "the control API listens on ";
    let api = daemon.wait_pick(marker, |line| line.split_once(marker)?.1.trim().parse().ok());
    Served { daemon, api }
}

impl Served {
    fn call(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Message::request(method, path, &[], b"");
        for (name, value) in headers {
            request.set(name, value);
        }
        send(self.api, &request)
    }

    fn fire(&self, trigger: &str, authorization: &str) -> Response {
        self.call("POST", &format!("/v1/triggers/{trigger}"), &[("Authorization", authorization)])
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, &[("Authorization", ADMIN)]);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// The `by` of the job of this event.
    fn by(&self, fired: &Response) -> Value {
        assert_eq!(fired.status, 200, "{fired:?}");
        let event = fired.json()["event_id"].clone();
        let job = until("its job", || {
            let jobs = self.get("/v1/jobs?limit=100");
            jobs["items"].as_array().unwrap().iter().find(|job| job["event_id"] == event).cloned()
        });
        let job = self.get(&format!("/v1/jobs/{}", job["id"].as_str().unwrap()));
        assert_eq!(self.get(&format!("/v1/events/{}", event.as_str().unwrap()))["by"], job["by"]);
        job["by"].clone()
    }
}

/// A token of another program, as a header has it.
pub fn jwt(head: &Value, claims: &Value, secret: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(head), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    format!("Bearer {text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// `heraldd user …` with this on standard input.
fn user(place: &Place, arguments: &[&str], input: &str) -> Ended {
    let input = place.write("input", input);
    let mut command = place.bare("heraldd");
    command.arg("user").args(arguments).stdin(std::fs::File::open(input).unwrap());
    run_to_end(&mut command)
}

#[test]
fn each_token_has_its_role() {
    let place = Place::new();
    let served = start(&place, CONFIG);
    for (method, path, nobody, viewer, operator, admin) in [
        ("GET", "/v1/jobs", 401, 200, 200, 200),
        ("GET", "/v1/audit", 401, 403, 200, 200),
        ("GET", "/metrics", 401, 200, 200, 200),
        ("POST", "/v1/triggers/shop", 401, 403, 200, 200),
        ("POST", "/v1/jobs/01900000-0000-7000-8000-000000000000/cancel", 401, 403, 404, 404),
        ("POST", "/v1/reload", 401, 403, 403, 200),
    ] {
        let status = |headers: &[(&str, &str)]| served.call(method, path, headers).status;
        let known = [VIEWER, OPERATOR, ADMIN].map(|token| status(&[("Authorization", token)]));
        assert_eq!((status(&[]), known), (nobody, [viewer, operator, admin]), "{method} {path}");
    }
    let refused = served.fire("shop", VIEWER).json();
    assert_eq!(refused["detail"], "this needs the role operator; board has the role viewer");
    let cross_site = [("Authorization", ADMIN), ("Origin", "https://evil.example.com")];
    assert_eq!(served.call("POST", "/v1/reload", &cross_site).status, 403);
    let by = served.by(&served.fire("shop", OPERATOR));
    assert_eq!(by, json!({"user": "ci", "via": "token", "address": "127.0.0.1", "reason": null}));
    assert_eq!(served.by(&served.fire("shop", ADMIN))["user"], json!(null));
    // A reload takes a token away.
    place.config_as("heraldd.yml", &CONFIG.replace("operator-0123456789", "another-0123456789"));
    assert_eq!(served.call("POST", "/v1/reload", &[("Authorization", ADMIN)]).status, 200);
    assert_eq!(served.fire("shop", OPERATOR).status, 401);
    assert_eq!(served.fire("shop", "Bearer another-0123456789").status, 200);
    let log = served.daemon.log();
    assert!(!log.contains("-0123456789"), "{log}");
}

#[test]
fn tokens_of_another_program_name_their_holder() {
    let place = Place::new();
    let served = start(&place, CONFIG);
    let (hs256, end) = (json!({"alg": "HS256", "typ": "JWT"}), 4_000_000_000_u64);
    // As the seed's tokens are.
    let claims = json!({"uid": "u7", "openid": "o", "cid": "c", "nickname": "李雷", "head": "", "appid": "a", "exp": end});
    let unsigned = jwt(&json!({"alg": "none"}), &claims, SECRET);
    for (what, token) in [
        ("none", format!("{}.", unsigned.rsplit_once('.').unwrap().0)),
        ("none, signed", unsigned),
        ("HS384", jwt(&json!({"alg": "HS384"}), &claims, SECRET)),
        ("expired", jwt(&hs256, &json!({"nickname": "a", "exp": 1_700_000_000}), SECRET)),
        ("without an end", jwt(&hs256, &json!({"nickname": "a"}), SECRET)),
        ("too early", jwt(&hs256, &json!({"nickname": "a", "exp": end, "nbf": end - 1}), SECRET)),
        ("another secret", jwt(&hs256, &claims, "another-secret-of-the-sso")),
    ] {
        assert_eq!(served.fire("shop", &token).status, 401, "{what}");
    }
    let by = served.by(&served.fire("shop", &jwt(&hs256, &claims, SECRET)));
    assert_eq!(by, json!({"user": "李雷", "via": "jwt", "address": "127.0.0.1", "reason": null}));
    let by = served.by(&served.fire("shop", &jwt(&hs256, &json!({"uid": 7, "exp": end}), SECRET)));
    assert_eq!(by["user"], "7");
}

#[test]
fn users_log_in_with_a_password() {
    let place = Place::new();
    let served = start(&place, CONFIG);
    let config = ["-config", &place.text_path("heraldd.yml")];
    let anna = basic("anna", "correct horse");
    let refused = served.fire("shop", &anna);
    assert_eq!((refused.status, refused.get("content-type")), (401, Some("application/problem+json")));
    let added =
        user(&place, &[&["add", "anna", "--role", "operator"], &config[..]].concat(), "correct horse\n");
    assert_eq!(
        (added.code, &*added.stdout),
        (Some(0), "user anna added with the role operator\n"),
        "{}",
        added.text()
    );
    // The running daemon sees it at once.
    let by = served.call("POST", "/v1/triggers/shop?reason=a%20test", &[("Authorization", &anna)]);
    assert_eq!(
        served.by(&by),
        json!({"user": "anna", "via": "password", "address": "127.0.0.1", "reason": "a test"})
    );
    for (name, password) in [("anna", "wrong"), ("bob", "correct horse")] {
        assert_eq!(served.fire("shop", &basic(name, password)).status, 401, "{name}");
    }
    assert_eq!(user(&place, &[&["passwd", "anna"], &config[..]].concat(), "battery staple\n").code, Some(0));
    assert_eq!(served.fire("shop", &anna).status, 401);
    assert_eq!(user(&place, &[&["role", "anna", "viewer"], &config[..]].concat(), "").code, Some(0));
    assert_eq!(served.fire("shop", &basic("anna", "battery staple")).status, 403);
    assert_eq!(user(&place, &[&["remove", "anna"], &config[..]].concat(), "").code, Some(0));
    assert_eq!(served.fire("shop", &basic("anna", "battery staple")).status, 401);
    // Guessing gets slow, and says when to try again.
    let slowed =
        (0..20).map(|_| served.fire("shop", &basic("bob", "wrong"))).find(|answer| answer.status == 429);
    let slowed = slowed.expect("it is slowed down");
    assert!(slowed.get("retry-after").is_some(), "{slowed:?}");
    let log = served.daemon.log();
    assert!(
        !log.contains("correct horse") && !log.contains("battery staple") && !log.contains("$argon2"),
        "{log}"
    );
}

#[test]
fn the_users_file_is_private() {
    let place = Place::new();
    let file = ["--file", &place.text_path("users")];
    let run = |arguments: &[&str], input: &str| user(&place, &[arguments, &file[..]].concat(), input);
    for (arguments, input, code, says) in [
        (&["add", "anna"][..], "short\n", 2, "at least 8 characters"),
        (&["add", "an:na"], "correct horse\n", 2, "not a valid name"),
        (&["add", "anna", "--role", "root"], "correct horse\n", 2, "`root` is not a valid role"),
        (&["add", "anna"], "", 1, "no password"),
        (&["list"], "", 0, "no users in "),
        (&["add", "anna"], "correct horse\n", 0, "user anna added with the role viewer"),
        (&["add", "anna"], "correct horse\n", 1, "there is a user `anna` already"),
        (&["passwd", "bob"], "correct horse\n", 4, "there is no user `bob`; expected one of: anna"),
        (&["remove", "bob"], "", 4, "there is no user `bob`"),
        (&["list"], "", 0, "NAME  ROLE\nanna  viewer\n"),
        (&["list", "--json"], "", 0, r#"[{"name":"anna","role":"viewer"}]"#),
    ] {
        let ended = run(arguments, input);
        assert!(ended.code == Some(code) && ended.text().contains(says), "{arguments:?}: {}", ended.text());
        assert!(!ended.text().contains("argon2") && !ended.text().contains("correct"), "{}", ended.text());
    }
    let mode = |mode: u32| {
        std::fs::set_permissions(place.path("users"), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    assert_eq!(std::fs::metadata(place.path("users")).unwrap().permissions().mode() & 0o777, 0o600);
    mode(0o644);
    let checked = place.check(CONFIG);
    let says = "can be read by other users (mode 0644); run  chmod 600 ";
    assert!(checked.code == Some(2) && checked.text().contains(says), "{}", checked.text());
    assert!(run(&["passwd", "anna"], "battery staple\n").text().contains(says));
    mode(0o600);
    assert_eq!(place.check(CONFIG).code, Some(0));
}

#[test]
fn patterns_limit_what_an_operator_may_do() {
    let place = Place::new();
    let served = start(&place, CONFIG);
    let narrow = "Bearer narrow-0123456789";
    assert_eq!(served.by(&served.fire("blog", narrow))["user"], "narrow");
    for (trigger, says) in [
        ("shop", "this needs the role operator for shop; narrow has it for blog* only"),
        ("both", "this needs the role operator for shop_too; narrow has it for blog* only"),
    ] {
        let refused = served.fire(trigger, narrow);
        assert_eq!((refused.status, refused.json()["detail"].as_str()), (403, Some(says)));
    }
    let event = served.fire("shop", OPERATOR).json()["event_id"].as_str().unwrap().to_owned();
    let job = until("the job ends", || {
        let jobs = served.get("/v1/jobs?router=shop&status=succeeded");
        jobs["items"][0]["id"].as_str().map(str::to_owned)
    });
    for path in [
        format!("/v1/jobs/{job}/retry"),
        format!("/v1/jobs/{job}/cancel"),
        format!("/v1/events/{event}/replay?run=true"),
    ] {
        let status = |token| served.call("POST", &path, &[("Authorization", token)]).status;
        assert_eq!(status(narrow), 403, "{path}");
        assert_ne!(status(OPERATOR), 403, "{path}");
    }
}

#[test]
fn a_proxy_counts_only_where_it_is_trusted() {
    let place = Place::new();
    let with_proxy = |from: &str| {
        let proxy = format!(
            "proxy: {{from: '{from}', user: X-User, groups: X-Groups, roles: {{ops: operator}}}}\n  may"
        );
        CONFIG.replace("may", &proxy)
    };
    let served = start(&place, &with_proxy("127.0.0.0/8"));
    let fire = |headers: &[(&str, &str)]| served.call("POST", "/v1/triggers/shop", headers);
    let anna = [("X-User", "anna"), ("X-Groups", "web, ops"), ("X-Forwarded-For", "192.0.2.7")];
    assert_eq!(
        served.by(&fire(&anna)),
        json!({"user": "anna", "via": "proxy", "address": "192.0.2.7", "reason": null})
    );
    assert_eq!(fire(&[("X-User", "anna"), ("X-Groups", "web")]).status, 403);
    assert_eq!(fire(&[("X-Groups", "ops")]).status, 401);
    place.config_as("heraldd.yml", &with_proxy("10.0.0.0/8"));
    assert_eq!(served.call("POST", "/v1/reload", &[("Authorization", ADMIN)]).status, 200);
    assert_eq!(fire(&anna).status, 401, "from elsewhere the headers count for nothing");
}

#[test]
fn acts_without_effect_are_marked_as_failed() {
    let place = Place::new();
    let served = start(&place, CONFIG);
    served.by(&served.fire("shop", OPERATOR));
    let job = until("the job has ended", || {
        let jobs = served.get("/v1/jobs?status=succeeded");
        jobs["items"][0]["id"].as_str().map(str::to_owned)
    });
    let operator = [("Authorization", OPERATOR)];
    for (path, status) in [(format!("/v1/jobs/{job}/cancel"), 409), ("/v1/triggers/nobody".to_owned(), 404)] {
        assert_eq!(served.call("POST", &path, &operator).status, status, "{path}");
    }
    let page = served.get("/v1/audit?user=ci");
    let said: Vec<_> = page["items"].as_array().unwrap().iter().collect();
    let of = |act: &str| said.iter().find(|entry| entry["act"] == act && entry["outcome"] != "accepted");
    assert_eq!(of("cancel").unwrap()["outcome"], "failed", "{page}");
    assert_eq!(of("cancel").unwrap()["error"], "the job has ended already: succeeded", "{page}");
    // The other acts of the caller are as they were.
    assert!(said.iter().any(|entry| entry["act"] == "trigger" && entry["outcome"] == "accepted"), "{page}");
    assert!(
        said.iter().all(|entry| entry["outcome"] != "accepted" || entry["target"] != "trigger nobody"),
        "{page}"
    );
    let listed = place.run("heraldd", &["audit", "-config", "@DIR@/heraldd.yml", "--act", "cancel"]).stdout;
    assert!(listed.contains("failed") && listed.contains("the job has ended already"), "{listed}");
}

#[test]
fn every_act_is_recorded() {
    let place = Place::new();
    let served = start(&place, CONFIG);
    served.by(&served.fire("shop", OPERATOR));
    served.fire("shop", VIEWER);
    served.fire("shop", "Bearer narrow-0123456789");
    let reload = Message::request(
        "POST",
        "/v1/reload?reason=a%20test",
        &[("Host", "x"), ("Connection", "close")],
        b"",
    );
    assert_eq!(send_unix(&place.path("state/heraldd.sock"), &reload).status, 200);
    let page = served.get("/v1/audit?limit=2");
    let told = |page: &Value| -> Vec<[String; 5]> {
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let of = |entry: &Value| ["user", "via", "act", "target", "outcome"].map(|key| text(entry, key));
        page["items"].as_array().unwrap().iter().map(of).collect()
    };
    let own = |texts: [&str; 5]| texts.map(str::to_owned);
    let first = told(&page);
    assert_eq!(first[0][1..], own(["", "api", "reload", "configuration", "accepted"])[1..]);
    assert_eq!(first[1], own(["narrow", "token", "trigger", "trigger shop", "refused"]));
    assert_eq!(page["items"][0]["reason"], "a test");
    let rest = served.get(&format!("/v1/audit?before={}", page["next_cursor"].as_str().unwrap()));
    assert_eq!(
        told(&rest),
        [
            own(["board", "token", "trigger", "/v1/triggers/shop", "refused"]),
            own(["ci", "token", "trigger", "trigger shop", "accepted"]),
        ]
    );
    assert_eq!(told(&served.get("/v1/audit?user=ci&act=trigger")).len(), 1);
    assert_eq!(served.call("GET", "/v1/audit?before=x", &[("Authorization", ADMIN)]).status, 400);
    let listed = place.run("heraldd", &["audit", "-config", "@DIR@/heraldd.yml", "--user", "ci"]);
    let line = listed.stdout.lines().nth(1).unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    assert!(
        listed.stdout.starts_with("WHEN") && line.ends_with(&["trigger", "trigger", "shop", "accepted"]),
        "{}",
        listed.text()
    );
    let json = place.run("heraldd", &["audit", "-config", "@DIR@/heraldd.yml", "--limit", "1", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&json.stdout).unwrap()["items"][0]["act"], "reload");
    // It outlives the process.
    served.daemon.signal("TERM");
    assert_eq!(served.daemon.wait_end(), Some(0));
    let again = start(&place, CONFIG);
    assert_eq!(told(&again.get("/v1/audit")).len(), 4);
    drop(again);
    // In memory as well.
    let place = Place::new();
    let served = start(&place, &CONFIG.replace("'@DIR@/state'", "none"));
    served.fire("shop", OPERATOR);
    assert_eq!(told(&served.get("/v1/audit")).len(), 1);
}

#[test]
fn mistakes_are_found_at_their_place() {
    let place = Place::new();
    let base = "router: {r: {trigger: tick, selector: all, task: {t: none}}}\n";
    for (text, says) in [
        ("access: {tokn: {}}", ":2:10: "),
        ("access: {tokn: {}}", "did you mean `token`?"),
        (
            "access: {token: {ci: {secret: short, role: admin}}}",
            ":2:31: `secret`: a token needs at least 16 characters",
        ),
        ("access: {token: {ci: {secret: 0123456789abcdef, role: amin}}}", "did you mean \"admin\"?"),
        ("access: {token: {ci: {secret: 0123456789abcdef}}}", "`role`"),
        ("access: {token: {ci: {secrt: 0123456789abcdef, role: admin}}}", "did you mean `secret`?"),
        (
            "access: {token: {a: {secret: 0123456789abcdef, role: admin}, b: {secret: 0123456789abcdef, role: viewer}}}",
            "the same secret as the token `a`",
        ),
        ("access: {jwt: {secret: 0123456789abcde, role: viewer}}", "at least 16 bytes"),
        ("access: {jwt: {secret: 0123456789abcdef}}", "gives nobody a role"),
        (
            "access: {jwt: {secret: 0123456789abcdef, role_claim: r, roles: {x: boss}}}",
            "`boss` is not a valid role",
        ),
        ("access: {proxy: {from: 10.0.0.0/33, user: X-User, role: viewer}}", "is not a valid network"),
        ("access: {proxy: {from: 10.0.0.0/8, user: 'X User', role: viewer}}", "not a valid name of a header"),
        (
            "access: {proxy: {from: 10.0.0.0/8, user: X-User, roles: {a: admin}}}",
            "needs the header with the groups",
        ),
        ("access: {proxy: {from: 10.0.0.0/8, role: viewer}}", "needs the header with the name"),
        ("access: {may: {operatr: {anna: [a]}}}", "did you mean `operator`?"),
        ("access: {may: {operator: {anna: 7}}}", ":2:33: expected a list of patterns"),
        ("access: {may: {operator: [anna]}}", "expected a map of patterns by user"),
        ("access: yes", "expected a map with users, token, jwt, proxy and may"),
        ("api: {port: 0}", "no section `access` says who may call"),
        ("api: {port: 0}\naccess: {may: {operator: {anna: [a]}}}", "no section `access` says who may call"),
    ] {
        let ended = place.check(&format!("{base}{text}\n"));
        assert!(ended.code == Some(2) && ended.text().contains(says), "{text}: {}", ended.text());
        assert!(!ended.text().contains("0123456789abcde"), "{}", ended.text());
    }
    // Names of roles and groups are no secrets, although they are below `token`.
    let fine = "access: {token: {ci: {secret: '${env:PATH}', role: operator}}, may: {operator: {'token:cj': [operator]}}}";
    let ended = place.check(&format!("{base}{fine}\n"));
    let says = "there is no token `cj`";
    assert!(
        ended.code == Some(0)
            && ended.text().contains(says)
            && ended.text().contains("did you mean `token:ci`?"),
        "{}",
        ended.text()
    );
}
