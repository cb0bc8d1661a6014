//! A page of a list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::job::JobSummary;

/// A page of a list, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Where the next page begins: give it as `cursor`. Null on the last one.
    pub next_cursor: Option<String>,
}

/// A page of jobs, newest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// The entries.
    pub items: Vec<JobSummary>,
    /// Where the next page begins: give it as `cursor`. Null on the last one.
    pub next_cursor: Option<String>,
    /// How many jobs there are of each state, with `counts=true`; states without a job are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<BTreeMap<String, u64>>,
}
