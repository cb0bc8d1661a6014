//! Contract, section 9: the `http` trigger as a receiver of webhooks, templates and `expr`.
//!
//! | sentence | test |
//! |---|---|
//! | with none of these keys it stays as in section 2 | [`crate::components`], `without_any_of_the_keys_nothing_is_added` |
//! | `path` with captures; several triggers on one port | `triggers_share_a_port_and_captures_are_parameters` |
//! | two triggers for the same path are refused | `the_same_path_twice_is_refused` |
//! | `methods`; with GET the query is the parameters; `d=` JSON or Base64 | `a_get_takes_its_query` |
//! | seed 001: the two `curl` lines | `the_curl_lines_of_seed_001` |
//! | `auth`: token, Basic, HMAC | `who_may_call` |
//! | `auth`: every provider with its documented example | unit tests in `trigger/http/auth`; `forges_are_known_by_their_signatures` |
//! | a wrong signature is 401 and runs nothing | `who_may_call`, `forges_are_known_by_their_signatures` |
//! | any secret may be a list | `who_may_call` |
//! | `allow_ips`, `trusted_proxies` | `addresses_are_checked` |
//! | (safe by default) what a web page makes a browser send | `what_a_web_page_sends_is_rejected` |
//! | `body`: form, `payload`, text, any | `bodies_of_every_kind` |
//! | `respond: result`, 200 or 502, `Accept: text/plain` | `the_answer_waits_for_the_jobs` |
//! | `_request`, `keep_raw`, chosen headers | `the_request_is_told` |
//! | no router wants it: 200 with `"matched": 0` | `what_nobody_wants_is_matched_0` |
//! | a forge's ping runs nothing | `a_ping_runs_nothing` |
//! | the same delivery again runs nothing | `a_delivery_that_comes_again_runs_nothing` |
//! | templates: filters, type, undefined | `templates_reach_the_job` |
//! | an argument made by a template stays one argument | `an_argument_stays_one` |
//! | mistakes in templates and expressions are found at validation, at their column | `mistakes_are_found_at_their_column` |
//! | `heraldd try` | `a_recorded_request_shows_what_it_would_start` |
//! | `heraldd replay` | `an_event_of_the_past_can_be_replayed` |
//! | `expr`; `explain` shows what it saw | `an_expression_decides_and_explain_shows_what_it_saw` |

use std::net::SocketAddr;

use e2e::daemon::{DONE, Daemon};
use e2e::http::{Message, Response, free_port, send};
use e2e::place::Place;
use e2e::recorded;
use e2e::sign;
use serde_json::{Value, json};

const JSON: (&str, &str) = ("Content-Type", "application/json");

struct Hooks {
    place: Place,
    daemon: Daemon,
    address: SocketAddr,
}

impl Hooks {
    /// One trigger `manual` with these options, whose every event is printed.
    fn start(options: &str) -> Self {
        Self::with(options, "{trigger: manual, selector: all, task: {p: print}}", "")
    }

    fn with(options: &str, router: &str, more: &str) -> Self {
        let place = Place::new();
        let config = format!(
            "trigger: {{manual: {{type: http, port: 0, {options}}}}}
executor: {{here: {{type: local, work_dir: '@DIR@/work'}}}}
router:
  r: {router}
{more}"
        );
        let daemon = Daemon::start(&place, &config);
        let marker = "http trigger manual listening on ";
        let address = daemon.wait_pick(marker, |line| {
            let word = line.split_once(marker)?.1.split_whitespace().next()?;
            word.split('/').next()?.parse().ok()
        });
        Self { place, daemon, address }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        send(self.address, &Message::request(method, path, headers, body))
    }

    fn post(&self, path: &str, body: &Value) -> Response {
        self.send("POST", path, &[JSON], body.to_string().as_bytes())
    }

    /// The `trigger_param` of the event in this response.
    fn taken(&self, response: &Response) -> Value {
        assert_eq!(response.status, 200, "{response:?}\n{}", self.daemon.log());
        let id = response.json()["event_id"].as_str().expect("an event_id").to_owned();
        let printed = self.daemon.wait_print(&id, |value| value["trigger_id"] == *id);
        printed["trigger_param"].clone()
    }

    /// Without the description of the request.
    fn taken_alone(&self, response: &Response) -> Value {
        let mut taken = self.taken(response);
        taken.as_object_mut().unwrap().remove("_request");
        taken
    }
}

