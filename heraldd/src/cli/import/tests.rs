//! The command, and what it writes, held against the components that read it.

mod go_deploy;
mod rules;
mod texts;

use std::sync::Arc;

use herald_core::context::Context;
use herald_core::param::Params;
use herald_core::selector::{Question, Selector};
use herald_core::spec::Options;
use herald_core::yaml::Document;
use serde_json::{Value, json};

use super::*;
use crate::selector::{all, expr};

#[test]
fn crontabs_of_the_system_lie_in_places_of_their_own() {
    for (path, system) in [
        ("/etc/crontab", true),
        ("/etc/cron.d/x", true),
        ("cron.d/x", true),
        ("/home/a/crontab", false),
        ("/etc/cron.d", false),
        ("-", false),
    ] {
        assert_eq!(is_system_path(Path::new(path)), system, "{path}");
        let imported = crontab_of(Path::new(path), "0 1 * * * root a\n", false).unwrap();
        assert_eq!(imported.omissions[0].what.contains("because of its path"), system, "{path}");
    }
}

#[test]
fn notes_have_places() {
    let shown = |omission: Omission| {
        answer("f.json", Ok(Imported { yaml: "a: 1\n".to_owned(), omissions: vec![omission] }))
    };
    let out = || "a: 1\n".to_owned();
    let remarks = "f.json:3: x\n".to_owned();
    assert_eq!(shown(Omission::warning(3, "x")), CommandOutput { out: out(), remarks, code: 0 });
    let remarks = "f.json:3: error: x\n".to_owned();
    assert_eq!(shown(Omission::error(3, "x")), CommandOutput { out: out(), remarks, code: 1 });
    assert_eq!(answer("f", Err(ImportError::Syntax { problems: "no".to_owned() })).code, 2);
}

#[test]
fn values_are_checked_by_the_components() {
    let text = "99 * * * * a\nCRON_TZ=Nowhere/At/All\n*/5 * * * * b\nCRON_TZ=Europe/Berlin\n@daily c\n";
    let imported = crontab::import(text, false, &[], &ComponentChecks).unwrap();
    let omissions: Vec<&str> = imported.omissions.iter().map(|omission| omission.what.as_str()).collect();
    assert!(omissions[0].starts_with("`99 * * * *`: "), "{omissions:?}");
    assert!(omissions[1].starts_with("CRON_TZ: there is no time zone `Nowhere/At/All`"), "{omissions:?}");
    for trigger in ["cron: '*/5 * * * *'", "cron: '@daily'\n    time_zone: Europe/Berlin"] {
        assert!(imported.yaml.contains(trigger), "{}", imported.yaml);
    }
    for (network, omissions) in [("10.0.0.0/8", 0), ("::1", 0), ("10.0.0.0/33", 1), ("example.com", 1)] {
        let rule = json!({"match": {"type": "ip-whitelist", "ip-range": network}});
        let hook =
            json!([{"id": "h", "execute-command": "/x", "http-methods": ["POST"], "trigger-rule": rule}]);
        let imported = webhook::import(&hook.to_string(), "hooks", &ComponentChecks).unwrap();
        assert_eq!(imported.omissions.len(), omissions, "{network}: {:?}", imported.omissions);
    }
}

/// `key` of the JSON `data`.
const SIGNATURE: &str = "5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    Missing,
    Signature,
}

/// What the original makes of a rule, written down after its code.
fn original(rule: &Value, event: &Value, soft: bool) -> (bool, Option<Wrong>) {
    let inner = |rule: &Value| original(rule, event, soft);
    if let Some(rules) = rule["and"].as_array() {
        for rule in rules {
            match inner(rule) {
                (_, Some(wrong)) => return (false, Some(wrong)),
                (false, None) => return (false, None),
                (true, None) => {}
            }
        }
        return (true, None);
    }
    if let Some(rules) = rule["or"].as_array() {
        for rule in rules {
            match inner(rule) {
                (_, Some(Wrong::Signature)) if !soft => return (false, Some(Wrong::Signature)),
                (true, _) => return (true, None),
                (false, _) => {}
            }
        }
        return (false, None);
    }
    if rule.get("not").is_some() {
        let (holds, wrong) = inner(&rule["not"]);
        return (!holds, wrong);
    }
    let rule = &rule["match"];
    let given = &event[rule["parameter"]["name"].as_str().unwrap()];
    match (given.as_str(), rule["type"].as_str().unwrap()) {
        (None, _) => (false, Some(Wrong::Missing)),
        (Some(text), "value") => (text == rule["value"], None),
        (Some(text), "regex") => (text.starts_with('x'), None),
        (Some(SIGNATURE), _) => (true, None),
        (Some(_), _) => (false, Some(Wrong::Signature)),
    }
}

