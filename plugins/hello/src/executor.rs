//! Answers a greeting.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Failure, FailureKind, Outcome, Stream};
use herald_core::param::Params;
use herald_core::spec::{Description, ExecutorType, OptionKind, OptionSpec};
use herald_core::unit;
use serde_json::Value;

/// The executor type `hello`.
#[must_use]
pub fn executor() -> ExecutorType {
    let description = Description::new(
        "hello",
        "Answers the `greeting` of the event; the answer is the `reply` in the job's result. What it does is written to \
         the output of the job at once.",
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
        Ok(Arc::new(HelloExecutor { reply }))
    })
}

struct HelloExecutor {
    reply: String,
}

#[async_trait]
impl Executor for HelloExecutor {
    async fn execute(&self, execution: Execution) -> Outcome {
        let job = &execution.job;
        let delay = match job.job_param.get("delay") {
            None => Duration::ZERO,
            Some(delay) => unit::duration(delay).map_err(|why| Failure::new(format!("`delay`: {why}")))?,
        };
        let greeting = job.trigger_param.get("greeting").and_then(Value::as_str).unwrap_or("nothing");
        // `heraldd logs --follow` shows this while the job runs.
        let line = format!("received \"{greeting}\", answering in {}\n", unit::text(delay));
        execution.output.write(Stream::Stdout, line.as_bytes()).await;
        let thought = execution.stop.asked.run_until_cancelled(tokio::time::sleep(delay)).await;
        if thought.is_none() {
            let kind = FailureKind::Cancelled;
            execution.output.write(Stream::Stderr, b"stopped\n").await;
            return Err(Failure { kind, ..Failure::new("stopped before it answered") });
        }
        tracing::info!(job_id = &*job.id, "answered \"{greeting}\"");
        let mut result = Params::new();
        result.insert("reply".to_owned(), Value::from(format!("{greeting}: {}", self.reply)));
        Ok(result)
    }

    /// A greeting that ran when Herald ended was not answered, since the answer is the end. Without this function, the
    /// job would be `lost`, which is right for most executors that start nothing outside the process.
    async fn recover(&self, execution: Execution) -> Outcome {
        drop(execution);
        Err(Failure {
            kind: FailureKind::Lost,
            ..Failure::new("Herald ended before the greeting was answered")
        })
    }
}
