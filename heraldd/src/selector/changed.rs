//! `changed`: matches the first failure of a router, its recovery, and every n-th failure in a row.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::selector::{Answer, Question, Selector};
use herald_core::spec::{Description, SelectorType};
use herald_core::trigger::ComponentError;
use herald_notices::ChangedRouters;

/// A whole configuration.
const EXAMPLE: &str = "
trigger:
  nightly: {type: cron, cron: '0 3 * * *'}

executor:
  mail: {server: mail.example.com, from: herald@example.com}

router:
  backup:
    trigger: nightly
    selector: all
    task: {backup: local}
    job_param: {cmd: /usr/local/bin/backup}

  report:
    trigger: exe_done
    selector: changed
    select_param: {routers: backup}
    task: {report: mail}
    job_param: {to: ops@example.com}
";

/// The component type `changed`.
#[must_use]
pub fn component() -> SelectorType {
    let description = Description::new(
        "changed",
        "Matches when a router begins to fail and when it works again, for the trigger `exe_done`: so there is one notice of \
         the first failure and one of the recovery. `failed`, `timed_out` and `lost` are failures; jobs that were cancelled or \
         rejected change nothing. Each task of a router is counted by itself, in the order in which jobs end, also over \
         restarts and when the history has forgotten them (`failures_before` of `exe_done`). All options can be in \
         `select_param` as well, which wins.",
    )
    .refuse_near_misses()
    .example(EXAMPLE);
    let description = ChangedRouters::options().into_iter().fold(description, Description::option);
    let description = ChangedRouters::params().into_iter().fold(description, Description::param);
    SelectorType::new(description, |options| Ok(Arc::new(Changed(ChangedRouters::new(options)?))))
}

struct Changed(ChangedRouters);

#[async_trait]
impl Selector for Changed {
    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        Ok(self.0.answer(question))
    }
}
