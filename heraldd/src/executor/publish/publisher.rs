//! The executor itself: what all its jobs share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use herald_core::clock::{Clock, SystemClock};
use herald_core::context::Context;
use herald_core::spec::Options;
use herald_core::trigger::ComponentError;
use herald_etcd::ProjectKeys;
use tokio::task::JoinHandle;

use super::ledgers::PublicationLedgers;
use super::options::PublishOptions;
use super::project::PolicyTemplates;
use crate::etcd::{EtcdConnection, EtcdConnections};
use crate::state::folder::StateFolder;

/// The executor.
pub struct Publisher {
    pub(super) options: PublishOptions,
    pub(super) connection: EtcdConnection,
    pub(super) templates: PolicyTemplates,
    pub(super) ledgers: PublicationLedgers,
    pub(super) clock: Arc<dyn Clock>,
    /// Compares what was published with the disk.
    watch: Mutex<Option<JoinHandle<()>>>,
    own: Weak<Self>,
}

/// The name of a project's ledger.
pub(super) fn id(keys: &ProjectKeys) -> String {
    keys.start().trim_end_matches('/').to_owned()
}

impl Publisher {
    pub(super) fn new(options: &Options, context: &Context) -> Result<Arc<Self>, ComponentError> {
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

    /// Compares everything with the disk whenever the trigger compared everything with etcd.
    pub(super) fn watch_disk(&self) {
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

    /// Ends that.
    pub(super) fn end_watch(&self) {
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
