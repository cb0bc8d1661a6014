//! `etcd`: fires when keys of an etcd change.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_core::spec::{CheckError, Description, OptionKind, OptionSpec, TriggerType};
use herald_core::trigger::{Activator, CancellationToken, ComponentError, Trigger};
use herald_core::unit;
use herald_projects::{
    EtcdConnections, EtcdOptions, KeysFollower, KeysLayout, ProjectsFollower, etcd_option,
};
use serde_json::Value;

/// The least time between two comparisons of everything.
const SHORTEST_RESYNC: Duration = Duration::from_secs(1);

/// The component type `etcd`.
#[must_use]
pub fn component() -> TriggerType {
    let description = Description::new(
        "etcd",
        "Fires when keys of an etcd change. While etcd cannot be reached, it connects again; a restart of Herald \
         continues where it ended. It begins before Herald is ready: a change after that is an event of its own, and \
         never what exists at the start; only where etcd does not answer within 3 s, it begins once etcd can be \
         reached. With `layout: keys` there is an event for each change, in order. With \
         `layout: projects` there is an event for each project that changed: its keys are PREFIX/HOST/PROJECT/config \
         and PREFIX/HOST/PROJECT/config.d/NAME.",
    );
    TriggerType::with_context(results(options(description)), |options, context| {
        let given: EtcdOptions = options.parse()?;
        let connection = EtcdConnections::named(context, &given.etcd)?;
        Ok(Arc::new(match given.layout {
            KeysLayout::Keys => EtcdTrigger::Keys(KeysFollower::new(connection, given)),
            KeysLayout::Projects => EtcdTrigger::Projects(ProjectsFollower::new(connection, given)),
        }))
    })
}

fn options(description: Description) -> Description {
    let new = OptionSpec::new;
    description
        .option(etcd_option())
        .option(
            new("prefix", OptionKind::Text, "What the keys begin with. With `layout: projects` it ends before the host.")
                .required(),
        )
        .option(
            new(
                "layout",
                OptionKind::OneOf(&["keys", "projects"]),
                "Whether each change is an event, or each project that changed.",
            )
            .default("keys"),
        )
        .option(new(
            "host",
            OptionKind::Text,
            "With `layout: projects`: the segment of the keys after the prefix. Default: the name of this machine.",
        ))
        .option(
            new(
                "at_start",
                OptionKind::OneOf(&["sync", "force", "none"]),
                "What happens to what exists at the start. `sync`: an event for each key the first time, or for each \
                 project (reason `start`). `force`: the same at every start (reason `force`; a project until it was \
                 published). `none`: nothing.",
            )
            .default("sync"),
        )
        .option(
            new(
                "settle",
                OptionKind::Duration,
                "With `layout: projects`: a project is announced once nothing of it has changed for this long, after \
                 2 s at the latest.",
            )
            .default("100ms"),
        )
        .option(
            new(
                "resync",
                OptionKind::Duration,
                "How often everything is listed and compared, at least 1 s: a watch of etcd can lose changes.",
            )
            .default("10m")
            .check(check_resync),
        )
}

fn results(description: Description) -> Description {
    description
        .gives("etcd", "the name of the etcd")
        .gives("prefix", "the prefix")
        .gives("action", "keys: `put`, `delete`, or `gap` after changes that are missing, with `from` and `to`")
        .gives("key", "keys: the key; one that is not UTF-8 is in `key_base64`, too")
        .gives("name", "keys: what follows the prefix")
        .gives("value", "keys: the new value; `value_base64` instead, where it is not UTF-8")
        .gives("previous", "keys: the value before, where there was one; `previous_base64` where it is not UTF-8")
        .gives("revision", "the revision of the change; of a project, the newest one")
        .gives("reason", "why: `change`, `start`, `force`, `resync` (etcd was away, compacted or compared)")
        .gives("project", "projects: the name of the project")
        .gives("host", "projects: the host")
        .gives("count", "projects: how many keys changed")
        .gives(
            "changes",
            "projects: up to 100 of them, without values: `file` (what follows the project), `action`, `revision`",
        )
        .example(
            "
etcd:
  main: {endpoints: ['http://localhost:2379']}

trigger:
  settings: {type: etcd, etcd: main, prefix: /settings/}

router:
  show: {trigger: settings, selector: all, task: {show: print}}
",
        )
}

fn check_resync(given: &Value) -> Result<(), CheckError> {
    match unit::duration(given) {
        Ok(resync) if resync < SHORTEST_RESYNC => Err(CheckError::new("it must be at least 1s")),
        _ => Ok(()),
    }
}

/// Fires for keys, or for projects.
enum EtcdTrigger {
    Keys(KeysFollower),
    Projects(ProjectsFollower),
}

#[async_trait]
impl Trigger for EtcdTrigger {
    async fn begin(&self, activator: &Activator) {
        match self {
            Self::Keys(keys) => keys.begin(activator).await,
            Self::Projects(projects) => projects.begin().await,
        }
    }

    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        let follow = async {
            match self {
                Self::Keys(keys) => keys.follow(&activator).await,
                Self::Projects(projects) => projects.follow(&activator).await,
            }
        };
        stop.run_until_cancelled(follow).await.unwrap_or(Ok(()))
    }
}

/// What announces projects, where this trigger does.
#[must_use]
pub fn projects_of(trigger: &dyn Trigger) -> Option<&ProjectsFollower> {
    let trigger: &dyn std::any::Any = trigger;
    match trigger.downcast_ref()? {
        EtcdTrigger::Projects(projects) => Some(projects),
        EtcdTrigger::Keys(_) => None,
    }
}

#[cfg(test)]
mod tests;
