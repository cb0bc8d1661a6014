//! The template function `heartbeat()`: who this daemon is and how it is, as a map for those who watch it.

use std::sync::Arc;

use herald_base::clock::{Clock as _, SystemClock};
use herald_base::system::host_name::host_name;
use minijinja::Value as Made;
use serde_json::Value;

use super::convert::to_made;
use crate::value::param::Params;

/// The name under which templates call it.
pub(super) const HEARTBEAT: &str = "heartbeat";
const VERSION: &str = concat!("herald ", env!("CARGO_PKG_VERSION"));

/// What a heartbeat says of the configurations that are published on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedCounts {
    /// How many projects there are.
    pub projects: u64,
    /// How many of them are as they are to be.
    pub in_sync: u64,
    /// How many could not be published.
    pub failed: u64,
    /// How many are held until an operator decides.
    pub held: u64,
    /// The revision up to which they were read.
    pub revision: i64,
    /// Whether the source can be read: `connected`, say.
    pub etcd: String,
}

impl Default for PublishedCounts {
    /// Nothing is published.
    fn default() -> Self {
        Self { projects: 0, in_sync: 0, failed: 0, held: 0, revision: 0, etcd: "none".to_owned() }
    }
}

/// Gives the counts. It MUST NOT block: templates are filled in on the loop of the dispatcher.
pub trait PublishedSource: std::fmt::Debug + Send + Sync + 'static {
    /// As they are now.
    fn counts(&self) -> PublishedCounts;
}

/// The map that the function gives.
pub(super) fn heartbeat(source: Option<&Arc<dyn PublishedSource>>) -> Params {
    let PublishedCounts { projects, in_sync, failed, held, revision, etcd } =
        source.map(|source| source.counts()).unwrap_or_default();
    let entries = [
        ("version", Value::from(VERSION)),
        ("hostname", Value::from(host_name())),
        ("timestamp", Value::from(SystemClock.unix_seconds())),
        ("projects", Value::from(projects)),
        ("in_sync", Value::from(in_sync)),
        ("failed", Value::from(failed)),
        ("held", Value::from(held)),
        ("revision", Value::from(revision)),
        ("etcd", Value::from(etcd)),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The function, as a variable of templates.
pub(super) fn function(source: &Arc<dyn PublishedSource>) -> Made {
    let source = source.clone();
    Made::from_function(move || to_made(&Value::Object(heartbeat(Some(&source)))))
}