fn runs(rule: &Value, event: &Value, soft: bool) -> bool {
    let (holds, wrong) = original(rule, event, soft);
    holds && wrong != Some(Wrong::Signature)
}

/// What the import of a hook with this rule asks of each event.
struct ImportedRule {
    selector: Arc<dyn Selector>,
    select_param: Arc<Params>,
    expr: String,
}

impl ImportedRule {
    fn of(rule: &Value, soft: bool) -> Self {
        let hook = json!([{
            "id": "h", "execute-command": "/x", "trigger-rule": rule, "trigger-signature-soft-failures": soft,
        }]);
        let imported = webhook::import(&hook.to_string(), "hooks", &ComponentChecks).unwrap();
        let document = Document::parse(&imported.yaml, "out").unwrap();
        let router = &document.value()["router"]["h"];
        let select_param = router["select_param"].as_object().cloned().unwrap_or_default();
        let component = if router["selector"] == "all" { all::component() } else { expr::component() };
        let selector = (component.factory)(&Options::default(), &Context::default()).unwrap();
        let expr = select_param.get("expr").unwrap_or(&Value::Null).to_string();
        Self { selector, select_param: Arc::new(select_param), expr }
    }

    async fn selects(&self, event: &Value) -> bool {
        let mut event = event.clone();
        event["_request"] = json!({"body": "data"});
        let answer = self.select(&event).await;
        answer.unwrap_or_else(|error| panic!("{}: {error}", self.expr))
    }

    /// As in the dispatcher, an error is not a match.
    async fn selects_or_fails(&self, event: &Value) -> bool {
        self.select(event).await.unwrap_or_default()
    }

    async fn select(&self, event: &Value) -> Result<bool, String> {
        let trigger_param = event.as_object().unwrap().clone();
        let question = Question {
            event_id: "e".into(),
            trigger: "t".into(),
            router: "r".into(),
            task: "k".into(),
            trigger_param: Arc::new(trigger_param.into()),
            select_param: Arc::clone(&self.select_param),
        };
        self.selector.select(&question).await.map(|answer| answer.yes).map_err(|error| error.to_string())
    }
}

fn value(name: &str, value: &str) -> Value {
    json!({"match": {"type": "value", "value": value, "parameter": {"source": "payload", "name": name}}})
}

/// Every way in which a few rules of each kind can stand inside each other.
fn rules() -> Vec<Value> {
    let signed = |name: &str| json!({"match": {"type": "payload-hmac-sha256", "secret": "key", "parameter": {"source": "payload", "name": name}}});
    let regex =
        json!({"match": {"type": "regex", "regex": "^x", "parameter": {"source": "payload", "name": "a"}}});
    let mut leaves = vec![value("a", "x"), value("b", "null"), signed("s"), regex];
    leaves.extend(leaves.clone().iter().map(|leaf| json!({"not": leaf})));
    let mut pairs = Vec::new();
    for left in &leaves {
        for right in &leaves {
            pairs.extend(["and", "or"].map(|kind| json!({kind: [left, right]})));
        }
    }
    let outer: Vec<Value> = pairs
        .iter()
        .enumerate()
        .step_by(3)
        .flat_map(|(n, pair)| {
            let leaf = &leaves[n % leaves.len()];
            [
                json!({"not": pair}),
                json!({"and": [pair, leaf]}),
                json!({"or": [leaf, {"not": pair}]}),
                json!({"or": [pair, signed("t")]}),
            ]
        })
        .collect();
    leaves.into_iter().chain(pairs).chain(outer).collect()
}

#[tokio::test]
async fn the_same_requests_are_let_through() {
    let mut events = Vec::new();
    for a in [None, Some("x"), Some("y")] {
        for b in [None, Some("null")] {
            for s in [None, Some(SIGNATURE), Some("bad")] {
                let given = [("a", a), ("b", b), ("s", s)].into_iter().chain([("t", Some(SIGNATURE))]);
                let event = given.filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
                events.push(Value::Object(event.collect()));
            }
        }
    }
    for rule in rules() {
        for soft in [false, true] {
            let imported = ImportedRule::of(&rule, soft);
            for event in &events {
                let selected = imported.selects(event).await;
                let expr = &imported.expr;
                assert_eq!(selected, runs(&rule, event, soft), "{rule} {event} soft: {soft}\n{expr}");
            }
        }
    }
}
