//! Hooks of [webhook](https://github.com/adnanh/webhook).

mod auth;
mod command;
mod formula;
mod rule;
mod source;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use self::auth::Auth;
use self::command::job_param;
use self::rule::Rules;
use self::source::{Argument, Parsed, Wanted};
use crate::escape::{literal, path};
use crate::given::{File, Item};
use crate::imported::{Imported, Unreadable};
use crate::value_checks::ValueChecks;
use crate::yaml_out::Writer;

const KEYS: [&str; 17] = [
    "id",
    "execute-command",
    "command-working-directory",
    "response-message",
    "response-headers",
    "include-command-output-in-response",
    "include-command-output-in-response-on-error",
    "pass-environment-to-command",
    "pass-arguments-to-command",
    "pass-file-to-command",
    "parse-parameters-as-json",
    "trigger-rule",
    "trigger-rule-mismatch-http-response-code",
    "trigger-signature-soft-failures",
    "incoming-payload-content-type",
    "success-http-response-code",
    "http-methods",
];
/// What the original says when a rule is not satisfied, and when a command failed.
const UNSATISFIED: &str = "Hook rules were not satisfied.";
const COMMAND_FAILED: &str =
    "Error occurred while executing the hook's command. Please check your logs for more details.";
/// Without `http-methods`, the original takes any. Those that only ask run nothing here.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const TEMPLATES: &str = "a file for webhook's -template has to be rendered first";
const LONGEST_WAIT: &str = "1h";
/// What forges send at most; the original has no limit.
const LARGEST_BODY: &str = "25MiB";
const HEAD: &str = "Made by `heraldd import webhook`: every hook is a trigger at /hooks/ID on port 9000 and a router with the rule and
the command. Secrets of the hooks stand in it: let nobody else read this file, or use ${env:NAME} or ${file:PATH}.";

/// Makes a configuration of a hook file, in JSON or YAML.
///
/// # Errors
/// When it is no list of hooks.
pub fn import(text: &str, file_name: &str, checks: &dyn ValueChecks) -> Result<Imported, Unreadable> {
    let file = File::read(text, file_name).map_err(|why| with_hint(why, text))?;
    if !file.top().value.is_array() {
        return Err(Unreadable(format!(
            "{file_name}:1: this is no list of hooks: expected [{{\"id\": …}}, …]"
        )));
    }
    let mut seen = BTreeSet::new();
    let items = file.top().list();
    say_templates(&file, text);
    say_missing(&items);
    let hooks: Vec<Hook> = items.iter().filter_map(|item| Hook::read(item, &mut seen, checks)).collect();
    say_methods(&file, &hooks);
    let mut writer = Writer::default();
    writer.comment(0, HEAD);
    if !hooks.is_empty() {
        writer.section("trigger");
        for hook in &hooks {
            writer.comment(2, &format!("Line {}.", hook.line));
            writer.entry(2, &hook.id, &hook.trigger);
        }
        writer.section("router");
        hooks.iter().for_each(|hook| writer.entry(2, &hook.id, &hook.router));
    }
    Ok(Imported { yaml: writer.finish(), left_out: file.into_left_out() })
}

/// Files for `-template` are read by webhook only after Go's templates in them have been replaced.
fn with_hint(Unreadable(why): Unreadable, text: &str) -> Unreadable {
    match text.lines().position(|line| line.contains("{{")) {
        Some(line) => Unreadable(format!("{}\nline {} holds {{{{: {TEMPLATES}\n", why.trim_end(), line + 1)),
        None => Unreadable(why),
    }
}

/// Names what stands in templates although the file can be read: a secret would be the text of the template.
fn say_templates(file: &File, text: &str) {
    for (n, line) in text.lines().enumerate() {
        if line.contains("{{") && line.contains("getenv") {
            file.leave_out(n + 1, format!("{TEMPLATES}: what stands here is taken as it is"));
        }
    }
}

/// Names, where it first matters, what becomes of variables and files without a value.
fn say_missing(hooks: &[Item<'_>]) {
    let keys = ["pass-environment-to-command", "pass-file-to-command"];
    let passed = hooks
        .iter()
        .flat_map(|hook| keys.iter().filter_map(|key| hook.get(key)).flat_map(|list| list.list()));
    let of_the_request = |at: &Item<'_>| {
        let source = at.get("source").and_then(|source| source.value.as_str());
        source.is_some_and(|source| ["payload", "header", "url", "query"].contains(&source))
    };
    if let Some(first) = passed.into_iter().find(of_the_request) {
        first.leave_out("where a request lacks it, the variable or file is empty here and not set there (so for all hooks)");
    }
}