/// A recorded request, as if the forge knew this machine as localhost.
fn recorded_here(name: &str) -> Message {
    let mut request = recorded::request(name);
    request.set("Host", "localhost");
    request
}

#[test]
fn without_any_of_the_keys_nothing_is_added() {
    let hooks = Hooks::start("host: 127.0.0.1");
    let response = hooks.post("/any/path", &json!({"a": 1}));
    assert_eq!(hooks.taken(&response), json!({"a": 1}));
    assert_eq!(response.json().as_object().unwrap().len(), 1, "{response:?}");
}

#[test]
fn triggers_share_a_port_and_captures_are_parameters() {
    let (place, port) = (Place::new(), free_port());
    let config = format!(
        "trigger:
  app: {{type: http, port: {port}, path: '/deploy/{{app}}'}}
  web: {{type: http, port: {port}, path: /deploy/web}}
  rest: {{type: http, port: {port}}}
router:
  a: {{trigger: app, selector: all, task: {{p: print}}}}
  w: {{trigger: web, selector: all, task: {{p: print}}}}
  x: {{trigger: rest, selector: all, task: {{p: print}}}}
"
    );
    let daemon = Daemon::start(&place, &config);
    daemon.wait_for(&["heraldd is ready"]);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    for (path, router, capture) in [
        ("/deploy/db%20one", "a", json!("db one")),
        ("/deploy/web", "w", json!(null)),
        ("/deploy", "x", json!(null)),
        ("/", "x", json!(null)),
    ] {
        let response = send(address, &Message::request("POST", path, &[JSON], br#"{"app": "body"}"#));
        assert_eq!(response.status, 200, "{path}: {response:?}");
        let id = response.json()["event_id"].as_str().unwrap().to_owned();
        let printed = daemon.wait_print(path, |value| value["trigger_id"] == *id);
        let app = if capture.is_null() { json!("body") } else { capture };
        assert_eq!((&printed["router"], &printed["trigger_param"]["app"]), (&json!(router), &app), "{path}");
    }
    // A reload that takes one away leaves the others.
    place.config_as(
        "heraldd.yml",
        &config
            .replace("  web: {type", "  gone: {type")
            .replace("trigger: web", "trigger: gone")
            .replace("/deploy/web", "/gone"),
    );
    daemon.signal("HUP");
    daemon.wait_for(&["configuration reloaded"]);
    let response = send(address, &Message::request("POST", "/gone", &[JSON], b"{}"));
    let id = response.json()["event_id"].as_str().unwrap().to_owned();
    assert_eq!(daemon.wait_print("gone", |value| value["trigger_id"] == *id)["trigger"], "gone");
    let response = send(address, &Message::request("POST", "/deploy/web", &[JSON], b"{}"));
    let id = response.json()["event_id"].as_str().unwrap().to_owned();
    assert_eq!(daemon.wait_print("app", |value| value["trigger_id"] == *id)["trigger"], "app");
}

#[test]
fn the_same_path_twice_is_refused() {
    let place = Place::new();
    let config = "trigger:
  a: {type: http, port: 9990, path: '/x/{one}'}
  b: {type: http, port: 9990, path: '/x/{two}'}
router:
  r: {trigger: a, selector: all, task: {n: none}}
  s: {trigger: b, selector: all, task: {n: none}}
";
    let ended = place.check(config);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains(":3:") && ended.stderr.contains("same path"), "{ended:?}");
}

#[test]
fn a_get_takes_its_query() {
    let hooks = Hooks::start("methods: [GET, POST]");
    for (query, params) in [
        ("ref=main&tag=a&tag=b%20c", json!({"ref": "main", "tag": ["a", "b c"]})),
        ("d=%7B%22shell%22%3A%22ls%22%7D", json!({"d": {"shell": "ls"}, "shell": "ls"})),
        ("d=eyJzaGVsbCI6ImxzIn0", json!({"d": {"shell": "ls"}, "shell": "ls"})),
        ("", json!({})),
    ] {
        let response = hooks.send("GET", &format!("/?{query}"), &[], b"");
        assert_eq!(hooks.taken_alone(&response), params, "{query}");
    }
    assert_eq!(hooks.taken_alone(&hooks.post("/", &json!({"a": 1}))), json!({"a": 1}));
    let refused = hooks.send("PUT", "/", &[JSON], b"{}");
    assert_eq!((refused.status, refused.get("allow")), (405, Some("GET, POST")));
}

#[test]
fn the_curl_lines_of_seed_001() {
    let router = "{trigger: manual, selector: match_map, select_param: {match_key: shell}, task: {run: here},
       job_param: {cmd: sh, arg: [-c, '{{ trigger_param.shell }}']}}";
    let hooks =
        Hooks::with("methods: [GET], auth: {token: '123456', query: sign}, respond: result", router, "");
    let shell = "echo here && echo there";
    let json = format!("{{\"shell\":\"{shell}\"}}")
        .replace('"', "%22")
        .replace(' ', "%20")
        .replace('{', "%7B")
        .replace('}', "%7D");
    let base64 = "eyJzaGVsbCI6ImVjaG8gaGVyZSAmJiBlY2hvIHRoZXJlIn0=";
    // As `curl -g` sends it.
    let plain = format!("{{\"shell\":\"{shell}\"}}").replace(' ', "%20");
    for d in [json.replace("&&", "%26%26").as_str(), plain.replace("&&", "%26%26").as_str(), base64] {
        let response = hooks.send("GET", &format!("/?sign=123456&d={d}"), &[("Accept", "text/plain")], b"");
        assert_eq!((response.status, response.text().contains("here\nthere\n")), (200, true), "{response:?}");
        let refused = hooks.send("GET", &format!("/?sign=12345&d={d}"), &[], b"");
        assert_eq!(refused.status, 401);
    }
    assert!(!hooks.daemon.log().contains("123456"), "{}", hooks.daemon.log());
}

