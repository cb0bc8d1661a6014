//! `publish`: writes the files that a project has in etcd to a folder of this machine, as one transaction, with
//! commands before and after.

mod command;
mod confirm;
mod execute;
mod ledgers;
mod note;
mod options;
mod project;
mod publisher;
mod recovering;
mod request;
mod result;
mod run;
mod settle;
mod shown;
mod target;

use std::sync::Arc;

use herald_core::executor::Executor;
use herald_core::spec::{Description, ExecutorType};

pub use self::publisher::Publisher;
pub use self::shown::{FileDifference, PreviewError, PublicationPreview, PublishedProject};

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
    let description = options::specs().into_iter().fold(description, Description::option);
    let description = options::params().into_iter().fold(description, Description::param);
    ExecutorType::with_context(description, |options, context| {
        Ok(Publisher::new(options, context)? as Arc<dyn Executor>)
    })
}