/// Names what goes for all hooks that say nothing of methods, at the first of them.
fn say_methods(file: &File, hooks: &[Hook]) {
    if let Some(first) = hooks.iter().find(|hook| hook.any_method) {
        let what = format!(
            "without `http-methods` webhook takes any method; here it is {}, and HEAD or OPTIONS run nothing (405)",
            METHODS.join(", ")
        );
        file.leave_out(first.line, what);
    }
}

struct Hook {
    id: String,
    line: usize,
    /// It says nothing of methods.
    any_method: bool,
    trigger: Value,
    router: Value,
}

impl Hook {
    fn read(item: &Item<'_>, seen: &mut BTreeSet<String>, checks: &dyn ValueChecks) -> Option<Self> {
        item.only(&KEYS);
        let Some(id) = item.text_at("id").filter(|id| !id.is_empty()) else {
            item.leave_out("a hook without `id`: it cannot be called");
            return None;
        };
        let Some(command) = item.text_at("execute-command").filter(|command| !command.is_empty()) else {
            item.leave_out(format!("hook `{id}`: without `execute-command` it runs nothing"));
            return None;
        };
        if !seen.insert(id.clone()) {
            item.leave_out(format!("hook `{id}` is there already: the first one counts, there and here"));
            return None;
        }
        let mut wanted = Wanted::default();
        let mut select_param = Map::new();
        parsed(item, &mut wanted, &mut select_param);
        let auth = Auth::of(item);
        let seen_to = auth.as_ref().map(|auth| auth.rule);
        let selector = condition(item, seen_to, &mut wanted, &mut select_param, checks);
        let job_param = job_param(item, &command, &mut wanted);
        let methods = methods(item);
        if methods.is_empty() {
            return None;
        }
        let trigger = trigger(item, &id, auth.map(|auth| auth.option), &wanted, &methods);
        let mut router = json!({"trigger": id, "selector": selector, "task": {"run": "local"}});
        if !select_param.is_empty() {
            router["select_param"] = Value::Object(select_param);
        }
        router["job_param"] = Value::Object(job_param);
        let named = item.get("http-methods");
        let any_method = named.is_none_or(|named| named.value.as_array().is_some_and(Vec::is_empty));
        Some(Self { line: item.line(), any_method, trigger, router, id })
    }
}

/// The parameters that hold JSON as text.
fn parsed(item: &Item<'_>, wanted: &mut Wanted, select_param: &mut Map<String, Value>) {
    for at in item.list_at("parse-parameters-as-json") {
        let made = Argument::read(&at).map(|argument| Parsed::new(&argument, wanted));
        match made {
            Ok(Some((parsed, template))) => {
                select_param.insert(parsed.key.clone(), Value::from(template));
                wanted.parsed.push(parsed);
            }
            Ok(None) => at.leave_out("only headers, query and payload can be taken apart, there and here"),
            Err(why) => at.leave_out(why),
        }
    }
}

/// Fills in the expression; gives the selector.
fn condition(
    item: &Item<'_>,
    seen_to: Option<*const Value>,
    wanted: &mut Wanted,
    select_param: &mut Map<String, Value>,
    checks: &dyn ValueChecks,
) -> &'static str {
    let Some(rule) = item.get("trigger-rule") else { return "all" };
    let soft = item.flag_at("trigger-signature-soft-failures");
    let mut rules = Rules { wanted, soft, secrets: Vec::new(), texts: Map::new(), seen_to, checks };
    let condition = rules.condition(&rule).cel();
    let (secrets, texts) = (rules.secrets, rules.texts);
    if condition == "true" {
        return "all";
    }
    select_param.insert("expr".to_owned(), Value::from(literal(&condition)));
    select_param.extend(texts);
    for (name, secret) in secrets {
        select_param.insert(name, Value::from(literal(&secret)));
    }
    "expr"
}