#[test]
fn who_may_call() {
    let body = br#"{"a":1}"#;
    let signature = format!("sha256={}", sign::v1("second-secret", body));
    for (auth, good, bad) in [
        (
            "{token: [first, second]}",
            vec![("Authorization", "Bearer second")],
            vec![("Authorization", "Bearer third")],
        ),
        ("{token: t0ken, header: X-Token}", vec![("X-Token", "t0ken")], vec![]),
        (
            "{basic: {user: u, password: p}}",
            vec![("Authorization", "Basic dTpw")],
            vec![("Authorization", "Basic dTpx")],
        ),
        (
            "{hmac: {header: X-Sig, prefix: 'sha256=', secret: [first-secret, second-secret]}}",
            vec![("X-Sig", signature.as_str())],
            vec![("X-Sig", "sha256=00")],
        ),
    ] {
        let hooks = Hooks::start(&format!("auth: {auth}"));
        let with = |headers: &[(&'static str, &str)]| {
            let headers: Vec<(&str, &str)> = headers.iter().copied().chain([JSON]).collect();
            hooks.send("POST", "/", &headers, body)
        };
        let refused = with(&bad);
        assert_eq!(refused.status, 401, "{auth}: {refused:?}");
        assert!(refused.json()["error"].is_string());
        assert_eq!(hooks.taken_alone(&with(&good)), json!({"a": 1}), "{auth}");
        assert_eq!(hooks.daemon.printed().len(), 1, "the refused one ran nothing");
        if auth.contains("basic") {
            assert!(refused.get("www-authenticate").unwrap().starts_with("Basic "));
        }
    }
}

#[test]
fn forges_are_known_by_their_signatures() {
    let secret = "a secret of the forge";
    for (file, provider, header) in [
        ("github-push", "github", "X-Hub-Signature-256"),
        ("github-tag", "github", "X-Hub-Signature-256"),
        ("github-pull_request", "github", "X-Hub-Signature-256"),
        ("github-release", "github", "X-Hub-Signature-256"),
        ("gitea-push", "gitea", "X-Gitea-Signature"),
        ("gitea-tag", "gitea", "X-Gitea-Signature"),
        ("gitea-pull_request", "forgejo", "X-Gitea-Signature"),
        ("gitea-release", "gitea", "X-Gitea-Signature"),
        ("gitlab-push", "gitlab", "X-Gitlab-Token"),
        ("gitlab-tag", "gitlab", "X-Gitlab-Token"),
        ("gitlab-merge_request", "gitlab", "X-Gitlab-Token"),
        ("gitlab-release", "gitlab", "X-Gitlab-Token"),
        ("bitbucket-push", "bitbucket", "X-Hub-Signature"),
    ] {
        let hooks = Hooks::start(&format!("auth: {{provider: {provider}, secret: '{secret}'}}"));
        let mut request = recorded_here(file);
        let proof = match provider {
            "gitlab" => secret.to_owned(),
            "gitea" | "forgejo" => sign::v1(secret, &request.body),
            _ => format!("sha256={}", sign::v1(secret, &request.body)),
        };
        request.set(header, "wrong");
        assert_eq!(send(hooks.address, &request).status, 401, "{file}");
        request.set(header, &proof);
        let response = send(hooks.address, &request);
        let taken = hooks.taken_alone(&response);
        assert_eq!(taken, serde_json::from_slice::<Value>(&request.body).unwrap(), "{file}");
        assert!(!hooks.daemon.log().contains(secret), "{file}");
    }
}

#[test]
fn addresses_are_checked() {
    let hooks = Hooks::start("allow_ips: [192.0.2.0/24, '2001:db8::/32'], trusted_proxies: 127.0.0.0/8");
    for (forwarded, status) in [
        (None, 403),
        (Some("192.0.2.7"), 200),
        (Some("2001:db8::1"), 200),
        (Some("192.0.2.7, 203.0.113.1"), 403),
    ] {
        let mut headers = vec![JSON];
        headers.extend(forwarded.map(|forwarded| ("X-Forwarded-For", forwarded)));
        let response = hooks.send("POST", "/", &headers, b"{}");
        assert_eq!(response.status, status, "{forwarded:?}: {response:?}");
        if status == 200 {
            assert_eq!(hooks.taken(&response)["_request"]["remote_address"], forwarded.unwrap());
        }
    }
    // From nobody's proxy the header says nothing.
    let direct = Hooks::start("allow_ips: 192.0.2.0/24");
    let headers = [JSON, ("X-Forwarded-For", "192.0.2.7")];
    assert_eq!(direct.send("POST", "/", &headers, b"{}").status, 403);
}

/// A page in a browser can send GETs, forms and text to any port of this machine.
#[test]
fn what_a_web_page_sends_is_rejected() {
    let hooks = Hooks::start("methods: [GET, POST], body: any");
    let from = |headers: &[(&str, &str)]| hooks.send("GET", "/?a=1", headers, b"").status;
    assert_eq!(from(&[]), 200);
    assert_eq!(from(&[("Sec-Fetch-Site", "cross-site")]), 403);
    assert_eq!(from(&[("Origin", "https://evil.example.com")]), 403);
    // An authenticated request may come from a page as well.
    let hooks = Hooks::start("methods: GET, auth: {token: t0ken, query: t}");
    assert_eq!(hooks.send("GET", "/?t=t0ken", &[("Sec-Fetch-Site", "cross-site")], b"").status, 200);
    // A password that the browser adds by itself proves nothing of the kind.
    let hooks = Hooks::start("methods: GET, auth: {basic: {user: ann, password: pass-word}}");
    let basic = ("Authorization", "Basic YW5uOnBhc3Mtd29yZA==");
    assert_eq!(hooks.send("GET", "/?a=1", &[basic], b"").status, 200);
    assert_eq!(hooks.send("GET", "/?a=1", &[basic, ("Sec-Fetch-Site", "cross-site")], b"").status, 403);
}

#[test]
fn bodies_of_every_kind() {
    const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
    const TEXT: (&str, &str) = ("Content-Type", "text/plain");
    for (kind, header, body, params) in [
        ("form", FORM, "a=1&b=x+y", Some(json!({"a": "1", "b": "x y"}))),
        ("form", FORM, "payload=%7B%22ref%22%3A%22main%22%7D", Some(json!({"ref": "main"}))),
        ("form", JSON, "{}", None),
        ("text", TEXT, "hello", Some(json!({"text": "hello"}))),
        ("text", JSON, "{}", None),
        ("any", TEXT, "hello", Some(json!({"text": "hello"}))),
        ("any", JSON, "{\"a\": 1}", Some(json!({"a": 1}))),
        ("json", TEXT, "{}", None),
    ] {
        let hooks = Hooks::start(&format!("body: {kind}, path: /"));
        let response = hooks.send("POST", "/", &[header], body.as_bytes());
        match params {
            Some(params) => assert_eq!(hooks.taken_alone(&response), params, "{kind} {body}"),
            None => assert_eq!(response.status, 415, "{kind} {body}"),
        }
    }
}

#[test]
fn the_answer_waits_for_the_jobs() {
    let router = "
    trigger: manual
    selector: match_map
    select_param: {match_key: say}
    task:
      say: {executor: here, job_param: {cmd: sh, arg: [-c, 'sleep 0.3; echo \"$1\"; exit $2', sh, '{{ trigger_param.say }}', '{{ trigger_param.code }}']}}
      own: {executor: here, job_param: {cmd: echo, arg: '{\"tag\": \"v1\"}'}}";
    let hooks = Hooks::with("respond: result, respond_timeout: 20s", router, DONE);
    let good = hooks.post("/", &json!({"say": "hello", "code": 0}));
    assert_eq!(good.status, 200, "{good:?}");
    let answer = good.json();
    assert_eq!(answer["matched"], 2);
    assert_eq!(answer["jobs"][0]["result"]["output"], "hello\n");
    assert_eq!(
        (&answer["jobs"][1]["task"], &answer["jobs"][1]["result"]["tag"]),
        (&json!("own"), &json!("v1"))
    );
    let bad = hooks.post("/", &json!({"say": "oh", "code": 3}));
    assert_eq!((bad.status, &bad.json()["jobs"][0]["status"]), (502, &json!("failed")), "{bad:?}");
    let text = hooks.send("POST", "/", &[JSON, ("Accept", "text/plain")], br#"{"say": "x", "code": 0}"#);
    assert_eq!(text.get("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(text.text(), "== r/say: succeeded\nx\n\n== r/own: succeeded\ntag: v1\n");
    let nobody = hooks.post("/", &json!({"other": 1}));
    assert_eq!((nobody.status, &nobody.json()["matched"]), (200, &json!(0)));
    let late = Hooks::with("respond: result, respond_timeout: 200ms", router, DONE);
    let late = late.post("/", &json!({"say": "x", "code": 0}));
    assert_eq!((late.status, &late.json()["unfinished"]), (502, &json!(1)), "{late:?}");
}

#[test]
fn the_request_is_told() {
    let hooks = Hooks::start("path: '/x/{name}', keep_raw: true, headers: [X-One, content-type]");
    let headers = [JSON, ("X-One", "1"), ("X-Two", "2")];
    let response = hooks.send("POST", "/x/y?q=a&q=b", &headers, br#"{"a": 1 }"#);
    let taken = hooks.taken(&response);
    assert_eq!(
        taken,
        json!({
            "a": 1, "name": "y",
            "_request": {
                "method": "POST", "path": "/x/y", "query": {"q": ["a", "b"]},
                "headers": {"content-type": "application/json", "x-one": "1"},
                "remote_address": "127.0.0.1", "body": "{\"a\": 1 }",
            },
        })
    );
}

#[test]
fn what_nobody_wants_is_matched_0() {
    let router = "{trigger: manual, selector: match_map, select_param: {match_key: a}, task: {p: print}}";
    let hooks = Hooks::with("path: /", router, "");
    for (body, matched) in [(json!({"b": 1}), 0), (json!({"a": 1}), 1)] {
        let response = hooks.post("/", &body);
        assert_eq!((response.status, &response.json()["matched"]), (200, &json!(matched)), "{body}");
    }
    let words = "path: /, answer: {matched: {status: 202, body: deployed, headers: {X-Own: '1'}}, unmatched: {body: Hook rules were not satisfied.}}";
    let hooks = Hooks::with(words, router, "");
    let (yes, no) = (hooks.post("/", &json!({"a": 1})), hooks.post("/", &json!({"b": 1})));
    assert_eq!((yes.status, yes.text().as_str(), yes.get("x-own")), (202, "deployed", Some("1")));
    assert_eq!((no.status, no.text().as_str()), (200, "Hook rules were not satisfied."));
}

#[test]
fn a_ping_runs_nothing() {
    let hooks = Hooks::start("auth: {provider: github, secret: a-secret-of-github}");
    let mut request = recorded_here("github-ping");
    request.set("X-Hub-Signature-256", "sha256=00");
    assert_eq!(send(hooks.address, &request).status, 401);
    request.set("X-Hub-Signature-256", &format!("sha256={}", sign::v1("a-secret-of-github", &request.body)));
    let response = send(hooks.address, &request);
    assert_eq!((response.status, response.json()), (200, json!({"ping": true})));
    hooks.taken(&{
        let mut push = recorded_here("github-push");
        push.set("X-Hub-Signature-256", &format!("sha256={}", sign::v1("a-secret-of-github", &push.body)));
        send(hooks.address, &push)
    });
    assert_eq!(hooks.daemon.printed().len(), 1);
}

#[test]
fn a_delivery_that_comes_again_runs_nothing() {
    let hooks = Hooks::start("auth: {provider: github, secret: a-secret-of-github}");
    let mut push = recorded_here("github-push");
    push.set("X-Hub-Signature-256", &format!("sha256={}", sign::v1("a-secret-of-github", &push.body)));
    let (first, again) = (send(hooks.address, &push), send(hooks.address, &push));
    hooks.taken(&first);
    assert_eq!(first.json()["event_id"], again.json()["event_id"]);
    assert_eq!(again.json()["duplicate"], true);
    assert_eq!(hooks.daemon.printed().len(), 1);
}

/// Anybody who has seen a signed request can send it with any headers.
#[test]
fn a_captured_request_with_other_headers_runs_nothing() {
    let secret = "a-secret-of-github";
    let hooks = Hooks::start(&format!("auth: {{provider: github, secret: {secret}}}"));
    let mut push = recorded_here("github-push");
    push.set("X-Hub-Signature-256", &format!("sha256={}", sign::v1(secret, &push.body)));
    let first = send(hooks.address, &push);
    hooks.taken(&first);
    for (header, value) in
        [("X-GitHub-Delivery", "d2"), ("Idempotency-Key", "i2"), ("X-GitHub-Hook-ID", "7"), ("X-Other", "1")]
    {
        push.set(header, value);
        let again = send(hooks.address, &push).json();
        assert_eq!(
            (&again["event_id"], &again["duplicate"]),
            (&first.json()["event_id"], &json!(true)),
            "{header}"
        );
    }
    // Another path is another event; the same name with another body is neither.
    let mut elsewhere = push.clone();
    elsewhere.start = "POST /elsewhere HTTP/1.1".to_owned();
    hooks.taken(&send(hooks.address, &elsewhere));
    elsewhere.body = b"{\"other\": true}".to_vec();
    elsewhere.set("X-Hub-Signature-256", &format!("sha256={}", sign::v1(secret, &elsewhere.body)));
    elsewhere.set("Content-Length", &elsewhere.body.len().to_string());
    let other = send(hooks.address, &elsewhere);
    assert_eq!(other.status, 422, "{other:?}");
    assert_eq!(hooks.daemon.printed().len(), 2);
    // Where nothing is signed, the header counts.
    let hooks = Hooks::start("path: /");
    let post = |key: &str, body: &[u8]| hooks.send("POST", "/", &[JSON, ("Idempotency-Key", key)], body);
    hooks.taken(&post("a", b"{}"));
    assert_eq!(post("a", b"{}").json()["duplicate"], true);
    assert_eq!(post("a", b"{\"a\":1}").status, 422);
    hooks.taken(&post("b", b"{}"));
}

#[test]
fn templates_reach_the_job() {
    let router = "
    trigger: manual
    selector: match_map
    select_param: {match_key: ref, match_value: 'refs/heads/{{ trigger_param.branch }}'}
    task: {say: here}
    job_param:
      cmd: printf
      arg: ['%s|', \"{{ trigger_param.ref | regex('refs/heads/(.+)', 1) }}\", '{{ trigger_param | tojson }}', '{{ \"a b\" | b64encode }}']
      env: {N: '{{ trigger_param.n }}', WHO: '{{ router }}/{{ task }}'}
      timeout: '{{ trigger_param.n }}s'";
    let hooks = Hooks::with("respond: result", router, DONE);
    let answer = hooks.post("/", &json!({"ref": "refs/heads/main", "branch": "main", "n": 5})).json();
    let output = answer["jobs"][0]["result"]["output"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(
        output.starts_with("main|{\"ref\":\"refs/heads/main\"") && output.ends_with("|YSBi|"),
        "{output}"
    );
    let other = hooks.post("/", &json!({"ref": "refs/heads/main", "branch": "x", "n": 5})).json();
    assert_eq!(other["matched"], 0);
    let undefined = hooks.post("/", &json!({"ref": "refs/heads/main", "branch": "main"})).json();
    let job = &undefined["jobs"][0];
    assert_eq!(job["status"], "failed");
    assert!(job["error"].as_str().unwrap().contains("`trigger_param.n` is not defined"), "{undefined}");
}

#[test]
fn an_argument_stays_one() {
    let router = "{trigger: manual, selector: all, task: {say: here}, job_param: {cmd: sh, arg: [-c, 'echo $#; for a in \"$@\"; do echo \"<$a>\"; done', sh, '{{ trigger_param.a }}', 'x {{ trigger_param.b }}']}}";
    let hooks = Hooks::with("respond: result", router, "");
    for (a, shown) in [
        ("one two", "one two"),
        ("", ""),
        ("'; rm -rf /", "'; rm -rf /"),
        ("$(id) `id` * ?", "$(id) `id` * ?"),
    ] {
        let answer = hooks.post("/", &json!({"a": a, "b": "y z"})).json();
        let output = answer["jobs"][0]["result"]["output"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(output, format!("2\n<{shown}>\n<x y z>\n"));
    }
}

#[test]
fn mistakes_are_found_at_their_column() {
    for (router, place_and_words) in [
        (
            "{trigger: t, selector: all, task: {n: none}, job_param: {a: 'x {{ trigger_parm.b }}'}}",
            (72, "`trigger_parm`"),
        ),
        (
            "{trigger: t, selector: all, task: {n: none}, job_param: {a: 'x {{ trigger_param.b | nope }}'}}",
            (0, "unknown filter"),
        ),
        (
            "{trigger: t, selector: all, task: {n: none}, job_param: {a: '{{ trigger_param.b'}}",
            (0, "syntax error"),
        ),
        (
            "{trigger: t, selector: expr, task: {n: none}, select_param: {expr: 'trigger_param.a == trigger_parm.b'}}",
            (93, "`trigger_parm`"),
        ),
        (
            "{trigger: t, selector: expr, task: {n: none}, select_param: {expr: 'trigger_param.a =='}}",
            (0, "syntax error in the expression"),
        ),
        ("{trigger: t, selector: expr, task: {n: none}, select_param: {}}", (0, "`expr`")),
        (
            "{trigger: t, selector: expr, task: {n: none}, select_param: {expr: trigger_param.a + 1}}",
            (0, "never gives true or false"),
        ),
    ] {
        let place = Place::new();
        let ended = place.check(&format!("trigger: {{t: {{type: http}}}}\nrouter:\n  r: {router}\n"));
        let (column, words) = place_and_words;
        assert_eq!(ended.code, Some(2), "{router}: {ended:?}");
        assert!(ended.stderr.contains(words), "{router}: {ended:?}");
        let at = if column > 0 { format!(":3:{column}: ") } else { ":3:".to_owned() };
        assert!(ended.stderr.contains(&at), "{at} {router}: {ended:?}");
    }
}

#[test]
fn an_expression_decides_and_explain_shows_what_it_saw() {
    let router = "{trigger: manual, selector: expr, task: {p: print}, select_param: {expr: 'trigger_param.n > select_param.least', least: 3}}";
    let hooks = Hooks::with("path: /", router, &format!("state_dir: '{}'\n", "@DIR@/state"));
    let (yes, no) = (hooks.post("/", &json!({"n": 5})), hooks.post("/", &json!({"n": 1})));
    assert_eq!((&yes.json()["matched"], &no.json()["matched"]), (&json!(1), &json!(0)));
    let event = no.json()["event_id"].as_str().unwrap().to_owned();
    let printed = hooks.place.run("heraldd", &["explain", &event, "--socket", "@DIR@/state/heraldd.sock"]);
    assert!(
        printed.stdout.contains("trigger_param.n is 1") && printed.stdout.contains("select_param.least is 3"),
        "{printed:?}"
    );
}

/// A configuration whose job would leave a trace.
const REHEARSED: &str = "trigger:
  github: {type: http, port: 0, path: '/hooks/{forge}', auth: {provider: github, secret: a-secret-of-github}}
executor: {here: {type: local, work_dir: '@DIR@/work'}}
router:
  deploy:
    trigger: github
    selector: expr
    select_param: {expr: 'trigger_param.ref in select_param.branches', branches: [refs/heads/main]}
    task: {run: here}
    job_param: {cmd: touch, arg: ['@DIR@/ran', '{{ trigger_param.forge }}'], env: {API_TOKEN: 't0p-s3cret', WHO: '{{ trigger_param.pusher.name }}'}}
  other: {trigger: github, selector: match_map, select_param: {match_key: nothing}, task: {never: here}, job_param: {cmd: 'false'}}
state_dir: '@DIR@/state'
";

#[test]
fn a_recorded_request_shows_what_it_would_start() {
    let place = Place::new();
    let config = place.config(REHEARSED);
    let config = config.to_str().unwrap();
    let mut push = recorded_here("github-push");
    let body: Value = serde_json::from_slice(&push.body).unwrap();
    let signature = format!("sha256={}", sign::v1("a-secret-of-github", &push.body));
    push.set("X-Hub-Signature-256", &signature);
    let file = place.write("push.http", std::str::from_utf8(&push.bytes()).unwrap());
    let ask = |more: &[&str]| {
        let file = file.to_str().unwrap();
        let arguments = ["try", config, "--trigger", "github", "--request", file];
        place.run("heraldd", &[&arguments, more].concat())
    };
    let printed = ask(&["--json"]);
    let rehearsal: Value =
        serde_json::from_str(&printed.stdout).unwrap_or_else(|error| panic!("{error}: {printed:?}"));
    let (deploy, other) = (&rehearsal["tasks"][0], &rehearsal["tasks"][1]);
    assert_eq!(
        (&deploy["router"], &deploy["answer"], &other["answer"]),
        (&json!("deploy"), &json!("yes"), &json!("no"))
    );
    let job_param = &deploy["params"]["job_param"];
    assert_eq!(
        (&job_param["arg"][1], &job_param["env"]["WHO"]),
        (&json!("github"), &body["pusher"]["name"]),
        "{rehearsal}"
    );
    assert_eq!(job_param["env"]["API_TOKEN"], "***");
    let table = ask(&[]);
    assert!(table.stdout.contains("deploy/run on here would get job_param"), "{table:?}");
    assert!(!table.stdout.contains("t0p-s3cret"));
    assert!(place.read("ran").is_none(), "nothing was started");
    // A changed request would be rejected; with --unchecked it may come from any client.
    push.set("X-Hub-Signature-256", "sha256=00");
    place.write("push.http", std::str::from_utf8(&push.bytes()).unwrap());
    let refused = ask(&[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("401") && refused.stdout.is_empty(), "{refused:?}");
    assert_eq!(ask(&["--unchecked"]).code, Some(0));
    for (trigger, request, code, says) in
        [("nobody", file.to_str().unwrap(), 4, "no trigger"), ("github", "/nowhere", 2, "/nowhere")]
    {
        let ended = place.run("heraldd", &["try", config, "--trigger", trigger, "--request", request]);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stderr.contains(says), "{ended:?}");
    }
}

#[test]
fn an_event_of_the_past_can_be_replayed() {
    let place = Place::new();
    let daemon = Daemon::start(&place, REHEARSED);
    daemon.wait_for(&["heraldd is ready"]);
    let socket = ["--socket", "@DIR@/state/heraldd.sock"];
    let data =
        r#"{"ref": "refs/heads/main", "forge": "x", "pusher": {"name": "n"}, "password": "hunter2222"}"#;
    let event = place.run("heraldd", &[&["trigger", "github", "--wait", "-d", data], &socket[..]].concat());
    assert_eq!(event.code, Some(0), "{event:?}");
    let jobs = place.run("heraldd", &[&["jobs", "--json"], &socket[..]].concat());
    let id = serde_json::from_str::<Value>(&jobs.stdout).unwrap()["items"][0]["event_id"]
        .as_str()
        .unwrap()
        .to_owned();
    std::fs::remove_file(place.path("ran")).unwrap();
    let shown = place.run("heraldd", &[&["replay", &id, "--json"], &socket[..]].concat());
    let shown: Value =
        serde_json::from_str(&shown.stdout).unwrap_or_else(|error| panic!("{error}: {shown:?}"));
    assert_eq!(shown["rehearsal"]["tasks"][0]["answer"], "yes", "{shown}");
    assert_eq!(shown["rehearsal"]["trigger_param"]["password"], "***");
    assert!(place.read("ran").is_none(), "nothing was started");
    let run = place.run("heraldd", &[&["replay", &id, "--run"], &socket[..]].concat());
    assert_eq!((run.code, run.stdout.trim().len()), (Some(0), 36), "{run:?}");
    assert_ne!(run.stdout.trim(), id);
    e2e::wait::until("the job", || place.path("ran").exists().then_some(()));
    let unknown = place.run("heraldd", &[&["replay", "nothing"], &socket[..]].concat());
    assert_eq!(unknown.code, Some(4), "{unknown:?}");
}
