//! `all`: matches every event.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::selector::{Answer, Question, Selector};
use herald_core::spec::{Description, SelectorType};
use herald_core::trigger::ComponentError;

/// The component type `all`.
#[must_use]
pub fn component() -> SelectorType {
    let description = Description::new("all", "Matches every event. Parameters are accepted and ignored.")
        .proof(|_, _| Some(true))
        .example(
            "
trigger:
  every2s:
    type: tick
    interval: 2

router:
  print_all:
    trigger: every2s
    selector: all
    task:
      print_param: print
",
        );
    SelectorType::new(description, |_| Ok(Arc::new(All)))
}

struct All;

#[async_trait]
impl Selector for All {
    async fn select(&self, _question: &Question) -> Result<Answer, ComponentError> {
        Ok(Answer::yes("matches every event"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use herald_core::context::Context;
    use herald_core::param::Params;
    use herald_core::spec::Options;

    #[tokio::test]
    async fn always_yes() {
        let component = component();
        let all = (component.factory)(&Options::default(), &Context::default()).unwrap();
        let empty = Arc::new(Params::new());
        let question = Question {
            event_id: "e".into(),
            trigger: "t".into(),
            router: "r".into(),
            task: "k".into(),
            trigger_param: Arc::default(),
            select_param: empty.clone(),
        };
        assert!(all.select(&question).await.unwrap().yes);
        assert_eq!((component.description.proof.unwrap())(&empty, &empty), Some(true));
    }
}
