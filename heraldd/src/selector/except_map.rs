//! `except_map`: the opposite of `match_map`: matches unless the key is there and, where a value is given, has
//! that value.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::param::{Params, lookup};
use herald_core::selector::{Answer, Question, Selector};
use herald_core::spec::{Description, OptionKind, OptionSpec, SelectorType, one_key};
use herald_core::trigger::ComponentError;
use serde_json::Value;

use super::{has_value, key_at, key_is_given};

/// The component type `except_map`.
#[must_use]
pub fn component() -> SelectorType {
    let description = Description::new(
        "except_map",
        "Matches unless the `trigger_param` has the key and, if a value is given, the key has that value: the \
         opposite of `match_map`. An event without the key matches; without `except_key` nothing matches.",
    )
    .param(
        OptionSpec::new(
            "except_key",
            OptionKind::Text,
            "The key to look at. `a/b/c` looks inside maps; a number picks an element of a list.",
        )
        .missing_means("it never matches")
        .check(key_is_given),
    )
    .param(OptionSpec::new(
        "except_value",
        OptionKind::Any,
        "The value that the key must not have. Left out, the key must not exist; `null` leaves out a key that \
         is there and null.",
    ))
    .refuse_near_misses()
    .proof(prove)
    .looks(|select_param| one_key(select_param, "except_key", "except_value"))
    .example(
        "
trigger:
  every2s:
    type: tick
    interval: 2

router:
  work:
    trigger: every2s
    selector: all
    task:
      nothing: none
  print_result:
    trigger: exe_done
    selector: except_map
    task:
      print_result: print
    select_param:
      except_key: router
      except_value: print_result
",
    );
    SelectorType::new(description, |_| Ok(Arc::new(ExceptMap)))
}

struct ExceptMap;

#[async_trait]
impl Selector for ExceptMap {
    fn can_be_asked_again(&self, _select_param: &Params) -> bool {
        true
    }

    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        Ok(decide(|key| question.trigger_param.lookup(key), &question.select_param))
    }
}

/// `find`: the value at a path.
fn decide<'a>(find: impl FnOnce(&str) -> Option<&'a Value>, select_param: &Params) -> Answer {
    let key = match key_at(select_param, "except_key") {
        Ok(key) => key,
        Err(no) => return no,
    };
    let Answer { yes, why } = has_value(find, key, select_param.get("except_value"));
    Answer { yes: !yes, why }
}

/// What is certain: with the first step of the key known, everything below it is known as well.
fn prove(known: &Params, select_param: &Params) -> Option<bool> {
    let Some(key) = select_param.get("except_key").and_then(Value::as_str) else { return Some(false) };
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
        let event = json!({"a": {"b": 5}, "n": null, "s": "t"});
        let event = params(event);
        for (select, yes) in [
            (json!({"except_key": "s"}), false),
            (json!({"except_key": "x"}), true),
            (json!({"except_key": "a/b"}), false),
            (json!({"except_key": "a/c"}), true),
            (json!({"except_key": "s", "except_value": "t"}), false),
            (json!({"except_key": "s", "except_value": "u"}), true),
            (json!({"except_key": "x", "except_value": "u"}), true),
            (json!({"except_key": "n", "except_value": null}), false),
            (json!({"except_key": "x", "except_value": null}), true),
            (json!({"except_key": "a/b", "except_value": 5.0}), false),
            (json!({"except_key": "a", "except_value": {"b": 5}}), false),
            (json!({"except_value": "t"}), false),
            (json!({"except_key": false}), false),
            (json!({}), false),
        ] {
            let answer = decide(|key| lookup(&event, key), &params(select.clone()));
            assert_eq!(answer.yes, yes, "{select}");
            assert!(!answer.why.is_empty(), "{select}");
        }
    }

    #[test]
    fn proves_only_what_is_certain() {
        let known = params(json!({"router": "r"}));
        for (select, proof) in [
            (json!({"except_key": "router", "except_value": "r"}), Some(false)),
            (json!({"except_key": "router", "except_value": "other"}), Some(true)),
            (json!({"except_key": "router"}), Some(false)),
            (json!({"except_key": "success", "except_value": true}), None),
            (json!({}), Some(false)),
        ] {
            assert_eq!(prove(&known, &params(select.clone())), proof, "{select}");
        }
    }
}
