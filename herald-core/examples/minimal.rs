//! The smallest Herald: a clock strikes, an executor prints.
use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Outcome};
use herald_core::selector::{Answer, Question, Selector};
use herald_core::trigger::{Activator, CancellationToken, ComponentError, Trigger};
use herald_core::workflow::Router;
use herald_core::{herald::Herald, param::Params};
use std::time::Duration;

struct Strike;
#[async_trait]
impl Trigger for Strike {
    async fn run(&self, activator: Activator, _: CancellationToken) -> Result<(), ComponentError> {
        let told = Params::from_iter([("hour".into(), 12.into())]);
        activator.activate_when_ready(told).await.map(drop).map_err(ComponentError::new)
    }
}
struct Noon;
#[async_trait]
impl Selector for Noon {
    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        Ok((question.trigger_param.get("hour") == Some(&12.into())).into())
    }
}
struct Print;
#[async_trait]
impl Executor for Print {
    async fn execute(&self, execution: Execution) -> Outcome {
        println!("{:?}", execution.masked_params().get("trigger_param"));
        Ok(Params::new())
    }
}
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let herald = Herald::new().trigger("strike", Strike).selector("noon", Noon).executor("print", Print);
    let running = herald.router(Router::new("lunch", "strike", "noon").task("call", "print")).start().await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    running.stop(Duration::from_secs(5)).await;
    Ok(())
}
