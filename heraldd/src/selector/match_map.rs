//! `match_map`: matches when a key of the `trigger_param` is there and, where a value is given, has that value.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::param::{Params, lookup};
use herald_core::selector::{Answer, Question, RequiredValue, Selector};
use herald_core::spec::{Description, OptionKind, OptionSpec, SelectorType, one_key};
use herald_core::trigger::ComponentError;
use serde_json::Value;

use super::{has_value, key_at, key_is_given};

/// The component type `match_map`.
#[must_use]
pub fn component() -> SelectorType {
    let description = Description::new(
        "match_map",
        "Matches when the `trigger_param` has the key and, if a value is given, the key has that value. \
         Values are compared as values: 5 equals 5.0, lists and maps compare whole.",
    )
    .param(
        OptionSpec::new(
            "match_key",
            OptionKind::Text,
            "The key to look at. `a/b/c` looks inside maps; a number picks an element of a list.",
        )
        .missing_means("it never matches")
        .check(key_is_given),
    )
    .param(OptionSpec::new(
        "match_value",
        OptionKind::Any,
        "The value that the key must have. Left out, it is enough that the key exists; `null` asks for a \
         key that is there and null.",
    ))
    .refuse_near_misses()
    .proof(prove)
    .looks(|select_param| one_key(select_param, "match_key", "match_value"))
    .example(
        "
trigger:
  manual:
    type: http

router:
  deploy_main:
    trigger: manual
    selector: match_map
    task:
      show: print
    select_param:
      match_key: repository/branch
      match_value: main
",
    );
    SelectorType::new(description, |_| Ok(Arc::new(MatchMap)))
}

struct MatchMap;

#[async_trait]
impl Selector for MatchMap {
    fn requires(&self, select_param: &Params) -> Option<RequiredValue> {
        let path = select_param.get("match_key")?.as_str()?.to_owned();
        Some(RequiredValue { path, value: select_param.get("match_value")?.clone() })
    }

    fn can_be_asked_again(&self, _select_param: &Params) -> bool {
        true
    }

    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        Ok(decide(|key| question.trigger_param.lookup(key), &question.select_param))
    }
}

/// `find`: the value at a path.
fn decide<'a>(find: impl FnOnce(&str) -> Option<&'a Value>, select_param: &Params) -> Answer {
    match key_at(select_param, "match_key") {
        Err(no) => no,
        Ok(key) => has_value(find, key, select_param.get("match_value")),
    }
}

