//! Errors.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error, as RFC 9457 has it (`application/problem+json`).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDetails {
    /// The HTTP status.
    pub status: u16,
    /// What the status is called.
    pub title: String,
    /// What is wrong and what to do, for people.
    pub detail: String,
    /// Where the id is ambiguous: ids that may be meant, the newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<Vec<String>>,
}