fn trigger(item: &Item<'_>, id: &str, auth: Option<Value>, wanted: &Wanted, methods: &[String]) -> Value {
    let mut trigger = json!({
        "type": "http", "host": "0.0.0.0", "port": 9000, "path": path(&format!("/hooks/{id}")),
        "methods": methods, "body": "webhook", "max_body": LARGEST_BODY, "dedup_window": 0,
    });
    if let Some(auth) = auth {
        trigger["auth"] = auth;
    }
    if wanted.headers.contains("*") {
        trigger["headers"] = json!(["*"]);
    } else if !wanted.headers.is_empty() {
        trigger["headers"] = json!(wanted.headers);
    }
    if wanted.body {
        trigger["keep_raw"] = Value::from(true);
    }
    if let Some(kind) = item.text_at("incoming-payload-content-type").filter(|kind| !kind.is_empty()) {
        let at = item.get("incoming-payload-content-type");
        let known = ["json", "x-www-form-urlencoded"].iter().any(|known| kind.contains(known));
        if let Some(at) = at.filter(|_| !known) {
            at.leave_out(format!("{kind} is not taken apart: there are no parameters"));
        }
        trigger["content_type"] = Value::from(kind);
    }
    answer(item, &mut trigger);
    trigger
}

/// The methods that are taken; none where the original takes only such as are not taken here.
fn methods(item: &Item<'_>) -> Vec<String> {
    let list = item.list_at("http-methods");
    if list.is_empty() {
        return METHODS.map(str::to_owned).to_vec();
    }
    let mut methods = Vec::new();
    for at in list {
        let method = at.value.as_str().unwrap_or_default().trim().to_ascii_uppercase();
        if !METHODS.contains(&method.as_str()) {
            at.leave_out(format!("`{method}` is not one of: {}", METHODS.join(", ")));
            continue;
        }
        methods.push(method);
    }
    methods
}

/// How the request is answered.
fn answer(item: &Item<'_>, trigger: &mut Value) {
    let output = item.flag_at("include-command-output-in-response");
    let on_error = item.flag_at("include-command-output-in-response-on-error");
    let mut matched = Map::new();
    if let Some(status) = status(item, "success-http-response-code") {
        matched.insert("status".to_owned(), status);
    }
    let message = item.text_at("response-message");
    if !output {
        matched.insert("body".to_owned(), Value::from(message.unwrap_or_default()));
    }
    let mut headers = Map::new();
    for header in item.list_at("response-headers") {
        header.only(&["name", "value"]);
        if let Some(name) = header.text_at("name") {
            headers.insert(name, Value::from(header.text_at("value").unwrap_or_default()));
        }
    }
    if !headers.is_empty() {
        matched.insert("headers".to_owned(), Value::Object(headers));
    }
    let mut answer = Map::new();
    if output {
        trigger["respond"] = Value::from("result");
        trigger["respond_timeout"] = Value::from(LONGEST_WAIT);
        answer.insert("plain".to_owned(), Value::from(true));
        let failed =
            if on_error { json!({"status": 500}) } else { json!({"status": 500, "body": COMMAND_FAILED}) };
        answer.insert("failed".to_owned(), failed);
    }
    if !matched.is_empty() {
        answer.insert("matched".to_owned(), Value::Object(matched));
    }
    if item.get("trigger-rule").is_some() {
        let code =
            status(item, "trigger-rule-mismatch-http-response-code").unwrap_or_else(|| Value::from(200));
        answer.insert("unmatched".to_owned(), json!({"status": code, "body": UNSATISFIED}));
    }
    trigger["answer"] = Value::Object(answer);
}