/// What is certain: with the first step of the key known, everything below it is known as well.
fn prove(known: &Params, select_param: &Params) -> Option<bool> {
    let key = select_param.get("match_key").and_then(Value::as_str)?;
    let top = key.split('/').next()?;
    known.contains_key(top).then(|| decide(|key| lookup(known, key), select_param).yes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn params(value: Value) -> Params {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn decides() {
        let event = json!({
            "a": {"b": {"c": 5}}, "n": null, "l": [1, {"x": "y"}], "s": "t", "big": 9_007_199_254_740_993_u64
        });
        let event = params(event);
        for (select, yes) in [
            (json!({"match_key": "s"}), true),
            (json!({"match_key": "n"}), true),
            (json!({"match_key": "a/b/c"}), true),
            (json!({"match_key": "a/b/d"}), false),
            (json!({"match_key": "x"}), false),
            (json!({"match_key": "s", "match_value": "t"}), true),
            (json!({"match_key": "s", "match_value": "T"}), false),
            (json!({"match_key": "s", "match_value": null}), false),
            (json!({"match_key": "n", "match_value": null}), true),
            (json!({"match_key": "x", "match_value": null}), false),
            (json!({"match_key": "a/b/c", "match_value": 5}), true),
            (json!({"match_key": "a/b/c", "match_value": 5.0}), true),
            (json!({"match_key": "a/b/c", "match_value": "5"}), false),
            (json!({"match_key": "a/b", "match_value": {"c": 5}}), true),
            (json!({"match_key": "a", "match_value": {"b": {"c": 6}}}), false),
            (json!({"match_key": "l", "match_value": [1, {"x": "y"}]}), true),
            (json!({"match_key": "l/1/x", "match_value": "y"}), true),
            (json!({"match_key": "l", "match_value": [{"x": "y"}, 1]}), false),
            (json!({"match_key": "big", "match_value": 9_007_199_254_740_992_u64}), false),
            (json!({"match_value": "t"}), false),
            (json!({"match_key": 7, "match_value": "t"}), false),
            (json!({}), false),
        ] {
            let answer = decide(|key| lookup(&event, key), &params(select.clone()));
            assert_eq!(answer.yes, yes, "{select}");
            assert!(!answer.why.is_empty(), "{select}");
        }
    }

    #[test]
    fn a_key_that_is_no_string_is_named() {
        for (select, why) in [
            (json!({}), "match_key is missing"),
            (json!({"match_key": 5}), "match_key is 5, not a string"),
            (json!({"match_key": ["a"]}), "match_key is [\"a\"], not a string"),
        ] {
            assert_eq!(decide(|_| None, &params(select)).why, why);
        }
    }

    #[test]
    fn the_reason_names_keys_and_values_without_secrets() {
        let event =
            json!({"ref": "refs/heads/dev", "a": {"n": 5, "api_token": "x"}, "long": "y".repeat(900)});
        let event = params(event);
        for (select, why) in [
            (json!({"match_key": "command"}), "key \"command\" is missing"),
            (json!({"match_key": "ref"}), "key \"ref\" is there"),
            (
                json!({"match_key": "ref", "match_value": "refs/heads/main"}),
                "ref is \"refs/heads/dev\", not \"refs/heads/main\"",
            ),
            (json!({"match_key": "a/n", "match_value": 5}), "a/n is 5"),
            (json!({"match_key": "a/api_token", "match_value": "z"}), "a/api_token is ***, not ***"),
            (json!({"match_key": "a", "match_value": 1}), "a is {\"n\":5,\"api_token\":\"***\"}, not 1"),
        ] {
            let answer = decide(|key| lookup(&event, key), &params(select.clone()));
            assert_eq!(answer.why, why, "{select}");
        }
        let long = decide(|key| lookup(&event, key), &params(json!({"match_key": "long", "match_value": 1})));
        assert!(long.why.len() < 90 && long.why.ends_with("…, not 1"), "{}", long.why);
    }

    #[test]
    fn proves_only_what_is_certain() {
        let known = params(json!({"router": "r", "job_param": {"cmd": "x"}}));
        for (select, proof) in [
            (json!({"match_key": "router", "match_value": "r"}), Some(true)),
            (json!({"match_key": "router", "match_value": "other"}), Some(false)),
            (json!({"match_key": "job_param/cmd"}), Some(true)),
            (json!({"match_key": "job_param/none"}), Some(false)),
            (json!({"match_key": "success", "match_value": true}), None),
            (json!({}), None),
        ] {
            assert_eq!(prove(&known, &params(select.clone())), proof, "{select}");
        }
    }

    #[test]
    fn a_value_is_required_where_one_is_given() {
        for (select, requires) in [
            (json!({"match_key": "a/b", "match_value": "x"}), Some(("a/b", json!("x")))),
            (json!({"match_key": "a", "match_value": null}), Some(("a", json!(null)))),
            (json!({"match_key": "a"}), None),
            (json!({"match_value": "x"}), None),
            (json!({"match_key": 7, "match_value": "x"}), None),
        ] {
            let required = MatchMap.requires(&params(select.clone()));
            let expected = requires.map(|(path, value)| RequiredValue { path: path.to_owned(), value });
            assert_eq!(required, expected, "{select}");
        }
    }

    #[test]
    fn an_empty_key_is_refused() {
        assert!(key_is_given(&json!("")).is_err());
        assert!(key_is_given(&json!("a")).is_ok());
    }
}
