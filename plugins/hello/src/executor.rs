//! Answers a greeting.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Failure, FailureKind, Outcome};
use herald_core::param::Params;
use herald_core::spec::{Description, ExecutorType, OptionKind, OptionSpec};
use herald_core::unit;
use serde_json::Value;

/// The executor type `hello`.
#[must_use]
pub fn executor() -> ExecutorType {
    let description = Description::new(
        "hello",
        "Answers the `greeting` of the event; the answer is the `reply` in the job's result.",
    )
    .option(
        OptionSpec::new("reply", OptionKind::Text, "The answer to the greeting.").default("and hello to you"),
    )
    .param(OptionSpec::new("delay", OptionKind::Duration, "The delay before the answer. Default: none."))
    .example(
        "
trigger:
  hello: {}

executor:
  polite:
    type: hello
    reply: how do you do

router:
  greet:
    trigger: hello
    selector: hello
    task:
      greet: polite
    job_param:
      delay: 100ms
",
    );
    ExecutorType::new(description, |options| {
        let reply = options.0.get("reply").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Arc::new(Hello { reply }))
    })
}

struct Hello {
    reply: String,
}

#[async_trait]
impl Executor for Hello {
    async fn execute(&self, execution: Execution) -> Outcome {
        let job = &execution.job;
        let delay = match job.job_param.get("delay") {
            None => Duration::ZERO,
            Some(delay) => unit::duration(delay).map_err(|why| Failure::new(format!("`delay`: {why}")))?,
        };
        let thought = execution.stop.asked.run_until_cancelled(tokio::time::sleep(delay)).await;
        if thought.is_none() {
            let kind = FailureKind::Cancelled;
            return Err(Failure { kind, ..Failure::new("stopped before it answered") });
        }
        let greeting = job.trigger_param.get("greeting").and_then(Value::as_str).unwrap_or("nothing");
        tracing::info!(job_id = &*job.id, "received \"{greeting}\"");
        let mut result = Params::new();
        result.insert("reply".to_owned(), Value::from(format!("{greeting}: {}", self.reply)));
        Ok(result)
    }
}
