//! Fires with a greeting, once or at an interval.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_core::param::Params;
use herald_core::spec::{Description, OptionKind, OptionSpec, TriggerType};
use herald_core::trigger::{Activator, ComponentError, Trigger};
use herald_core::unit;
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// The trigger type `hello`.
#[must_use]
pub fn trigger() -> TriggerType {
    let description = Description::new("hello", "Fires with a greeting when it starts, and then every `interval`.")
        .option(OptionSpec::new("name", OptionKind::Text, "The name to greet.").default("world"))
        .option(OptionSpec::new(
            "interval",
            OptionKind::Duration,
            "The time between greetings: seconds as a number, or a duration such as `1m30s`. Default: there is one \
             greeting.",
        ))
        .gives("greeting", "`hello, ` and the name")
        .gives("name", "the name")
        .gives("counter", "the number of greetings since the start, from 1")
        .example(
            "
trigger:
  hello:
    interval: 2

router:
  greet:
    trigger: hello
    selector: hello
    task:
      greet: hello
",
        );
    // Options were checked against the description; here they become fields.
    TriggerType::new(description, |options| Ok(Arc::new(options.parse::<HelloTrigger>()?)))
}

#[derive(Deserialize)]
struct HelloTrigger {
    name: String,
    #[serde(default, deserialize_with = "unit::de_optional_duration")]
    interval: Option<Duration>,
}

#[async_trait]
impl Trigger for HelloTrigger {
    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        // Dropping the waiting future is enough to end it. A trigger that holds a resource would release it here.
        stop.run_until_cancelled(self.greet(&activator)).await.unwrap_or(Ok(()))
    }
}

impl HelloTrigger {
    async fn greet(&self, activator: &Activator) -> Result<(), ComponentError> {
        for counter in 1_u64.. {
            let mut params = Params::new();
            params.insert("greeting".to_owned(), Value::from(format!("hello, {}", self.name)));
            params.insert("name".to_owned(), Value::from(self.name.as_str()));
            params.insert("counter".to_owned(), Value::from(counter));
            // Waits while Herald's queue is full: that is the back-pressure.
            if let Err(refused) = activator.activate_when_ready(params).await {
                tracing::warn!("greeting {counter} was not accepted: {refused}");
            }
            match self.interval {
                Some(interval) => tokio::time::sleep(interval).await,
                None => break,
            }
        }
        Ok(())
    }
}
