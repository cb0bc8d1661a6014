//! A plugin in Rust that behaves as the test wants it.

#![expect(clippy::panic, reason = "that is what it is for")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Failure, FailureKind, Outcome, Stream};
use herald_core::param::Params;
use herald_core::position::{Cursor, Position};
use herald_core::selector::{Answer, Question, Selector};
use herald_core::spec::{Description, ExecutorType, OptionKind, OptionSpec, SelectorType, TriggerType};
use herald_core::trigger::{Activator, ComponentError, Trigger};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Futures that were dropped before their end.
static DROPPED: AtomicU64 = AtomicU64::new(0);

struct CountsDrop;

impl Drop for CountsDrop {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

struct Lab;

fn mode(params: &Params) -> &str {
    params.get("mode").and_then(Value::as_str).unwrap_or_default()
}

#[async_trait]
impl Selector for Lab {
    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        match mode(&question.select_param) {
            "panic" => panic!("as it was asked"),
            "panic later" => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                panic!("as it was asked, later")
            }
            "later" => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(Answer::yes(format!("later, {}", question.task)))
            }
            "never" => {
                let _counts = CountsDrop;
                std::future::pending().await
            }
            "dropped" => Ok(Answer::no(DROPPED.load(Ordering::SeqCst).to_string())),
            "block" => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                loop {
                    std::thread::park();
                }
            }
            "error" => Err(ComponentError::new("not today")),
            _ => Ok(Answer::yes("")),
        }
    }
}

#[async_trait]
impl Executor for Lab {
    async fn execute(&self, execution: Execution) -> Outcome {
        let stopped = |how: &str| Failure { kind: FailureKind::Cancelled, ..Failure::new(how) };
        match mode(&execution.job.job_param) {
            "panic" => panic!("as it was asked"),
            "stop" => {
                execution.stop.asked.cancelled().await;
                Err(stopped("asked"))
            }
            "stubborn" => {
                execution.stop.forced.cancelled().await;
                Err(stopped("forced"))
            }
            "output" => {
                for n in 0..3 {
                    execution.output.write(Stream::Stdout, format!("line {n}\n").as_bytes()).await;
                }
                // Longer than what crosses at once.
                execution.output.write(Stream::Stderr, &vec![b'x'; 200_000]).await;
                Ok(Params::new())
            }
            "log" => {
                tracing::warn!(number = 5, "said in a plugin");
                Ok(Params::new())
            }
            _ => {
                let mut result = Params::new();
                result.insert("masked".to_owned(), Value::Object(execution.masked_params()));
                result.insert("plain".to_owned(), Value::Object(execution.params()));
                Ok(result)
            }
        }
    }

    async fn recover(&self, execution: Execution) -> Outcome {
        if mode(&execution.job.job_param) == "panic" {
            panic!("as it was asked");
        }
        execution.output.restart().await;
        execution.output.write(Stream::Stdout, b"again\n").await;
        Err(Failure { kind: FailureKind::TimedOut, ..Failure::new("it took too long") })
    }
}

/// As [`Lab`], with the default of what it does not say.
struct Plain;

#[async_trait]
impl Executor for Plain {
    async fn execute(&self, _: Execution) -> Outcome {
        Ok(Params::new())
    }
}

struct Fires {
    panics: bool,
}

#[async_trait]
impl Trigger for Fires {
    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        assert!(!self.panics, "as it was asked");
        let source = format!("{} numbers", activator.trigger());
        let fire = async {
            let last = activator.reached(&source).await.and_then(|position| position.integer());
            if last.is_none() {
                activator
                    .reach(Cursor { source: source.as_str().into(), position: Position::of_integer(0) })
                    .await;
            }
            for n in last.unwrap_or(0) + 1.. {
                let Value::Object(params) = json!({"n": n, "name": activator.trigger()}) else { break };
                let cursor = Cursor { source: source.as_str().into(), position: Position::of_integer(n) };
                let _ = activator.activate_at(params.clone(), cursor, None).await;
                let _ = activator.activate_once(params, &n.to_string(), Duration::from_secs(9)).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        stop.run_until_cancelled(fire).await;
        Ok(())
    }
}

fn fires() -> TriggerType {
    let description = Description::new("rust_lab", "Fires.")
        .option(OptionSpec::new("panics", OptionKind::Boolean, "Panics.").default(false));
    TriggerType::new(description, |options| {
        Ok(Arc::new(Fires { panics: options.0.get("panics") == Some(&Value::Bool(true)) }))
    })
}

fn selects() -> SelectorType {
    SelectorType::new(Description::new("rust_lab", "Selects."), |_| Ok(Arc::new(Lab)))
}

fn executes() -> ExecutorType {
    let even = |value: &Value| match value.as_u64() {
        Some(13) => panic!("an unlucky number"),
        Some(n) if n % 2 == 1 => Err(format!("{n} is odd")),
        _ => Ok(()),
    };
    let description = Description::new("rust_lab", "Runs.")
        .option(OptionSpec::new("even", OptionKind::Integer { min: 0, max: 99 }, "Even.").check(even))
        .option(OptionSpec::new("fails", OptionKind::Boolean, "Cannot be made."));
    ExecutorType::new(description, |options| match options.0.get("fails") {
        Some(Value::Bool(true)) => Err(ComponentError::new("cannot be made")),
        Some(_) => panic!("as it was asked"),
        None => Ok(Arc::new(Lab)),
    })
}

fn plain() -> ExecutorType {
    ExecutorType::new(Description::new("plain", "Runs."), |_| Ok(Arc::new(Plain)))
}

herald_core::plugin! {
    name: "rust lab",
    triggers: [fires],
    selectors: [selects],
    executors: [executes, plain],
}
