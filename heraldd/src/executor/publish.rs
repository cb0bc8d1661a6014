//! `publish`: writes the files that a project has in etcd to a folder of this machine, as one transaction, with
//! commands before and after.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Outcome};
use herald_core::spec::{Description, ExecutorType};
use herald_projects::Publisher;

use crate::state::folder::StateFolder;

/// A whole configuration.
const EXAMPLE: &str = "
etcd:
  main: {endpoints: ['http://localhost:2379']}

trigger:
  projects: {type: etcd, etcd: main, prefix: /watcher, layout: projects}

executor:
  files:
    type: publish
    etcd: main
    policy:
      '*': {deployPath: '/etc/sites/{{ trigger_param.project }}', afterCmd: nginx -s reload}

router:
  publish:
    trigger: projects
    selector: all
    task: {publish: files}
    policy: {concurrency: {limit: 1, key: trigger_param/project, on_full: replace}}
";

/// The component type `publish`.
#[must_use]
pub fn component() -> ExecutorType {
    let description = Description::new(
        "publish",
        "Publishes the files that a project has in etcd into a folder, all or none: they are staged and checked, \
         `beforeCmd` runs, they change places, they are verified, `afterCmd` runs. When a step fails the previous files \
         are restored. What a crash interrupts is completed or undone at the next start.",
    )
    .example(EXAMPLE);
    let description = herald_projects::specs().into_iter().fold(description, Description::option);
    let description = herald_projects::params().into_iter().fold(description, Description::param);
    ExecutorType::with_context(description, |options, context| {
        let state = context.get::<StateFolder>();
        let state: PathBuf = state.map_or_else(StateFolder::of_process, |state| state.0.clone());
        Ok(Arc::new(PublishExecutor(Publisher::new(options, context, &state)?)))
    })
}

/// Runs jobs: one at a time for each project.
struct PublishExecutor(Arc<Publisher>);

#[async_trait]
impl Executor for PublishExecutor {
    async fn execute(&self, execution: Execution) -> Outcome {
        self.0.publish(&execution, false).await
    }

    async fn recover(&self, execution: Execution) -> Outcome {
        self.0.publish(&execution, true).await
    }

    async fn close(&self) {
        self.0.end_watch();
    }
}

/// What publishes for this executor, where it is of this type.
#[must_use]
pub fn publisher_of(executor: &dyn Executor) -> Option<&Publisher> {
    let executor: &dyn std::any::Any = executor;
    executor.downcast_ref().map(|PublishExecutor(publisher)| &**publisher)
}
