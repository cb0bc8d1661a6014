//! Contract, section 9: `heraldd import`. The imported configuration is loaded, and gets the same requests as the
//! original.
//!
//! | sentence | test |
//! |---|---|
//! | `import webhook` prints a configuration that does the same | `webhook_and_its_import_answer_alike` |
//! | … `multi-node-webhook` … | `the_example_of_multi_node_webhook` |
//! | … `crontab` … | `a_crontab_runs` |
//! | section 12: … `watcher` …, both the seed's file and the original's own | `both_files_of_watcher_give_the_same` |
//! | section 14: … `go-deploy server.json`, also with `//` comments | `a_server_json_with_and_without_comments` |
//! | names on stderr, with line, what could not be carried over | `what_is_left_out_is_named` |
//!
//! If the program `webhook` is installed (`.ci/install` installs it), it gets the same requests; otherwise the expected
//! responses are only those in the table.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use e2e::daemon::Daemon;
use e2e::http::{Message, Response, free_port, send};
use e2e::place::Place;
use e2e::program::{Ended, Program, clean, run_to_end};
use e2e::wait::until;
use hmac::{Hmac, KeyInit, Mac};

const FAILED: &str =
    "Error occurred while executing the hook's command. Please check your logs for more details.";
const UNSATISFIED: &str = "Hook rules were not satisfied.";
const EVALUATING: &str = "Error occurred while evaluating hook rules.";

