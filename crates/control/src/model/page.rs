//! A page of a list.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of a list, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Where the next page begins: give it as `cursor`. Null on the last one.
    pub next_cursor: Option<String>,
}
