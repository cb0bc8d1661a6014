//! Texts of generated files arrive as they are: import, then check, then the parameters of the jobs.

use std::sync::Arc;

use herald_core::activation::{Activation, Name};
use herald_core::dispatcher::rehearse;
use herald_core::param::Params;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::ComponentChecks;
use crate::assembly::Assembly;
use crate::{components, config};
use herald_import::{crontab, multi_node, webhook};

/// Texts that mean something in one of the languages between the file and the job.
const ODD: &[&str] = &[
    "",
    " ",
    "${env:HOME}",
    "a ${file:/etc/passwd} b",
    "$${env:X}",
    "$$${env:X}${file:",
    "${env:-x}",
    "{{ trigger_param }}",
    "{{{% x %}}}",
    "{# x #}",
    "'it''s \"x\"\\",
    "a: b",
    "- a",
    "#x",
    "&a *b !c",
    "two\nlines\n",
    "\ttab ",
    "yes",
    "null",
    "~",
    "true",
    "5",
    "1e5",
    "0x1F",
    "4321e5678901",
    "é€😀",
    "%d @x `y`",
    "[a, b]",
    "\u{2028}",
];
/// Those that YAML readers take for something else when they are not in quotes.
const PLAIN: &[&str] = &[
    "4321e5678901",
    "83e41002",
    "1e5",
    "1e3",
    "0x1F",
    "0xffffffffffffffffffffffff",
    "0755",
    "007",
    "1.10",
    "1.",
    ".5",
    "+1",
    "-0",
    ".inf",
    "1_000",
    "yes",
    "No",
    "on",
    "true",
    "False",
    "2021-01-01",
    "12345678901234567890123",
];

/// A text, and how it is written in a YAML file.
#[derive(Debug, Clone)]
struct Written {
    text: String,
    yaml: String,
}

/// In double quotes, as JSON and YAML both read it.
fn quoted(text: &str) -> Written {
    Written { text: text.to_owned(), yaml: Value::from(text).to_string() }
}

fn text() -> impl Strategy<Value = Written> {
    prop_oneof![
        3 => prop::sample::select(ODD).prop_map(quoted),
        2 => prop::sample::select(PLAIN).prop_map(|text| Written { text: text.to_owned(), yaml: text.to_owned() }),
        1 => r"[ -~]{0,12}".prop_map(|text| quoted(&text)),
        1 => r"\PC{0,6}".prop_map(|text| quoted(&text)),
        1 => r"[${}envfil:%'x-]{0,14}".prop_map(|text| quoted(&text)),
    ]
}

/// Names of hooks, some of which are those of something else in Herald.
fn id() -> impl Strategy<Value = Written> {
    const IDS: &[&str] =
        &["deploy", "a b", "a/b", "token", "http", "print", "${env:X}", "{{x}}", "ü", "select_param", "x.y"];
    prop_oneof![
        3 => prop::sample::select(IDS).prop_map(quoted),
        1 => prop::sample::select(&["1e5", "0x1F", "007", "yes"][..])
            .prop_map(|text| Written { text: text.to_owned(), yaml: text.to_owned() }),
    ]
}

/// The parameters of the job that an event would make under an imported configuration, and the configuration.
struct Checked {
    config: config::DaemonConfig,
    yaml: String,
}

impl Checked {
    fn new(yaml: &str, node: Option<&str>) -> Result<Self, TestCaseError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("heraldd.yml");
        std::fs::write(&file, yaml).unwrap();
        let wrong = |why: String| TestCaseError::fail(format!("{why}\n{yaml}"));
        let mut source = config::read(&file).map_err(|error| wrong(error.to_string()))?;
        source.id = node.map(str::to_owned);
        let config = config::check(source, &components::registry(&[]));
        let config = config.map_err(|problems| wrong(problems.to_string()))?;
        Ok(Self { config, yaml: yaml.to_owned() })
    }

    /// The options of the only trigger.
    fn trigger(&self) -> &Params {
        &self.config.triggers[0].options.0
    }

    /// `job_param` of the first task that the event makes; `None` where no router matches.
    fn job_param(self, event: Value) -> Result<Option<Params>, TestCaseError> {
        let trigger = Name::from(self.config.triggers[0].name.as_str());
        let assembly = Assembly::build(&self.config, None);
        let plan = Arc::new(assembly.plan(self.config.workflow, self.config.mask));
        let params: Params = event.as_object().unwrap().clone();
        let trigger_param = Arc::new(params.into());
        let event_id = Name::from("00000000-0000-7000-8000-000000000000");
        let activation = Arc::new(Activation { event_id, trigger, trigger_param, chain_depth: 0, by: None });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let Some(task) = runtime.block_on(rehearse(&plan, &activation)).into_iter().next() else {
            return Err(TestCaseError::fail("no router has this trigger"));
        };
        match task.job {
            None => Ok(None),
            Some(Ok(job)) => Ok(job.params().get("job_param").and_then(Value::as_object).cloned()),
            Some(Err(why)) => Err(TestCaseError::fail(format!("{why}\n{}", self.yaml))),
        }
    }
}