fn status(item: &Item<'_>, key: &str) -> Option<Value> {
    let at = item.get(key)?;
    let code = at.value.as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or_default();
    // The final ones that the original knows.
    let known = matches!(code, 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=418 | 421..=426 | 428 | 429 | 431 | 451 | 500..=508 | 510 | 511);
    if !known {
        at.leave_out(format!(
            "{key}: {} is no status that can be answered: it is 200, there and here",
            at.value
        ));
    }
    known.then(|| Value::from(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value_checks::fake::FakeChecks;
    use herald_config::yaml::Document;

    /// The configuration as JSON, and the notes.
    fn imported(hooks: &str) -> (Value, Vec<(usize, String)>) {
        let imported = import(hooks, "hooks", &FakeChecks).unwrap();
        let read = Document::parse(&imported.yaml, "out");
        let read = read.unwrap_or_else(|problems| panic!("{problems}\n{}", imported.yaml));
        let left_out = imported.left_out.into_iter().map(|left| (left.line, left.what)).collect();
        (read.value().clone(), left_out)
    }

    /// One hook with these keys.
    fn hook(keys: Value) -> (Value, Vec<(usize, String)>) {
        let mut hook = json!({"id": "h", "execute-command": "/bin/x"});
        hook.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        imported(&json!([hook]).to_string())
    }

    #[test]
    fn sources() {
        for (source, template) in [
            (json!({"source": "payload", "name": "a.0.b"}), "{{ text(at(trigger_param, 'a.0.b')) }}"),
            (
                json!({"source": "header", "name": "X-Foo"}),
                "{{ text(at(trigger_param._request.headers, 'x-foo')) }}",
            ),
            (json!({"source": "url", "name": "q"}), "{{ text(at(trigger_param._request.query, 'q')) }}"),
            (
                json!({"source": "query", "name": "it's"}),
                r"{{ text(at(trigger_param._request.query, 'it\'s')) }}",
            ),
            (json!({"source": "string", "name": "-a {{ b"}), "-a {{ '{{' }} b"),
            (json!({"source": "string", "name": 5}), "5"),
            (json!({"source": "raw-request-body"}), "{{ trigger_param._request.body }}"),
            (json!({"source": "request", "name": "Method"}), "{{ trigger_param._request.method }}"),
            (
                json!({"source": "request", "name": "remote-addr"}),
                "{{ trigger_param._request.remote_address }}",
            ),
            (json!({"source": "entire-payload"}), "{{ trigger_param|without('_request')|tojson }}"),
            (json!({"source": "entire-query"}), "{{ trigger_param._request.query|tojson }}"),
            (json!({"source": "entire-headers"}), "{{ trigger_param._request.headers|tojson }}"),
            (json!({"source": "nowhere", "name": "x"}), ""),
        ] {
            let (config, _) = hook(json!({"pass-arguments-to-command": [source]}));
            assert_eq!(config["router"]["h"]["job_param"]["arg"], json!([template]), "{source}");
            assert_eq!(config["router"]["h"]["job_param"]["cmd"], "/bin/x");
        }
    }

    #[test]
    fn what_the_trigger_keeps_of_the_request() {
        let raw = json!({"source": "raw-request-body"});
        for (arguments, headers, keep_raw) in [
            (json!([]), Value::Null, Value::Null),
            (json!([raw]), Value::Null, json!(true)),
            (
                json!([{"source": "header", "name": "B"}, {"source": "header", "name": "a"}]),
                json!(["a", "b"]),
                Value::Null,
            ),
            (json!([{"source": "header", "name": "Host"}]), Value::Null, Value::Null),
            (
                json!([{"source": "entire-headers"}, {"source": "header", "name": "a"}]),
                json!(["*"]),
                Value::Null,
            ),
            (json!([{"source": "payload", "name": "a"}]), Value::Null, Value::Null),
        ] {
            let (config, _) = hook(json!({"pass-arguments-to-command": arguments}));
            let trigger = &config["trigger"]["h"];
            assert_eq!((&trigger["headers"], &trigger["keep_raw"]), (&headers, &keep_raw), "{arguments}");
            assert_eq!((&trigger["methods"], &trigger["body"]), (&json!(METHODS), &json!("webhook")));
        }
    }

    #[test]
    fn commands() {
        for (keys, cmd, arg) in [
            (json!({}), "/bin/x", Value::Null),
            (json!({"execute-command": "date"}), "date", Value::Null),
            (json!({"command-working-directory": "/d/"}), "env", json!(["--chdir=/d/", "/bin/x"])),
            (
                json!({"execute-command": "x", "command-working-directory": "/d/"}),
                "env",
                json!(["--chdir=/d/", "/d/x"]),
            ),
            (
                json!({"execute-command": "/a=b", "command-working-directory": "/d"}),
                "sh",
                json!(["-c", "cd -- \"$0\" && exec \"$@\"", "/d", "/a=b"]),
            ),
            (
                json!({"include-command-output-in-response": true}),
                "sh",
                json!(["-c", "exec \"$@\" 2>&1", "webhook", "/bin/x"]),
            ),
            (
                json!({"include-command-output-in-response": true, "command-working-directory": "/d"}),
                "sh",
                json!(["-c", "cd -- \"$0\" && exec \"$@\" 2>&1", "/d", "/bin/x"]),
            ),
        ] {
            let (config, _) = hook(keys.clone());
            let job_param = &config["router"]["h"]["job_param"];
            assert_eq!((&job_param["cmd"], &job_param["arg"]), (&json!(cmd), &arg), "{keys}");
        }
        let (config, _) = hook(json!({
            "pass-environment-to-command": [{"source": "url", "name": "a.b"}, {"source": "string", "name": "v", "envname": "E"}],
            "pass-file-to-command": [{"source": "payload", "name": "f"}, {"source": "payload", "name": "g", "envname": "G", "base64decode": true}],
        }));
        let job_param = &config["router"]["h"]["job_param"];
        assert_eq!(
            job_param["env"],
            json!({"HOOK_a.b": "{{ text(at(trigger_param._request.query, 'a.b')) }}", "E": "v"})
        );
        let files = json!({"HOOK_F": "{{ text(at(trigger_param, 'f')) }}", "G": {"base64": "{{ text(at(trigger_param, 'g')) }}"}});
        assert_eq!(job_param["env_file"], files);
    }

    #[test]
    fn answers() {
        let unsatisfied = |status: u16| json!({"status": status, "body": UNSATISFIED});
        for (keys, answer) in [
            (json!({}), json!({"matched": {"body": ""}})),
            (
                json!({"response-message": "hi", "success-http-response-code": 202, "response-headers": [{"name": "A", "value": "*"}]}),
                json!({"matched": {"status": 202, "body": "hi", "headers": {"A": "*"}}}),
            ),
            (
                json!({"response-message": "hi", "include-command-output-in-response": true}),
                json!({"plain": true, "failed": {"status": 500, "body": COMMAND_FAILED}}),
            ),
            (
                json!({"include-command-output-in-response": true, "include-command-output-in-response-on-error": true}),
                json!({"plain": true, "failed": {"status": 500}}),
            ),
            (
                json!({"trigger-rule": {"and": []}}),
                json!({"matched": {"body": ""}, "unmatched": unsatisfied(200)}),
            ),
            (
                json!({"trigger-rule": {"or": []}, "trigger-rule-mismatch-http-response-code": 403}),
                json!({"matched": {"body": ""}, "unmatched": unsatisfied(403)}),
            ),
            (
                json!({"trigger-rule": {"or": []}, "trigger-rule-mismatch-http-response-code": 999}),
                json!({"matched": {"body": ""}, "unmatched": unsatisfied(200)}),
            ),
        ] {
            let (config, _) = hook(keys.clone());
            assert_eq!(config["trigger"]["h"]["answer"], answer, "{keys}");
        }
    }

    #[test]
    fn who_sends_it() {
        let rule = |kind: &str, name: &str| {
            let source = if name.starts_with("X-") { "header" } else { "url" };
            json!({"match": {"type": kind, "secret": "s", "value": "v", "parameter": {"source": source, "name": name}}})
        };
        let hmac = |header: &str, algorithm: &str, prefix: &str| json!({"hmac": {"header": header, "algorithm": algorithm, "encoding": "hex", "prefix": [prefix, ""], "secret": "s"}});
        let signed = rule("payload-hmac-sha256", "X-Hub-Signature-256");
        for (rule, auth, selector) in [
            (signed.clone(), hmac("X-Hub-Signature-256", "sha256", "sha256="), "all"),
            (rule("payload-hash-sha1", "X-HUB-Signature"), hmac("X-Hub-Signature", "sha1", "sha1="), "all"),
            (
                rule("payload-hmac-sha256", "X-Gogs-Signature"),
                hmac("X-Gogs-Signature", "sha256", "sha256="),
                "all",
            ),
            (rule("value", "X-Gitlab-Token"), json!({"token": "v", "header": "X-Gitlab-Token"}), "all"),
            (rule("value", "token"), json!({"token": "v", "query": "token"}), "all"),
            (
                json!({"and": [rule("value", "a"), {"and": [signed]}]}),
                hmac("X-Hub-Signature-256", "sha256", "sha256="),
                "expr",
            ),
            // Not in every case, or with a header that may be written in several ways.
            (json!({"or": [signed]}), Value::Null, "expr"),
            (json!({"not": signed}), Value::Null, "expr"),
            (rule("payload-hmac-sha1", "X-Hub-Signature-256"), Value::Null, "expr"),
            (rule("payload-hmac-sha1", "X-Signature"), Value::Null, "expr"),
            (rule("value", "a"), Value::Null, "expr"),
            (rule("regex", "token"), Value::Null, "expr"),
        ] {
            let (config, _) = hook(json!({"trigger-rule": rule}));
            assert_eq!(config["trigger"]["h"]["auth"], auth, "{rule}");
            assert_eq!(config["router"]["h"]["selector"], selector, "{rule}");
        }
    }

    #[test]
    fn what_is_left_out_has_its_line() {
        let hooks = "
- id: a
  execute-command: ./x
  surplus: 1
  http-methods: [get]
  trigger-rule:
    match:
      type: regex
      regex: '('
      parameter: {source: payload, name: app.#text}
- id: a
  execute-command: /x
- id: b
- execute-command: /x
- id: c
  execute-command: /x
  success-http-response-code: 42
  incoming-payload-content-type: text/xml
  pass-arguments-to-command:
  - source: nowhere
  - source: request
    name: remote-addr
  parse-parameters-as-json:
  - source: string
- id: e
  execute-command: /x
  http-methods: [head]
";
        let (config, left_out) = imported(hooks);
        let lines: Vec<usize> = left_out.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 4, 7, 10, 11, 13, 14, 15, 17, 18, 20, 21, 24, 27], "{left_out:#?}");
        assert_eq!(config["trigger"].as_object().unwrap().len(), 2);
        assert_eq!(config["router"]["a"]["select_param"]["expr"], "false");
    }

    #[test]
    fn values_that_may_be_missing_are_named_once() {
        let passed = |source: &str| json!([{"source": source, "name": "a"}, {"source": source, "name": "b"}]);
        for (key, source, notes) in [
            ("pass-environment-to-command", "payload", 1),
            ("pass-file-to-command", "header", 1),
            ("pass-environment-to-command", "string", 0),
            ("pass-arguments-to-command", "payload", 0),
        ] {
            let hooks = ["a", "b"].map(|id| json!({"id": id, "execute-command": "x", key: passed(source)}));
            let (_, left_out) = imported(&json!(hooks).to_string());
            let named = left_out.iter().filter(|(_, what)| what.contains("is empty here"));
            assert_eq!(named.count(), notes, "{key} {source}");
        }
    }

    #[test]
    fn the_type_that_a_hook_expects() {
        let (config, _) = hook(json!({"incoming-payload-content-type": ""}));
        assert_eq!(config["trigger"]["h"]["content_type"], Value::Null);
        for (given, left) in
            [("application/json", false), ("x-www-form-urlencoded", false), ("text/xml", true)]
        {
            let (config, left_out) =
                hook(json!({"incoming-payload-content-type": given, "http-methods": ["POST"]}));
            assert_eq!(
                (&config["trigger"]["h"]["content_type"], !left_out.is_empty()),
                (&json!(given), left)
            );
        }
    }

    #[test]
    fn templates_that_were_not_rendered() {
        let broken = "[{\"id\": \"a\",\n\"secret\": \"{{ getenv \"X\" | js }}\"}]";
        let why = import(broken, "hooks", &FakeChecks).unwrap_err().0;
        assert!(why.ends_with(&format!("\nline 2 holds {{{{: {TEMPLATES}\n")), "{why}");
        let readable = "- id: '{{ getenv `X` }}'\n  execute-command: x\n";
        let left_out = import(readable, "hooks", &FakeChecks).unwrap().left_out;
        assert!(
            left_out.iter().any(|left| left.line == 1 && left.what.starts_with(TEMPLATES)),
            "{left_out:?}"
        );
    }

    #[test]
    fn ids_in_paths() {
        for (id, path) in [
            ("a", "/hooks/a"),
            ("sendgrid/dir", "/hooks/sendgrid/dir"),
            ("a {b}%?#", "/hooks/a%20%7Bb%7D%25%3F%23"),
        ] {
            let (config, _) = hook(json!({"id": id}));
            assert_eq!(config["trigger"][id]["path"], path);
        }
    }

    #[test]
    fn what_is_no_hook_file() {
        for text in ["{}", "x", "", "[{]", "- id: a\n  id: b\n"] {
            assert!(import(text, "hooks", &FakeChecks).is_err(), "{text}");
        }
        assert!(import("[]", "hooks", &FakeChecks).unwrap().yaml.ends_with("\n\nrouter: {}\n"));
    }

    #[test]
    fn texts_that_are_taken_apart() {
        let (config, _) = hook(json!({
            "parse-parameters-as-json": [{"source": "payload", "name": "payload"}],
            "pass-arguments-to-command": [{"source": "payload", "name": "payload.a"}, {"source": "payload", "name": "other"}],
            "trigger-rule": {"match": {"type": "value", "value": "push", "parameter": {"source": "payload", "name": "payload.event"}}},
        }));
        let router = &config["router"]["h"];
        assert_eq!(
            router["select_param"]["expr"],
            "text(at(select_param.parsed_payload, \"event\")) == \"push\""
        );
        assert_eq!(router["job_param"]["arg"][0], "{{ text(at(select_param.parsed_payload, 'a')) }}");
        assert_eq!(router["job_param"]["arg"][1], "{{ text(at(trigger_param, 'other')) }}");
    }
}
