//! `once`: fires one time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_core::param::Params;
use herald_core::spec::{Description, OptionKind, OptionSpec, TriggerType};
use herald_core::trigger::{Activator, CancellationToken, ComponentError, Trigger};
use herald_core::unit;
use serde::Deserialize;

/// The component type `once`.
#[must_use]
pub fn component() -> TriggerType {
    let delay = OptionSpec::new("delay", OptionKind::Duration, "How long after the start it fires.");
    let description = Description::new("once", "Fires one time after the start.")
        .option(delay.default("1s"))
        .example("\ntrigger:\n  once: {delay: 5s}\n\nrouter:\n  r: {trigger: once, selector: all, task: {show: print}}\n");
    TriggerType::new(description, |options| Ok(Arc::new(options.parse::<OnceTrigger>()?)))
}

#[derive(Deserialize)]
struct OnceTrigger {
    #[serde(deserialize_with = "unit::de_duration")]
    delay: Duration,
}

#[async_trait]
impl Trigger for OnceTrigger {
    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        let fire = async {
            tokio::time::sleep(self.delay).await;
            // What cannot be recorded now, because the disk is full, may be later.
            while let Err(refused) = activator.activate_when_ready(Params::new()).await {
                tracing::warn!(trigger = activator.trigger(), "could not fire: {refused}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        if stop.run_until_cancelled(fire).await.is_some() {
            stop.cancelled().await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use herald_core::conformance::check_trigger;

    #[tokio::test]
    async fn it_conforms() {
        let once = Arc::new(OnceTrigger { delay: Duration::from_millis(50) });
        check_trigger(once, Duration::from_millis(500)).await.unwrap();
    }
}
