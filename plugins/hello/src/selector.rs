//! Matches greetings, all or those for one name.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::param::same;
use herald_core::selector::{Answer, Question, Selector};
use herald_core::spec::{Description, OptionKind, OptionSpec, SelectorType};
use herald_core::trigger::ComponentError;

/// The selector type `hello`.
#[must_use]
pub fn selector() -> SelectorType {
    let description = Description::new("hello", "Matches greetings.")
        .param(OptionSpec::new("name", OptionKind::Text, "Only greetings for this name. Default: all."))
        .refuse_near_misses()
        .example(
            "
trigger:
  hello:
    name: moon

router:
  greet:
    trigger: hello
    selector: hello
    task:
      greet: hello
    select_param:
      name: moon
",
        );
    SelectorType::new(description, |_| Ok(Arc::new(HelloSelector)))
}

struct HelloSelector;

#[async_trait]
impl Selector for HelloSelector {
    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        let Some(greeted) = question.trigger_param.get("name") else {
            return Ok(Answer::no("the event is not a greeting"));
        };
        Ok(match question.select_param.get("name") {
            None => Answer::yes("the event is a greeting"),
            Some(name) if same(name, greeted) => Answer::yes("the event is a greeting for that name"),
            Some(_) => Answer::no("the event is a greeting for another name"),
        })
    }
}
