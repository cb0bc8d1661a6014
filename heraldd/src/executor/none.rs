//! `none`: does nothing.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Outcome};
use herald_core::param::Params;
use herald_core::spec::{Description, ExecutorType};

/// The component type `none`.
#[must_use]
pub fn component() -> ExecutorType {
    let description = Description::new(
        "none",
        "Does nothing and succeeds with an empty result. Useful to try out routers: the parameters of each job are \
         in its `exe_done` event. It takes any parameters and reads none.",
    )
    .example(
        "
trigger:
  every2s:
    type: tick
    interval: 2

router:
  try_out:
    trigger: every2s
    selector: all
    task:
      nothing: none
",
    );
    ExecutorType::new(description, |_| Ok(Arc::new(Nothing)))
}

struct Nothing;

#[async_trait]
impl Executor for Nothing {
    fn is_instant(&self) -> bool {
        true
    }

    async fn execute(&self, _execution: Execution) -> Outcome {
        Ok(Params::new())
    }
}