const HOOKS: &str = r#"[
  {
    "id": "arguments", "execute-command": "@DIR@/say", "include-command-output-in-response": true, "command-working-directory": "@DIR@",
    "pass-arguments-to-command": [
      {"source": "payload", "name": "head_commit.id"}, {"source": "payload", "name": "n"}, {"source": "payload", "name": "list"},
      {"source": "payload", "name": "list.1.x"}, {"source": "payload", "name": "gone"}, {"source": "url", "name": "q"},
      {"source": "header", "name": "x-own"}, {"source": "string", "name": "-a {{ b }} $(id) '\""}, {"source": "request", "name": "method"},
      {"source": "raw-request-body"}, {"source": "entire-query"}
    ]
  },
  {
    "id": "entire", "execute-command": "@DIR@/say", "include-command-output-in-response": true,
    "pass-arguments-to-command": [{"source": "entire-payload"}]
  },
  {
    "id": "environment", "execute-command": "sh", "include-command-output-in-response": true,
    "pass-arguments-to-command": [{"source": "string", "name": "-c"},
      {"source": "string", "name": "printf '%s|%s|' \"$HOOK_name\" \"$API_TOKEN\"; cat \"$HOOK_TEXT\" \"$BYTES\"; echo err >&2"}],
    "pass-environment-to-command": [{"source": "payload", "name": "name"}, {"source": "url", "name": "q", "envname": "API_TOKEN"}],
    "pass-file-to-command": [{"source": "payload", "name": "text"}, {"source": "payload", "name": "b64", "envname": "BYTES", "base64decode": true}]
  },
  {"id": "message", "execute-command": "true", "response-message": "I got it", "success-http-response-code": 202,
   "response-headers": [{"name": "X-Answer", "value": "yes"}], "http-methods": ["post ", "GET"]},
  {"id": "silent", "execute-command": "true"},
  {"id": "fails", "execute-command": "@DIR@/fail", "include-command-output-in-response": true},
  {"id": "fails-loudly", "execute-command": "@DIR@/fail", "include-command-output-in-response": true,
   "include-command-output-in-response-on-error": true},
  {"id": "value", "execute-command": "@DIR@/say", "include-command-output-in-response": true, "trigger-rule-mismatch-http-response-code": 403,
   "trigger-rule": {"and": [
     {"match": {"type": "value", "value": "refs/heads/main", "parameter": {"source": "payload", "name": "ref"}}},
     {"match": {"type": "regex", "regex": "^\\d+$", "parameter": {"source": "payload", "name": "n"}}},
     {"not": {"match": {"type": "value", "value": "true", "parameter": {"source": "payload", "name": "deleted"}}}}]}},
  {"id": "or", "execute-command": "@DIR@/say", "include-command-output-in-response": true,
   "trigger-rule": {"or": [
     {"match": {"type": "value", "value": "a", "parameter": {"source": "url", "name": "q"}}},
     {"match": {"type": "value", "value": "b", "parameter": {"source": "header", "name": "X-Own"}}}]}},
  {"id": "here", "execute-command": "@DIR@/say", "include-command-output-in-response": true,
   "trigger-rule": {"match": {"type": "ip-whitelist", "ip-range": "10.0.0.0/8 127.0.0.1"}}},
  {"id": "elsewhere", "execute-command": "@DIR@/say", "include-command-output-in-response": true,
   "trigger-rule": {"match": {"type": "ip-whitelist", "ip-range": "10.0.0.0/8"}}},
  {"id": "signed", "execute-command": "@DIR@/say", "include-command-output-in-response": true,
   "trigger-rule": {"match": {"type": "payload-hmac-sha256", "secret": "key", "parameter": {"source": "header", "name": "X-Own"}}}},
  {"id": "soft", "execute-command": "@DIR@/say", "include-command-output-in-response": true, "trigger-signature-soft-failures": true,
   "trigger-rule": {"or": [
     {"match": {"type": "payload-hmac-sha256", "secret": "old", "parameter": {"source": "header", "name": "X-Own"}}},
     {"match": {"type": "payload-hmac-sha256", "secret": "key", "parameter": {"source": "header", "name": "X-Own"}}}]}},
  {"id": "github", "execute-command": "@DIR@/say", "include-command-output-in-response": true,
   "pass-arguments-to-command": [{"source": "payload", "name": "ref"}],
   "trigger-rule": {"and": [
     {"match": {"type": "payload-hmac-sha256", "secret": "key", "parameter": {"source": "header", "name": "X-Hub-Signature-256"}}},
     {"match": {"type": "value", "value": "refs/heads/main", "parameter": {"source": "payload", "name": "ref"}}}]}},
  {"id": "gitlab", "execute-command": "@DIR@/say", "include-command-output-in-response": true,
   "trigger-rule": {"match": {"type": "value", "value": "the-token", "parameter": {"source": "header", "name": "X-Gitlab-Token"}}}},
  {"id": "bitbucket", "execute-command": "@DIR@/say", "include-command-output-in-response": true,
   "parse-parameters-as-json": [{"source": "payload", "name": "payload"}],
   "pass-arguments-to-command": [{"source": "payload", "name": "payload.commits.0.branch"}],
   "trigger-rule": {"match": {"type": "value", "value": "push", "parameter": {"source": "payload", "name": "payload.event"}}}},
  {"id": "payload", "execute-command": "@DIR@/say", "include-command-output-in-response": true,
   "pass-arguments-to-command": [{"source": "payload", "name": "a"}, {"source": "payload", "name": "payload"}, {"source": "payload", "name": "root.0"},
     {"source": "payload", "name": "text"}, {"source": "header", "name": "X-Own"}, {"source": "entire-query"}]},
  {"id": "ref", "execute-command": "@DIR@/say", "include-command-output-in-response": true,
   "trigger-rule": {"match": {"type": "value", "value": "main", "parameter": {"source": "payload", "name": "ref"}}}},
  {"id": "ref-of-json", "execute-command": "@DIR@/say", "include-command-output-in-response": true, "incoming-payload-content-type": "application/json",
   "trigger-rule": {"match": {"type": "value", "value": "main", "parameter": {"source": "payload", "name": "ref"}}}},
  {"id": "hub", "execute-command": "true", "response-message": "ran",
   "trigger-rule": {"match": {"type": "payload-hash-sha256", "secret": "key", "parameter": {"source": "header", "name": "X-Hub-Signature-256"}}}},
  {"id": "names", "execute-command": "/bin/sh", "include-command-output-in-response": true, "command-working-directory": "@DIR@",
   "pass-arguments-to-command": [{"source": "string", "name": "-c"},
     {"source": "string", "name": "cat /proc/$$/environ | tr '\\0' '\\n' >@DIR@/names; grep ^HOOK_ @DIR@/names | sed 's,=/.*,=/,' | sort; cat $(sed -n 's,^HOOK_HEAD.MSG=,,p' @DIR@/names)"}],
   "pass-environment-to-command": [{"source": "header", "name": "X-Own"}, {"source": "payload", "name": "head.msg"}],
   "pass-file-to-command": [{"source": "payload", "name": "head.msg"}]},
  {"id": "sendgrid/dir", "execute-command": "true", "response-message": "in a folder"},
  {"id": "fallback", "execute-command": "/bin/sh", "include-command-output-in-response": true,
   "pass-arguments-to-command": [{"source": "string", "name": "-c"}, {"source": "string", "name": "printf '[%s]' \"$MSG\" '${env:MSG}'"}],
   "pass-environment-to-command": [{"source": "payload", "name": "msg", "envname": "MSG"}, {"source": "url", "name": "msg", "envname": "MSG"}]},
  {"id": "empty", "execute-command": "true", "response-message": "ran", "trigger-rule-mismatch-http-response-code": 403,
   "trigger-rule": {"match": {"type": "value", "value": "", "parameter": {"source": "header", "name": "X-Deploy-Token"}}}},
  {"id": "parsed", "execute-command": "@DIR@/say", "include-command-output-in-response": true,
   "parse-parameters-as-json": [{"source": "payload", "name": "a"}, {"source": "url", "name": "q"}],
   "pass-arguments-to-command": [{"source": "payload", "name": "a"}, {"source": "payload", "name": "a.b"},
     {"source": "entire-payload"}, {"source": "url", "name": "q.c"}, {"source": "entire-query"}]},
  {"id": "passed-token", "execute-command": "@DIR@/say", "include-command-output-in-response": true,
   "pass-arguments-to-command": [{"source": "url", "name": "token"}],
   "trigger-rule": {"match": {"type": "value", "value": "abc", "parameter": {"source": "url", "name": "token"}}}},
  {"id": "large", "execute-command": "/bin/sh", "include-command-output-in-response": true,
   "pass-arguments-to-command": [{"source": "string", "name": "-c"}, {"source": "string", "name": "head -c 3000000 /dev/zero | tr '\\0' a"}]},
  {"id": "headers", "execute-command": "@DIR@/say", "include-command-output-in-response": true,
   "pass-arguments-to-command": [{"source": "entire-headers"}, {"source": "header", "name": "Host"}]}
]"#;

