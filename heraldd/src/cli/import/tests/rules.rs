//! Random rules with wrong ones among them: the import never lets a request in that the original rejects.

use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ImportedRule, SIGNATURE};

/// An error of a rule in the original.
#[derive(Debug, Clone, Copy, PartialEq)]
enum RuleError {
    /// A value is missing.
    Missing,
    /// A signature is wrong.
    Signature,
    /// The rule cannot be evaluated.
    Other,
}

type Verdict = (bool, Option<RuleError>);

/// What the original makes of a rule, written down after its code.
fn original(rule: &Value, event: &Value, soft: bool) -> Verdict {
    let inner = |rule: &Value| original(rule, event, soft);
    if let Some(rules) = rule["and"].as_array() {
        for rule in rules {
            match inner(rule) {
                (_, Some(error)) => return (false, Some(error)),
                (false, None) => return (false, None),
                (true, None) => {}
            }
        }
        return (true, None);
    }
    if let Some(rules) = rule["or"].as_array() {
        for rule in rules {
            match inner(rule) {
                (_, Some(RuleError::Other)) => return (false, Some(RuleError::Other)),
                (_, Some(RuleError::Signature)) if !soft => return (false, Some(RuleError::Signature)),
                (true, _) => return (true, None),
                (false, _) => {}
            }
        }
        return (false, None);
    }
    if rule.get("not").is_some() {
        let (holds, error) = inner(&rule["not"]);
        return (!holds, error);
    }
    if rule.get("match").is_none() {
        return (false, None);
    }
    leaf(&rule["match"], event)
}

fn leaf(rule: &Value, event: &Value) -> Verdict {
    let text = |key: &str| rule[key].as_str().unwrap_or_default();
    match text("type") {
        "ip-whitelist" => {
            return networks(text("ip-range"), event["_request"]["remote_address"].as_str().unwrap());
        }
        // The request has none of its headers.
        "scalr-signature" => return (false, None),
        _ => {}
    }
    let given = match argument(&rule["parameter"], event) {
        Ok(given) => given,
        Err(error) => return (false, Some(error)),
    };
    match text("type") {
        "value" => (given == text("value"), None),
        "regex" if text("regex") == "(" => (false, Some(RuleError::Other)),
        "regex" => (given.starts_with(text("regex").trim_start_matches('^')), None),
        "payload-hmac-sha256" if text("secret").is_empty() => (false, Some(RuleError::Other)),
        "payload-hmac-sha256" if given == SIGNATURE => (true, None),
        "payload-hmac-sha256" => (false, Some(RuleError::Signature)),
        _ => (false, None),
    }
}

fn argument(parameter: &Value, event: &Value) -> Result<String, RuleError> {
    let name = parameter["name"].as_str().unwrap_or_default();
    match parameter["source"].as_str().unwrap_or_default() {
        "payload" => event[name].as_str().map(str::to_owned).ok_or(RuleError::Missing),
        "header" => Err(RuleError::Missing),
        "string" => Ok(name.to_owned()),
        "request" if name == "method" => Ok("POST".to_owned()),
        "entire-payload" => Ok(payload(event).to_string()),
        "entire-headers" => Ok("{}".to_owned()),
        _ => Err(RuleError::Other),
    }
}

/// The event without the description of the request.
fn payload(event: &Value) -> Value {
    let mut payload = event.clone();
    payload.as_object_mut().unwrap().shift_remove("_request");
    payload
}

fn networks(ranges: &str, address: &str) -> Verdict {
    for range in ranges.split_whitespace() {
        let whole = if range.contains('/') { range.to_owned() } else { format!("{range}/32") };
        match contains(&whole, address) {
            Some(true) => return (true, None),
            Some(false) => {}
            None => return (false, Some(RuleError::Other)),
        }
    }
    (false, None)
}

/// Whether an address is in a network; `None` when that is not a network.
fn contains(network: &str, address: &str) -> Option<bool> {
    let (base, length) = network.split_once('/')?;
    let (base, length): (IpAddr, u32) = (base.parse().ok()?, length.parse().ok()?);
    match (base, address.parse().ok()?) {
        (IpAddr::V4(_), _) if length > 32 => None,
        (IpAddr::V6(_), _) if length > 128 => None,
        (IpAddr::V4(base), IpAddr::V4(address)) => {
            Some((base.to_bits() ^ address.to_bits()).checked_shr(32 - length).unwrap_or_default() == 0)
        }
        (IpAddr::V6(base), IpAddr::V6(address)) => {
            Some((base.to_bits() ^ address.to_bits()).checked_shr(128 - length).unwrap_or_default() == 0)
        }
        _ => Some(false),
    }
}

/// Whether the original reads a file with this rule.
fn is_readable(rule: &Value) -> bool {
    let lists = ["and", "or"].into_iter().filter_map(|key| rule.get(key));
    let texts = |rule: &Value, keys: &[&str]| {
        keys.iter().filter_map(|key| rule.get(key)).all(|value| value.is_string() || value.is_number())
    };
    rule.is_object()
        && lists.into_iter().all(|list| list.as_array().is_some_and(|rules| rules.iter().all(is_readable)))
        && rule.get("not").is_none_or(is_readable)
        && rule.get("match").is_none_or(|rule| {
            rule.is_object()
                && texts(rule, &["type", "regex", "secret", "value", "ip-range"])
                && rule.get("parameter").is_none_or(|at| at.is_object() && texts(at, &["source", "name"]))
        })
}

