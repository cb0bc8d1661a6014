//! `publish`: writes the files that a project has in etcd to a folder of this machine, as one transaction, with
//! commands before and after.

mod command;
mod confirm;
mod ledgers;
mod note;
mod options;
mod project;
mod request;
mod result;
mod run;
mod shown;
mod target;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use herald_core::clock::{Clock, SystemClock};
use herald_core::context::Context;
use herald_core::executor::{Execution, Executor, Failure, Outcome};
use herald_core::spec::{Description, ExecutorType, Options};
use herald_core::trigger::ComponentError;
use herald_etcd::ProjectKeys;
use tokio::task::JoinHandle;

use self::ledgers::PublicationLedgers;
use self::options::PublishOptions;
use self::project::PolicyTemplates;
use self::request::JobRequest;
use self::run::PublicationRun;
pub use self::shown::{FileDifference, PreviewError, PublicationPreview, PublishedProject};
use crate::etcd::{EtcdConnection, EtcdConnections};
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
    let description = options::specs().into_iter().fold(description, Description::option);
    let description = options::params().into_iter().fold(description, Description::param);
    ExecutorType::with_context(description, |options, context| Ok(Publisher::new(options, context)?))
}

/// The executor.
pub struct Publisher {
    options: PublishOptions,
    connection: EtcdConnection,
    templates: PolicyTemplates,
    ledgers: PublicationLedgers,
    clock: Arc<dyn Clock>,
    /// Compares what was published with the disk.
    watch: Mutex<Option<JoinHandle<()>>>,
    own: Weak<Self>,
}

/// The name of a project's ledger.
fn id(keys: &ProjectKeys) -> String {
    keys.start().trim_end_matches('/').to_owned()
}

impl Publisher {
    fn new(options: &Options, context: &Context) -> Result<Arc<Self>, ComponentError> {
        let options = PublishOptions::of(options)?;
        let connection = EtcdConnections::named(context, &options.etcd)?;
        let templates = PolicyTemplates::compile(&options.policy)?;
        let state = context.get::<StateFolder>();
        let state: PathBuf = state.map_or_else(StateFolder::of_process, |state| state.0.clone());
        // Ledgers of one etcd are together, whatever the executor is called.
        let ledgers = PublicationLedgers::new(state.join("published").join(folder_of(&options.etcd)));
        Ok(Arc::new_cyclic(|own| Self {
            options,
            connection,
            templates,
            ledgers,
            clock: Arc::new(SystemClock),
            watch: Mutex::default(),
            own: own.clone(),
        }))
    }

    async fn publish(&self, execution: &Execution, is_recovery: bool) -> Outcome {
        self.watch_disk();
        let keys = request::keys(&execution.job).map_err(Failure::new)?;
        let request = JobRequest::of(&execution.job);
        let _lock = tokio::select! {
            lock = async { self.ledgers.lock(&id(&keys)).await } => lock,
            () = execution.stop.asked() => return Err(result::StepFailure::cancelled().into()),
        };
        PublicationRun::new(self, execution, keys, request).run(is_recovery).await
    }

    /// Compares everything with the disk whenever the trigger compared everything with etcd.
    fn watch_disk(&self) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.is_some() {
            return;
        }
        let (own, mut compared) = (self.own.clone(), self.connection.standings.watch_compared());
        *watch = Some(tokio::spawn(async move {
            while compared.changed().await.is_ok() {
                let Some(publisher) = own.upgrade() else { return };
                publisher.look_for_drift().await;
            }
        }));
    }
}

/// A part of a path, whatever the name.
fn folder_of(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let readable: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if readable == name {
        readable
    } else {
        format!("{readable}-{}", &herald_publish::sha256_hex(name.as_bytes())[..8])
    }
}

impl From<result::StepFailure> for Failure {
    fn from(failure: result::StepFailure) -> Self {
        Self { kind: failure.kind, ..Self::new(failure.error) }
    }
}

#[async_trait]
impl Executor for Publisher {
    async fn execute(&self, execution: Execution) -> Outcome {
        self.publish(&execution, false).await
    }

    /// Completes what was interrupted. Where nothing of it had become visible it is done again, as it would be for the
    /// next event.
    async fn recover(&self, execution: Execution) -> Outcome {
        self.publish(&execution, true).await
    }

    async fn close(&self) {
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(watch) = watch {
            watch.abort();
        }
    }
}