const JSON: (&str, &str) = ("Content-Type", "application/json");
const PLAIN: (&str, &str) = ("Content-Type", "text/plain");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// One request, and the response of both; the last is the import's where it differs, see docs/decisions/0014-import.md.
struct Case {
    request: Message,
    answer: (u16, &'static str),
    ours: Option<u16>,
}

fn case(target: &str, headers: &[(&str, &str)], body: &str, status: u16, text: &'static str) -> Case {
    let request = Message::request("POST", &format!("/hooks/{target}"), headers, body.as_bytes());
    Case { request, answer: (status, text), ours: None }
}

/// As [`case`], but the import answers with this status.
fn but(ours: u16, case: Case) -> Case {
    Case { ours: Some(ours), ..case }
}

fn get(target: &str, status: u16, text: &'static str) -> Case {
    let request = Message::request("GET", &format!("/hooks/{target}"), &[], b"");
    Case { request, answer: (status, text), ours: None }
}

fn sign(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn commands() -> Vec<Case> {
    let arguments = r#"{"head_commit":{"id":"abc"},"n":9007199254740993,"list":[1,{"x":"it's $(id)"}]}"#;
    vec![
        case(
            "arguments?q=a+b",
            &[JSON, ("X-Own", "own")],
            arguments,
            200,
            r#"[abc][9007199254740993][[1,{"x":"it's $(id)"}]][it's $(id)][][a b][own][-a {{ b }} $(id) '"][POST][{"head_commit":{"id":"abc"},"n":9007199254740993,"list":[1,{"x":"it's $(id)"}]}][{"q":"a b"}]"#,
        ),
        case(
            "arguments",
            &[FORM],
            "n=5&gone=",
            200,
            r#"[][5][][][][][][-a {{ b }} $(id) '"][POST][n=5&gone=][{}]"#,
        ),
        case(
            "entire",
            &[JSON],
            r#"{"a":1,"b":{"c":[true,null]}}"#,
            200,
            r#"[{"a":1,"b":{"c":[true,null]}}]"#,
        ),
        case("entire", &[FORM], "a=1", 200, r#"[{"a":"1"}]"#),
        case(
            "environment?q=sesame",
            &[JSON],
            r#"{"name":"x y","text":"t1\n","b64":"dDIK"}"#,
            200,
            "x y|sesame|t1\nt2\nerr\n",
        ),
        case("message", &[JSON], "{}", 202, "I got it"),
        get("message", 202, "I got it"),
        case("silent", &[], "", 200, ""),
        case("silent", &[("Content-Type", "text/plain")], "hello", 200, ""),
        get("silent", 200, ""),
        case("fails", &[JSON], "{}", 500, FAILED),
        case("fails-loudly", &[JSON], "{}", 500, "out\nerr\n"),
        case("sendgrid/dir", &[JSON], "{}", 200, "in a folder"),
    ]
}

fn rules() -> Vec<Case> {
    vec![
        case("value", &[JSON], r#"{"ref":"refs/heads/main","n":5,"deleted":false}"#, 200, ""),
        case("value", &[JSON], r#"{"ref":"refs/heads/main","n":5,"deleted":true}"#, 403, UNSATISFIED),
        case("value", &[JSON], r#"{"ref":"refs/heads/main","n":5}"#, 403, UNSATISFIED),
        case("value", &[JSON], r#"{"ref":"refs/heads/main","n":"٣","deleted":false}"#, 403, UNSATISFIED),
        case("value", &[FORM], "ref=refs/heads/main&n=5&deleted=no", 200, ""),
        case("value?ref=refs/heads/main&n=5&deleted=no", &[JSON], "{}", 403, UNSATISFIED),
        case("or?q=a", &[JSON], "{}", 200, ""),
        case("or", &[JSON, ("X-Own", "b")], "{}", 200, ""),
        case("or?q=b", &[JSON, ("X-Own", "a")], "{}", 200, UNSATISFIED),
        case("or", &[JSON], "{}", 200, UNSATISFIED),
        case("here", &[JSON], "{}", 200, ""),
        case("elsewhere", &[JSON], "{}", 200, UNSATISFIED),
        case(
            "bitbucket",
            &[FORM],
            "payload=%7B%22event%22%3A%22push%22%2C%22commits%22%3A%5B%7B%22branch%22%3A%22b%22%7D%5D%7D",
            200,
            "[b]",
        ),
        case("bitbucket", &[FORM], "payload=%7B%22event%22%3A%22pull%22%7D", 200, UNSATISFIED),
        case("bitbucket", &[JSON], r#"{"payload":"{\"event\":\"push\"}"}"#, 200, "[]"),
    ]
}

/// What is a payload, and which of several values counts.
fn payloads() -> Vec<Case> {
    let get = |target: &str, headers: &[(&str, &str)], body: &str, text: &'static str| Case {
        request: Message::request("GET", &format!("/hooks/{target}"), headers, body.as_bytes()),
        answer: (200, text),
        ours: None,
    };
    vec![
        get("payload?a=1&text=x", &[], "", r#"[][][][][][{"a":"1","text":"x"}]"#),
        get("payload?a=1", &[JSON], r#"{"a":2}"#, r#"[2][][][][][{"a":"1"}]"#),
        get("ref?ref=main", &[], "", UNSATISFIED),
        case("payload", &[FORM], "payload=%7B%22x%22%3A1%7D&a=1&a=2", 200, r#"[1][{"x":1}][][][][{}]"#),
        case("payload?t=v1&t=v2", &[("X-Own", "1")], "", 200, r#"[][][][][1][{"t":"v1"}]"#),
        case("payload", &[JSON], r#"[{"a":1}]"#, 200, r#"[][][{"a":1}][][][{}]"#),
        case("payload", &[JSON], r#"{"a":"#, 200, "[][][][][][{}]"),
        case("payload", &[JSON], "", 200, "[][][][][][{}]"),
        case("payload", &[PLAIN], "hello", 200, "[][][][][][{}]"),
        case("or?q=a&q=b", &[], "", 200, ""),
        case("or?q=b&q=a", &[], "", 200, UNSATISFIED),
        case("ref", &[JSON], r#"{"ref":"main"}"#, 200, ""),
        case("ref", &[PLAIN], r#"{"ref":"main"}"#, 200, UNSATISFIED),
        case("ref", &[], r#"{"ref":"main"}"#, 200, UNSATISFIED),
        case("ref-of-json", &[PLAIN], r#"{"ref":"main"}"#, 200, ""),
        case("ref-of-json", &[], r#"{"ref":"main"}"#, 200, ""),
        case(
            "names",
            &[JSON, ("X-Own", "it's $(id)")],
            r#"{"head":{"msg":"hello"}}"#,
            200,
            "HOOK_HEAD.MSG=/\nHOOK_X-Own=it's $(id)\nHOOK_head.msg=hello\nhello",
        ),
    ]
}

/// Texts that become something else easily.
fn texts() -> Vec<Case> {
    let token = |value: &str| ("X-Deploy-Token", value.to_owned());
    let (empty, other) = (token(""), token("x"));
    vec![
        case("fallback", &[JSON], r#"{"msg":"hello"}"#, 200, "[hello][${env:MSG}]"),
        case("fallback?msg=q", &[JSON], "{}", 200, "[q][${env:MSG}]"),
        case("fallback?msg=q", &[JSON], r#"{"msg":"hello"}"#, 200, "[q][${env:MSG}]"),
        case("fallback", &[JSON], "{}", 200, "[][${env:MSG}]"),
        case("empty", &[JSON, (empty.0, &empty.1)], "{}", 200, "ran"),
        case("empty", &[JSON, (other.0, &other.1)], "{}", 403, UNSATISFIED),
        case("empty", &[JSON], "{}", 403, UNSATISFIED),
        case("parsed", &[JSON], r#"{"a":"not json"}"#, 200, r#"[not json][][{"a":"not json"}][][{}]"#),
        case("parsed", &[JSON], r#"{"a":""}"#, 200, r#"[][][{"a":""}][][{}]"#),
        case("parsed", &[JSON], r#"{"a":"[1]"}"#, 200, r#"[[1]][][{"a":"[1]"}][][{}]"#),
        case(
            "parsed?q=%7B%22c%22%3A%22d%22%7D",
            &[JSON],
            r#"{"a":"{\"b\":1} junk"}"#,
            200,
            r#"[{"b":1}][1][{"a":{"b":1}}][d][{"q":{"c":"d"}}]"#,
        ),
        case("passed-token?token=abc", &[JSON], "{}", 200, "[abc]"),
        case("passed-token?token=abd", &[JSON], "{}", 200, UNSATISFIED),
    ]
}

fn senders() -> Vec<Case> {
    let body = r#"{"ref":"refs/heads/main"}"#;
    let other = r#"{"ref":"refs/heads/x"}"#;
    let (good, bad) = (sign("key", body), sign("no", body));
    let hub = |signature: &str, body: &str, status: u16, text: &'static str| {
        case("github", &[JSON, ("X-Hub-Signature-256", signature)], body, status, text)
    };
    let own = |hook: &str, signature: &str, status: u16, text: &'static str| {
        case(hook, &[JSON, ("X-Own", signature)], body, status, text)
    };
    let several = format!("{bad},{good}");
    vec![
        own("signed", &good, 200, ""),
        own("signed", good.trim_start_matches("sha256="), 200, ""),
        own("signed", &several, 200, ""),
        but(200, own("signed", &bad, 500, EVALUATING)),
        case("signed", &[JSON], body, 200, UNSATISFIED),
        own("soft", &good, 200, ""),
        own("soft", &bad, 200, UNSATISFIED),
        hub(&good, body, 200, "[refs/heads/main]"),
        case("hub", &[JSON, ("X-Hub-Signature-256", &good)], body, 200, "ran"),
        case("hub", &[JSON, ("X-Hub-Signature-256", good.trim_start_matches("sha256="))], body, 200, "ran"),
        hub(&sign("key", other), other, 200, UNSATISFIED),
        but(401, hub(&bad, body, 500, EVALUATING)),
        but(401, case("github", &[JSON], body, 200, UNSATISFIED)),
        case("gitlab", &[JSON, ("X-Gitlab-Token", "the-token")], body, 200, ""),
        but(401, case("gitlab", &[JSON, ("X-Gitlab-Token", "another")], body, 200, UNSATISFIED)),
    ]
}

fn import(place: &Place, kind: &[&str], file: &Path) -> Ended {
    let ended = run_to_end(place.bare("heraldd").arg("import").args(kind).arg(file));
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    ended
}

/// The program itself, if it is installed.
fn original(place: &Place, hooks: &Path) -> Option<(Program, SocketAddr)> {
    let port = free_port();
    let mut command = Command::new("webhook");
    clean(&mut command, place.path("").as_path());
    command.args(["-verbose", "-ip", "127.0.0.1", "-port", &port.to_string(), "-hooks"]).arg(hooks);
    let installed = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("webhook").exists()));
    installed.then(|| {
        let program = Program::start(&mut command);
        program.wait_for(&["serving hooks on"]);
        (program, SocketAddr::from(([127, 0, 0, 1], port)))
    })
}

/// The hooks, served by the imported configuration.
fn imported(place: &Place, hooks: &Path) -> (Daemon, SocketAddr) {
    let port = free_port();
    let config = import(place, &["webhook"], hooks).stdout;
    let config = config.replace("'0.0.0.0'", "127.0.0.1").replace("port: 9000", &format!("port: {port}"));
    let daemon = Daemon::start(place, &config);
    daemon.wait_for(&["http trigger sendgrid/dir listening"]);
    (daemon, SocketAddr::from(([127, 0, 0, 1], port)))
}

fn assert_answer(who: &str, case: &Case, response: &Response, log: &str) {
    let (status, text) = case.answer;
    let what = format!("{who}, {:?}: {response:?}\n{log}", case.request);
    assert_eq!((response.status, response.text().trim_end()), (status, text.trim_end()), "{what}");
}

#[test]
fn webhook_and_its_import_answer_alike() {
    let place = Place::new();
    place.script("say", "for a in \"$@\"; do printf '[%s]' \"$a\"; done");
    place.script("fail", "echo out; echo err >&2; exit 3");
    let hooks = place.write("hooks.json", HOOKS);
    let original = original(&place, &hooks);
    let (daemon, address) = imported(&place, &hooks);
    for case in commands().into_iter().chain(rules()).chain(payloads()).chain(texts()).chain(senders()) {
        if let Some((program, address)) = &original {
            assert_answer("webhook", &case, &send(*address, &case.request), &program.log());
        }
        let ours = send(address, &case.request);
        match case.ours {
            Some(status) => assert_eq!(ours.status, status, "{:?}: {ours:?}", case.request),
            None => assert_answer("the import", &case, &ours, &daemon.log()),
        }
        if case.answer.1 == "I got it" {
            assert_eq!(ours.get("x-answer"), Some("yes"), "{ours:?}");
        }
    }
    for (_, address) in original.iter().map(|(_, address)| ("webhook", *address)).chain([("import", address)])
    {
        let root = send(address, &Message::request("GET", "/", &[], b""));
        assert_eq!((root.status, root.text().trim_end().to_owned()), (200, "OK".to_owned()));
        let large = send(address, &Message::request("GET", "/hooks/large", &[], b""));
        assert_eq!((large.status, large.text().trim_end().len()), (200, 3_000_000));
        let headers = send(address, &Message::request("GET", "/hooks/headers", &[("X-Own", "1")], b""));
        let text = headers.text().to_ascii_lowercase();
        assert!(
            text.contains(r#""x-own":"1""#) && text.ends_with("}][]") && !text.contains("host"),
            "{text}"
        );
    }
    let put = Message::request("PUT", "/hooks/message", &[JSON], b"{}");
    assert_eq!(send(address, &put).status, 405);
    assert_eq!(send(address, &Message::request("POST", "/hooks/nowhere", &[JSON], b"{}")).status, 404);
}

/// The example of seed 000, with commands that say who ran.
const NODES: &str = r#"{
  "nodes": [{"id": "master", "host": "127.0.0.1:8888"}, {"id": "node1", "host": "192.168.16.1:8888"},
    {"id": "node2", "host": "192.168.16.2:8888"}],
  "hooks": [{"key": "update", "commands": [
    {"id": "master", "command": "echo master", "display": true, "parm_bind": "{\"-a=\":\"\\\"tag\\\":\\\"([^\\\"]+)\\\"\"}"},
    {"id": "node1", "command": "echo node1", "display": true, "parm_bind": "{\"var\":[\"push_data\",\"tag\"]}"},
    {"id": "node2", "command": "echo node2", "display": true, "parm_bind": "{\"var\":[\"push_data\",\"tag\"]}"}
  ]}]
}"#;

#[test]
fn the_example_of_multi_node_webhook() {
    let places = [Place::new(), Place::new(), Place::new()];
    let ports = || [free_port(), free_port(), free_port()];
    let (runners, hooks) = (ports(), ports());
    let file = places[0].write("config.json", NODES);
    let config = import(&places[0], &["multi-node-webhook"], &file).stdout;
    let config = config
        .replace("http://127.0.0.1:8124", &format!("http://127.0.0.1:{}", runners[0]))
        .replace("http://192.168.16.1:8124", &format!("http://127.0.0.1:{}", runners[1]))
        .replace("http://192.168.16.2:8124", &format!("http://127.0.0.1:{}", runners[2]))
        .replace("'0.0.0.0'", "127.0.0.1")
        .replace("/var/lib/heraldd/runner", "@DIR@/runner");
    let start = |n: usize, id: &str| {
        let config = config.replace("port: 8888", &format!("port: {}", hooks[n]));
        let file = places[n].config_as("heraldd.yml", &config);
        let mut command = places[n].bare("heraldd");
        command.env("HERALD_NODE_SECRET", "a secret of the whole fleet");
        Daemon::run(command.args(["-id", id, "-config"]).arg(file))
    };
    let daemons = [start(0, "master"), start(1, "node1"), start(2, "node2")];
    let all = vec!["master -a=v1; id $(id)", "node1 var=v1; id $(id)", "node2 var=v1; id $(id)"];
    daemons.iter().for_each(|daemon| drop(daemon.wait_for(&["heraldd is ready"])));
    let body = br#"{"push_data":{"tag":"v1; id $(id)"}}"#;
    for (asked, target, said) in [
        (0, "/update", all.clone()),
        (1, "/update", all.clone()),
        (2, "/update", all.clone()),
        (0, "/update?node=", all),
        (0, "/update?node=1", vec!["master -a=v1; id $(id)"]),
        (1, "/update?node=1", vec!["node1 var=v1; id $(id)"]),
        (2, "/update?node=1", vec!["node2 var=v1; id $(id)"]),
    ] {
        let request = Message::request("POST", target, &[JSON, ("Accept", "text/plain")], body);
        let answer = send(SocketAddr::from(([127, 0, 0, 1], hooks[asked])), &request);
        let text = answer.text();
        let mut lines: Vec<&str> = text.lines().filter(|line| line.contains("v1")).collect();
        lines.sort_unstable();
        assert_eq!((answer.status, lines), (200, said), "{target}: {text}\n{}", daemons[asked].log());
    }
    // Nothing matches: nothing is passed.
    let request = Message::request("POST", "/update?node=1", &[JSON, ("Accept", "text/plain")], b"{}");
    let text = send(SocketAddr::from(([127, 0, 0, 1], hooks[0])), &request).text();
    assert!(text.lines().any(|line| line.trim_end() == "master"), "{text}");
}

#[test]
fn what_is_left_out_is_named() {
    let place = Place::new();
    for (kind, text, notes) in [
        ("webhook", "[{\"id\": \"a\",\n\"execute-command\": \"/x\",\n\"surplus\": 1}]", "f:3: `surplus`"),
        ("crontab", "\n@reboot x\n", "f:2: @reboot"),
        ("multi-node-webhook", "{\"nodes\": [],\n\"hooks\": [{}]}", "f:2: a hook without `key`"),
    ] {
        place.write("f", text);
        let ended = import(&place, &[kind], Path::new("f"));
        assert!(ended.stderr.lines().any(|line| line.starts_with(notes)), "{kind}: {}", ended.stderr);
        place.config(&ended.stdout);
        let checked = run_to_end(place.bare("heraldd").args(["check", "config.yml"]));
        assert_eq!(checked.code, Some(0), "{kind}: {}\n{}", checked.text(), ended.stdout);
    }
    let rule = r#"{"not": {"match": {"type": "ip-whitelist", "ip-range": "127.0.0.0/33"}}}"#;
    place.write("f", &format!("[{{\"id\": \"a\", \"execute-command\": \"/x\",\n\"trigger-rule\": {rule}}}]"));
    let ended = run_to_end(place.bare("heraldd").args(["import", "webhook", "f"]));
    assert_eq!(ended.code, Some(1), "{}", ended.text());
    assert!(ended.stderr.contains("f:2: error: `127.0.0.0/33` is not a valid address"), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("expr: 'false'") && !ended.stdout.contains("selector: all"),
        "{}",
        ended.stdout
    );
    let latin = [&b"# Sicherung f\xfcr alle\n0 3 * * * /x"[..], &b"\n"[..], &b" \xe4\n"[..]];
    for (parts, code, said) in
        [(&latin[..2], 0, "# Sicherung f\u{fc}r alle"), (&[latin[0], latin[2]], 2, "f:2: not UTF-8")]
    {
        std::fs::write(place.path("f"), parts.concat()).unwrap();
        let ended = run_to_end(place.bare("heraldd").args(["import", "crontab", "f"]));
        assert_eq!(ended.code, Some(code), "{}", ended.text());
        assert!(ended.text().contains(said), "{}", ended.text());
    }
    for (kind, text) in [("webhook", "{}"), ("webhook", "[{"), ("multi-node-webhook", "[]")] {
        place.write("f", text);
        let ended = run_to_end(place.bare("heraldd").args(["import", kind, "f"]));
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{kind} {text}");
        assert!(ended.stderr.starts_with("f:1"), "{}", ended.stderr);
    }
    let ended = run_to_end(place.bare("heraldd").args(["import", "crontab", "/etc/passwd"]));
    assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{}", ended.text());
    assert!(ended.stderr.contains("/etc/passwd:1: this is not a crontab"), "{}", ended.text());
    let ended = run_to_end(place.bare("heraldd").args(["import", "webhook", "gone"]));
    assert_eq!(ended.code, Some(2), "{}", ended.text());
}

#[test]
fn a_server_json_with_and_without_comments() {
    let plain = "{\n\"listen_http\": \":8082\",\n\"jwt_secret\": \"\",\n\"apps\": [{\"name\": \"douke\", \"type\": \"svn\", \
                 \"url\": \"svn://192.168.1.207/x\",\n\"node\": [{\"alias\": \"api-1\", \"addr\": \"192.168.1.11:8081\", \
                 \"path\": \"/srv/x\", \"befor_deploy\": \"ls | cat\"}]}]\n}\n";
    let commented = plain.replace(",\n", ", // 说明 \"\n").replace("[{", "[ /* a */ {");
    let place = Place::new();
    let read = |name: &str, text: &str| {
        place.write(name, text);
        run_to_end(place.bare("heraldd").args(["import", "go-deploy", name]))
    };
    let [plain, commented] = [("plain.json", plain), ("server.json", &*commented)].map(|(name, text)| {
        let ended = read(name, text);
        assert_eq!(ended.code, Some(0), "{}", ended.text());
        let says = |line: usize, what: &str| ended.stderr.contains(&format!("{name}:{line}: {what}"));
        assert!(
            says(3, "jwt_secret is empty") && says(5, "befor_deploy: it has shell signs"),
            "{}",
            ended.stderr
        );
        ended.stdout
    });
    assert_eq!(plain, commented);
    assert!(plain.contains("path: /api/deploy/updateByName"), "{plain}");
    let with_jwt = read(
        "jwt.json",
        "{\"jwt_secret\": \"0123456789abcdef0123\", \"listen_http\": \":8082\", \"apps\": []}",
    );
    for (name, text) in [("plain.yml", &plain), ("jwt.yml", &with_jwt.stdout)] {
        place.write(name, text);
        let mut check = place.bare("heraldd");
        check.args(["check", name]);
        let secrets = text.split("${env:").skip(1).filter_map(|rest| rest.split_once('}'));
        check.envs(secrets.map(|(secret, _)| (secret, "0123456789abcdef0123")));
        let checked = run_to_end(&mut check);
        assert_eq!(checked.code, Some(0), "{text}{}", checked.text());
    }
    assert!(with_jwt.stdout.contains("jwt: {secret: '${env:HERALD_JWT_SECRET}'"), "{}", with_jwt.stdout);
    let wrong = read("bad.json", "{\"apps\": [ /*\n");
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(2), ""), "{}", wrong.text());
    assert!(wrong.stderr.starts_with("bad.json:1:12: a comment begins here"), "{}", wrong.stderr);
}

#[test]
fn both_files_of_watcher_give_the_same() {
    let own = "[local]\nprefix = /watcher\nforce = true\n\n[etcd]\nendpoints = localhost:2379\ntimeout = 5\nusername =\npassword =\n\n\
               [logs]\nname = watcher\npath = ./logs/\nfilename = watcher\nlevel = debug\n\n[heartbeat]\n\
               domain = http://127.0.0.1:9091\ninterval = 30";
    let commented = own
        .replace("[local]", "[local]                           # watcher相关")
        .replace("/watcher", "/watcher                 # etcd中的前缀")
        .replace(":9091", ":9091    # 心跳配置");
    let place = Place::new();
    let [seed, own] = [("seed.ini", commented.as_str()), ("own.ini", own)].map(|(name, text)| {
        place.write(name, text);
        let ended = run_to_end(place.bare("heraldd").args(["import", "watcher", name]));
        assert_eq!(ended.code, Some(0), "{}", ended.text());
        assert!(
            ended.stderr.contains(&format!("{name}:6: ")) && ended.stderr.contains("etcdctl put"),
            "{}",
            ended.stderr
        );
        ended.stdout
    });
    assert_eq!(seed, own);
    assert!(!seed.contains("相关") && seed.contains("at_start: force"), "{seed}");
    place.write("not.ini", "[Unit]\nDescription=x\n");
    let ended = run_to_end(place.bare("heraldd").args(["import", "watcher", "not.ini"]));
    assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{}", ended.text());
}

#[test]
fn a_crontab_runs() {
    let place = Place::new();
    let crontab =
        "A = \"a {{ b }}\"\n* * * * * { cat; echo \"$A $(date +\\%Y) $PATH\"; pwd; } >@DIR@/out%one%two\n";
    let file = place.write("crontab", crontab);
    let config = import(&place, &["crontab"], &file).stdout;
    let daemon = Daemon::start(&place, &config);
    let asked = until("the control socket", || {
        let asked = run_to_end(place.bare("heraldd").args(["trigger", "line_2", "-config", "heraldd.yml"]));
        (asked.code == Some(0)).then_some(asked)
    });
    let out = until("the output", || place.read("out").filter(|text| text.lines().count() == 4));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(&lines[..2], ["one", "two"], "{}{}", asked.text(), daemon.log());
    assert!(lines[2].starts_with("a {{ b }} 2") && lines[2].ends_with(" /usr/bin:/bin"), "{}", lines[2]);
    let home = place.path("").canonicalize().unwrap();
    assert_eq!(Path::new(lines[3]).canonicalize().unwrap(), home);
}
