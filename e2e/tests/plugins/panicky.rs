//! A plugin that panics in every call in which a plugin can panic.

#![expect(clippy::panic, reason = "that is what it is for")]

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Outcome};
use herald_core::selector::{Answer, Question, Selector};
use herald_core::spec::{Description, ExecutorType, SelectorType, TriggerType};
use herald_core::trigger::{Activator, ComponentError, Trigger};
use tokio_util::sync::CancellationToken;

struct Panicky;

#[async_trait]
impl Trigger for Panicky {
    async fn run(&self, _: Activator, _: CancellationToken) -> Result<(), ComponentError> {
        panic!("the trigger panics")
    }
}

#[async_trait]
impl Selector for Panicky {
    async fn select(&self, _: &Question) -> Result<Answer, ComponentError> {
        panic!("the selector panics")
    }
}

#[async_trait]
impl Executor for Panicky {
    async fn execute(&self, _: Execution) -> Outcome {
        panic!("the executor panics")
    }
}

fn trigger() -> TriggerType {
    TriggerType::new(Description::new("panicky", "Panics when it runs."), |_| Ok(Arc::new(Panicky)))
}

fn selector() -> SelectorType {
    SelectorType::new(Description::new("panicky", "Panics when it is asked."), |_| Ok(Arc::new(Panicky)))
}

fn executor() -> ExecutorType {
    ExecutorType::new(Description::new("panicky", "Panics when it gets a job."), |_| Ok(Arc::new(Panicky)))
}

fn born_panicking() -> ExecutorType {
    ExecutorType::new(Description::new("born_panicking", "Panics when it is made."), |_| {
        panic!("the factory panics")
    })
}

herald_core::plugin! {
    name: "panicky",
    triggers: [trigger],
    selectors: [selector],
    executors: [executor, born_panicking],
}
