//! What all publications of an executor share.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use herald_core::clock::{Clock, SystemClock};
use herald_core::context::Context;
use herald_core::spec::Options;
use herald_core::trigger::ComponentError;
use herald_etcd::ProjectKeys;
use tokio::task::JoinHandle;

use crate::connections::{EtcdConnection, EtcdConnections};
use crate::options::PublishOptions;
use crate::project::PolicyTemplates;
use crate::publication::ledgers::PublicationLedgers;
use crate::publication::turn::ContentTurns;

/// What publishes the projects of one etcd.
pub struct Publisher {
    pub(crate) options: PublishOptions,
    pub(crate) connection: EtcdConnection,
    pub(crate) templates: PolicyTemplates,
    pub(crate) ledgers: PublicationLedgers,
    pub(crate) turns: ContentTurns,
    pub(crate) clock: Arc<dyn Clock>,
    /// Compares what was published with the disk.
    watch: Mutex<Option<JoinHandle<()>>>,
    own: Weak<Self>,
}

/// The name of a project's ledger.
pub(crate) fn id(keys: &ProjectKeys) -> String {
    keys.start().trim_end_matches('/').to_owned()
}

impl Publisher {
    /// With these options, and a connection of this context. `state`: the folder of the daemon's state.
    ///
    /// # Errors
    /// An option is not valid, or names an etcd that does not exist.
    pub fn new(options: &Options, context: &Context, state: &Path) -> Result<Arc<Self>, ComponentError> {
        let options = PublishOptions::of(options)?;
        let connection = EtcdConnections::named(context, &options.etcd)?;
        let templates = PolicyTemplates::compile(&options.policy)?;
        // Ledgers of one etcd are together, whatever the executor is called.
        let path = state.join("published").join(folder_of(&options.etcd));
        let _ = connection.ledgers.set(path.clone());
        let ledgers = PublicationLedgers::new(path);
        Ok(Arc::new_cyclic(|own| Self {
            options,
            connection,
            templates,
            ledgers,
            turns: ContentTurns::default(),
            clock: Arc::new(SystemClock),
            watch: Mutex::default(),
            own: own.clone(),
        }))
    }

    /// Compares everything with the disk whenever the trigger compared everything with etcd.
    pub(crate) fn watch_disk(&self) {
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

    /// Ends what compares the projects with the disk.
    pub fn end_watch(&self) {
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(watch) = watch {
            watch.abort();
        }
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
