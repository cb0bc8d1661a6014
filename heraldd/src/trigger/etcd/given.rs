//! The options of a trigger `etcd`, as they are given.

use std::time::Duration;

use herald_core::unit;
use serde::Deserialize;

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum KeysLayout {
    Keys,
    Projects,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum AtStart {
    Sync,
    Force,
    None,
}

#[derive(Deserialize, Clone)]
pub(super) struct EtcdOptions {
    pub(super) etcd: String,
    pub(super) prefix: String,
    pub(super) layout: KeysLayout,
    pub(super) host: Option<String>,
    pub(super) at_start: AtStart,
    #[serde(deserialize_with = "unit::de_duration")]
    pub(super) settle: Duration,
    #[serde(deserialize_with = "unit::de_duration")]
    pub(super) resync: Duration,
}