fn runs(rule: &Value, event: &Value, soft: bool) -> bool {
    let (holds, error) = original(rule, event, soft);
    is_readable(rule) && holds && !matches!(error, Some(RuleError::Signature | RuleError::Other))
}

fn matching(kind: &str, key: &str, value: &str, source: &str, name: &str) -> Value {
    json!({"match": {"type": kind, key: value, "parameter": {"source": source, "name": name}}})
}

fn addresses(ranges: &str) -> Value {
    json!({"match": {"type": "ip-whitelist", "ip-range": ranges}})
}

/// Rules that the original evaluates.
fn good_leaves() -> Vec<Value> {
    vec![
        matching("value", "value", "x", "payload", "a"),
        matching("value", "value", "null", "payload", "b"),
        matching("value", "value", "", "payload", "token"),
        matching("regex", "regex", "^x", "payload", "a"),
        matching("payload-hmac-sha256", "secret", "key", "payload", "s"),
        matching("payload-hmac-sha256", "secret", "key", "payload", "gone"),
        matching("value", "value", "POST", "request", "method"),
        matching("value", "value", "x", "header", "Host"),
        matching("value", "value", "x", "header", "not a name"),
        matching("unheard-of", "value", "x", "payload", "a"),
        addresses("10.0.0.0/8 127.0.0.1"),
        addresses("::1"),
        addresses("0:1::/16 2001:db8::7"),
        addresses(""),
        json!({}),
    ]
}

/// Rules that are an error in the original: for every request, or for some.
fn wrong_leaves() -> Vec<Value> {
    vec![
        addresses("127.0.0.0/33"),
        addresses("10.0.0.0/8 bogus"),
        addresses("bogus 10.0.0.0/8"),
        addresses("1.2.3"),
        matching("regex", "regex", "(", "payload", "a"),
        matching("payload-hmac-sha256", "secret", "", "payload", "s"),
        matching("scalr-signature", "secret", "", "payload", "s"),
        matching("value", "value", "x", "nowhere", "a"),
        matching("value", "value", "x", "request", "nothing"),
        matching("regex", "regex", "^{", "entire-payload", ""),
        matching("regex", "regex", "^{", "entire-headers", ""),
        json!({"match": {"type": "value", "value": "x"}}),
        json!({"and": {"match": {}}}),
        json!({"or": "x"}),
        json!({"not": [{"match": {"type": "value"}}]}),
        json!({"match": [{"type": "value"}]}),
        json!({"match": {"type": ["value"], "parameter": {"source": "payload", "name": "a"}}}),
        json!({"match": {"type": "ip-whitelist", "ip-range": ["10.0.0.0/8"]}}),
        json!({"match": {"type": "regex", "regex": ["^x"], "parameter": {"source": "payload", "name": "a"}}}),
        json!("x"),
    ]
}

fn tree(leaves: Vec<Value>) -> impl Strategy<Value = Value> {
    prop::sample::select(leaves).prop_recursive(4, 12, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            2 => list.clone().prop_map(|rules| json!({"and": rules})),
            3 => list.prop_map(|rules| json!({"or": rules})),
            2 => inner.prop_map(|rule| json!({"not": rule})),
        ]
    })
}

fn events() -> Vec<Value> {
    let mut events = Vec::new();
    for (a, s, address) in [
        (Some("x"), Some(SIGNATURE), "127.0.0.1"),
        (Some("y"), Some("bad"), "10.1.2.3"),
        (None, None, "::1"),
        (Some("x"), None, "2001:db8::8"),
        (None, Some(SIGNATURE), "192.168.0.1"),
        (Some("x"), Some("bad"), "::2"),
    ] {
        for (b, token) in [(None, None), (Some("null"), Some("")), (None, Some("t"))] {
            let given = [("a", a), ("b", b), ("s", s), ("token", token)];
            let event =
                given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
            let mut event = Value::Object(event.collect());
            event["_request"] = json!({"body": "data", "remote_address": address, "method": "POST", "headers": {}, "query": {}});
            events.push(event);
        }
    }
    events
}

/// How the import and the original differ for a rule: at no event, or at the first one of these.
fn compare(rule: &Value, allowed: impl Fn(bool, bool) -> bool) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for soft in [false, true] {
        let imported = ImportedRule::of(rule, soft);
        for event in events() {
            let selected = runtime.block_on(imported.selects_or_fails(&event));
            let runs = runs(rule, &event, soft);
            prop_assert!(
                allowed(selected, runs),
                "{rule} {event} soft: {soft}\noriginal: {runs}, import: {selected}: {}",
                imported.expr
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn wrong_rules_let_no_request_in(rule in tree([good_leaves(), wrong_leaves()].concat())) {
        compare(&rule, |selected, runs| runs || !selected)?;
    }

    #[test]
    fn good_rules_give_the_same(rule in tree(good_leaves())) {
        // A single IPv6 address is one address here.
        let lenient = rule.to_string().contains("::1\"") || rule.to_string().contains("2001:db8::7");
        compare(&rule, |selected, runs| selected == runs || lenient && !selected)?;
    }
}

#[test]
fn each_wrong_rule_alone_and_in_others() {
    let good = matching("value", "value", "x", "payload", "a");
    for wrong in wrong_leaves() {
        for rule in [
            json!({"not": wrong}),
            json!({"or": [wrong, good]}),
            json!({"or": [{"not": wrong}, good]}),
            json!({"and": [good, {"not": wrong}]}),
            json!({"not": {"and": [good, wrong]}}),
            json!({"not": {"or": [{"not": good}, wrong]}}),
        ] {
            compare(&rule, |selected, runs| runs || !selected).unwrap();
        }
    }
}
