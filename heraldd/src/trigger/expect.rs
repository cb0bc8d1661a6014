//! `expect`: fires when a router or a trigger is silent for too long, and when it is back.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::spec::{Description, TriggerType};
use herald_core::trigger::{Activator, ComponentError, Trigger};
use herald_notices::ExpectedArrivals;
use tokio_util::sync::CancellationToken;

/// A whole configuration.
const EXAMPLE: &str = "
trigger:
  nightly: {type: cron, cron: '0 3 * * *'}
  backup_missing: {type: expect, router: backup, within: 25h}

executor:
  mail: {server: mail.example.com, from: herald@example.com}

router:
  backup:
    trigger: nightly
    selector: all
    task: {backup: local}
    job_param: {cmd: /usr/local/bin/backup}

  report:
    trigger: backup_missing
    selector: all
    task: {report: mail}
    job_param: {to: ops@example.com}
";

/// The component type `expect`.
#[must_use]
pub fn component() -> TriggerType {
    let description = Description::new(
        "expect",
        "Fires when no job of a router ended, or no event of a trigger came, for longer than `within`; and again when one \
         did. It fires once for each silence, also over restarts. Only time in which Herald runs is counted, so that nothing is \
         reported just because the machine was off; the count goes on after a restart.",
    )
    .gives("state", "`silent` or `back`")
    .gives("kind, name", "what was awaited: `router` or `trigger`, and its name")
    .gives("since", "when it came last, or since when it is awaited: RFC 3339, in UTC")
    .gives("time", "when it fired; with `back`, when it came again")
    .gives("silent_for", "how long lies between, such as `1d2h`")
    .gives("within", "how long was allowed")
    .example(EXAMPLE);
    let description = ExpectedArrivals::options().into_iter().fold(description, Description::option);
    TriggerType::with_context(description, |options, context| {
        Ok(Arc::new(ExpectTrigger(ExpectedArrivals::new(options, context)?)))
    })
}

struct ExpectTrigger(ExpectedArrivals);

#[async_trait]
impl Trigger for ExpectTrigger {
    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        self.0.run(&activator, &stop).await;
        Ok(())
    }
}
