//! `skip`: lets every (n+1)th `counter` through.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::param::Params;
use herald_core::selector::{Answer, Question, Selector};
use herald_core::spec::{Description, OptionKind, OptionSpec, SelectorType};
use herald_core::trigger::ComponentError;
use serde_json::Value;

/// The component type `skip`.
#[must_use]
pub fn component() -> SelectorType {
    let description = Description::new(
        "skip",
        "Lets every (n+1)th event through, by the `counter` that the `tick` trigger gives: matches when the \
         counter is a multiple of `skip_number` + 1. An event without a whole, non-negative counter does not match.",
    )
    .param(
        OptionSpec::new(
            "skip_number",
            OptionKind::Integer { min: 0, max: i64::MAX - 1 },
            "How many events are left out between two that pass.",
        )
        .required(),
    )
    .refuse_near_misses()
    .example(
        "
trigger:
  every2s:
    type: tick
    interval: 2

router:
  print_every_third:
    trigger: every2s
    selector: skip
    task:
      print_param: print
    select_param:
      skip_number: 2
",
    );
    SelectorType::new(description, |_| Ok(Arc::new(Skip)))
}

struct Skip;

#[async_trait]
impl Selector for Skip {
    fn can_be_asked_again(&self, _select_param: &Params) -> bool {
        true
    }

    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        Ok(decide(&question.trigger_param, &question.select_param))
    }
}

fn decide(trigger_param: &Params, select_param: &Params) -> Answer {
    let Some(skip) = select_param.get("skip_number").and_then(whole) else {
        return Answer::no("skip_number is missing or not a whole number");
    };
    let Some(counter) = trigger_param.get("counter").and_then(whole) else {
        return Answer::no("key \"counter\" is missing or not a whole number");
    };
    // One more than a u64 fits into a u128.
    if u128::from(counter).is_multiple_of(u128::from(skip) + 1) {
        Answer::yes(format!("counter {counter} is a multiple of {}", u128::from(skip) + 1))
    } else {
        Answer::no(format!("counter {counter} is not a multiple of {}", u128::from(skip) + 1))
    }
}

/// A whole number from 0, also when it is written as `6.0`; counting never goes beyond 2^53.
fn whole(value: &Value) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = value.as_number()?;
    if let Some(whole) = number.as_u64() {
        return Some(whole);
    }
    let float = number.as_f64().filter(|float| (0.0..EXACT).contains(float) && float.fract() == 0.0)?;
    format!("{float:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn params(value: &Value) -> Params {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn decides() {
        let huge: Value = serde_json::from_str("1e400").unwrap();
        for (counter, skip, yes) in [
            (json!(1), json!(0), true),
            (json!(1), json!(1), false),
            (json!(2), json!(1), true),
            (json!(3), json!(2), true),
            (json!(4), json!(2), false),
            (json!(6.0), json!(2), true),
            (json!(6.5), json!(2), false),
            (json!(0), json!(5), true),
            (json!(-3), json!(2), false),
            (json!("3"), json!(2), false),
            (json!(null), json!(2), false),
            (huge.clone(), json!(2), false),
            (json!(3), huge, false),
            (json!(3), json!(-1), false),
            (json!(3), json!("2"), false),
            (json!(u64::MAX), json!(u64::MAX), false),
        ] {
            let answer =
                decide(&params(&json!({"counter": counter})), &params(&json!({"skip_number": skip})));
            assert_eq!(answer.yes, yes, "{counter} {skip}");
        }
    }

    #[test]
    fn says_what_is_missing() {
        let none = Params::new();
        let answer = decide(&none, &params(&json!({"skip_number": 1})));
        assert!(!answer.yes && answer.why.contains("counter"), "{answer:?}");
        let answer = decide(&params(&json!({"counter": 1})), &none);
        assert!(!answer.yes && answer.why.contains("skip_number"), "{answer:?}");
    }
}
