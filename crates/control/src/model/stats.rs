//! How many jobs there were, how they ended, and how long they took.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Jobs by time and by name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Stats)]
pub struct StatsResource {
    /// Where the range begins: a bucket begins there.
    #[schema(format = DateTime)]
    pub since: String,
    /// Where it ends.
    #[schema(format = DateTime)]
    pub until: String,
    /// How long a bucket is. Buckets begin at whole multiples of it since 1970, in UTC.
    pub bucket_seconds: u64,
    /// What `name` is: `router`, `task`, `trigger` or `node`.
    pub by: String,
    /// Jobs created before this time were not looked at, since there are too many; null where all were.
    #[schema(format = DateTime)]
    pub complete_since: Option<String>,
    /// How many names are left out: those with the fewest jobs.
    pub left_out: u64,
    /// A row for each bucket and name with jobs, by time and then by name.
    pub rows: Vec<StatsRow>,
}

/// The jobs of one name that were created in one bucket.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StatsRow {
    /// When the bucket begins.
    #[schema(format = DateTime)]
    pub at: String,
    /// The router, task, trigger or node.
    pub name: String,
    /// How many jobs there were.
    pub jobs: u64,
    /// How many of them failed, timed out or were lost.
    pub failed: u64,
    /// How many there were of each status.
    pub outcomes: BTreeMap<String, u64>,
    /// How long the last attempts of those that have ended took: half of them took less, in seconds. By `node` it is
    /// the whole job's.
    pub median_seconds: Option<f64>,
    /// 95 % of them took less, in seconds.
    pub p95_seconds: Option<f64>,
    /// The longest, in seconds.
    pub longest_seconds: Option<f64>,
}