/// A hook with these texts in every place that takes one.
#[derive(Debug, Clone)]
struct Texts {
    id: Written,
    arguments: Vec<Written>,
    variable: Written,
    token: Written,
    file: Written,
    compared: Written,
    secret: Written,
    message: Written,
}

fn texts() -> impl Strategy<Value = Texts> {
    let arguments = prop::collection::vec(text(), 0..4);
    (id(), arguments, text(), text(), text(), text(), text(), text()).prop_map(
        |(id, arguments, variable, token, file, compared, secret, message)| Texts {
            id,
            arguments,
            variable,
            token,
            file,
            compared,
            secret,
            message,
        },
    )
}

impl Texts {
    /// The file, in YAML; in JSON where `json`.
    fn file(&self, json: bool) -> String {
        let w = |written: &Written| if json { quoted(&written.text).yaml } else { written.yaml.clone() };
        let string = |written: &Written, more: &str| {
            format!("{{\"source\": \"string\", \"name\": {}{more}}}", w(written))
        };
        let arguments: Vec<String> = self.arguments.iter().map(|written| string(written, "")).collect();
        let rule = |source: &str, name: &str, value: &Written| {
            format!(
                "{{\"match\": {{\"type\": \"value\", \"value\": {}, \"parameter\": {{\"source\": \"{source}\", \"name\": \
                 \"{name}\"}}}}}}",
                w(value)
            )
        };
        format!(
            "[{{\"id\": {}, \"execute-command\": \"/bin/x\", \"response-message\": {},\n\
             \"pass-arguments-to-command\": [{}],\n\
             \"pass-environment-to-command\": [{}, {}],\n\"pass-file-to-command\": [{}],\n\
             \"trigger-rule\": {{\"and\": [{}, {{\"or\": [{}]}}]}}}}]\n",
            w(&self.id),
            w(&self.message),
            arguments.join(", "),
            string(&self.variable, ", \"envname\": \"A\""),
            string(&self.token, ", \"envname\": \"API_TOKEN\""),
            string(&self.file, ", \"envname\": \"FILE\""),
            rule("payload", "v", &self.compared),
            rule("header", "X-Own-Token", &self.secret),
        )
    }

    fn arrive(&self, file: &str) -> Result<(), TestCaseError> {
        let imported = webhook::import(file, "hooks", &ComponentChecks);
        let imported = imported.map_err(|error| TestCaseError::fail(format!("{error}\n{file}")))?;
        let checked = || Checked::new(&imported.yaml, None);
        let message = checked()?.trigger()["answer"]["matched"]["body"].clone();
        prop_assert_eq!(message, json!(self.message.text), "{}", imported.yaml);
        let event = |compared: &str, secret: &str| json!({"v": compared, "_request": {"headers": {"x-own-token": secret}, "query": {}, "method": "POST"}});
        let param = checked()?.job_param(event(&self.compared.text, &self.secret.text))?;
        let Some(param) = param else {
            return Err(TestCaseError::fail(format!("no router matches\n{file}{}", imported.yaml)));
        };
        let all: Vec<&str> = self.arguments.iter().map(|written| written.text.as_str()).collect();
        let arg = param.get("arg").cloned().unwrap_or_else(|| json!([]));
        prop_assert_eq!(arg, json!(all), "{}", imported.yaml);
        prop_assert_eq!(&param["env"], &json!({"A": self.variable.text, "API_TOKEN": self.token.text}));
        prop_assert_eq!(&param["env_file"], &json!({"FILE": self.file.text}));
        let longer = format!("{}x", self.compared.text);
        prop_assert_eq!(checked()?.job_param(event(&longer, &self.secret.text))?, None);
        let longer = format!("{}x", self.secret.text);
        prop_assert_eq!(checked()?.job_param(event(&self.compared.text, &longer))?, None);
        Ok(())
    }
}

