//! The options of a trigger `etcd`, as they are given.

use std::time::Duration;

use herald_core::unit;
use serde::Deserialize;

/// What an event is about.
#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum KeysLayout {
    /// A change of a key.
    Keys,
    /// A project that changed.
    Projects,
}

/// What happens to what exists at the start.
#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum AtStart {
    /// It is announced the first time; a project each time.
    Sync,
    /// It is announced each time; a project until it was published.
    Force,
    /// Nothing.
    None,
}

/// The options of a trigger `etcd`.
#[derive(Debug, Deserialize, Clone)]
pub struct EtcdOptions {
    /// The name of the etcd.
    pub etcd: String,
    /// What the keys begin with.
    pub prefix: String,
    /// What an event is about.
    pub layout: KeysLayout,
    /// The host in the keys of projects; that of this machine unless given.
    pub host: Option<String>,
    /// What happens to what exists at the start.
    pub at_start: AtStart,
    /// How long nothing of a project must change before it is announced.
    #[serde(deserialize_with = "unit::de_duration")]
    pub settle: Duration,
    /// How often everything is compared.
    #[serde(deserialize_with = "unit::de_duration")]
    pub resync: Duration,
}