/// A line of a crontab, or the value of a variable in it.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => prop::sample::select(ODD).prop_map(|text| text.replace('\n', " ")),
        1 => r"[ -~]{0,12}",
        1 => r"\PC{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn texts_of_hooks(texts in texts()) {
        texts.arrive(&texts.file(true))?;
        texts.arrive(&texts.file(false))?;
    }

    #[test]
    fn texts_of_crontabs(command in line(), value in line(), token in line()) {
        // What cron itself reads: input behind %, and blanks around the command.
        let command = format!("/bin/x {}", command.replace('%', r"\%"));
        let file = format!("A=\"{value}\"\nAPI_TOKEN=\"{token}\"\n# {command}\n0 1 * * * {command}\n");
        let imported = crontab::import(&file, false, &[], &ComponentChecks).unwrap();
        let checked = Checked::new(&imported.yaml, None)?;
        let param = checked.job_param(json!({}))?.unwrap();
        prop_assert_eq!(&param["arg"], &json!(["-c", format!("cd\n{}", command.replace(r"\%", "%"))]));
        prop_assert_eq!((&param["env"]["A"], &param["env"]["API_TOKEN"]), (&json!(value), &json!(token)));
    }

    #[test]
    fn texts_of_nodes(key in id(), node in id(), command in text()) {
        let (key, node) = (quoted(&key.text), quoted(&node.text));
        let command = format!("/bin/x {}", command.text);
        let file = json!({
            "nodes": [{"id": node.text, "host": "10.0.0.1:8888"}],
            "hooks": [{"key": key.text, "commands": [{"id": node.text, "command": command, "display": true}]}],
        });
        let imported = multi_node::import(&file.to_string(), "config.json").unwrap();
        let yaml = imported.yaml.replace("${env:HERALD_NODE_SECRET}", "a secret of 16 bytes");
        let name = node.text.replace("${env:X}", "_{env:X}").replace('/', "_");
        let event = json!({"_request": {"query": {}, "node": name}});
        let param = Checked::new(&yaml, Some(&name))?.job_param(event)?.unwrap();
        prop_assert_eq!(&param["arg"], &json!(["-c", command]));
    }
}

#[test]
fn what_a_hook_sets_twice_is_what_is_there_last() {
    let from = |source: &str| json!({"source": source, "name": "msg", "envname": "MSG"});
    let hook = json!([{
        "id": "h", "execute-command": "/x", "pass-environment-to-command": [from("payload"), from("url")],
    }]);
    let imported = webhook::import(&hook.to_string(), "hooks", &ComponentChecks).unwrap();
    for (payload, query, passed) in [
        (Some("hello"), None, "hello"),
        (None, Some("q"), "q"),
        (Some("hello"), Some("q"), "q"),
        (Some("hello"), Some(""), ""),
        (None, None, ""),
    ] {
        let map = |value: Option<&str>| -> Map<String, Value> {
            value.map(|value| ("msg".to_owned(), Value::from(value))).into_iter().collect()
        };
        let mut event = map(payload);
        event.insert("_request".to_owned(), json!({"query": map(query), "headers": {}}));
        let param = Checked::new(&imported.yaml, None).unwrap().job_param(Value::Object(event)).unwrap();
        assert_eq!(param.unwrap()["env"]["MSG"], passed, "{payload:?} {query:?}");
    }
}

#[test]
fn parameters_that_are_parsed_as_json() {
    let payload = |name: &str| json!({"source": "payload", "name": name});
    let hook = json!([{
        "id": "h", "execute-command": "/x", "parse-parameters-as-json": [payload("a"), payload("a")],
        "pass-arguments-to-command": [payload("a"), payload("a.b"), {"source": "entire-payload"}],
    }]);
    let imported = webhook::import(&hook.to_string(), "hooks", &ComponentChecks).unwrap();
    for (given, arguments) in [
        (json!("not json"), ["not json", "", r#"{"a":"not json"}"#]),
        (json!(""), ["", "", r#"{"a":""}"#]),
        (json!("[1]"), ["[1]", "", r#"{"a":"[1]"}"#]),
        (json!(r#"{"b": 1} junk"#), [r#"{"b":1}"#, "1", r#"{"a":{"b":1}}"#]),
        (json!({"b": "x"}), [r#"{"b":"x"}"#, "x", r#"{"a":{"b":"x"}}"#]),
    ] {
        let event = json!({"a": given, "_request": {"query": {}, "headers": {}}});
        let param = Checked::new(&imported.yaml, None).unwrap().job_param(event).unwrap();
        assert_eq!(param.unwrap()["arg"], json!(arguments), "{given}");
    }
}
