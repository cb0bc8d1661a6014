//! Who did what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody did, or was not allowed to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditResource {
    /// The number of the entry; a later one has a greater one.
    pub id: String,
    /// When it was asked for.
    pub at: String,
    /// The name of the person or of the token; null where it is not known.
    pub user: Option<String>,
    /// The way it came: `cli` or `api` over the socket, `token`, `password`, `jwt`, `proxy` or `page`.
    pub via: String,
    /// The network address it came from; null where there is none.
    pub address: Option<String>,
    /// What: `cancel`, `retry`, `replay`, `trigger`, `publish`, `queue_pause`, `reload` and so on.
    pub act: String,
    /// On what.
    pub target: String,
    /// `accepted`; `refused`, because the role of the caller does not allow it; or `failed`: it was allowed and had no
    /// effect, since its target is not there, has ended, or cannot be changed now.
    pub outcome: String,
    /// Why it was refused or failed; null where it was accepted.
    pub error: Option<String>,
    /// Why, in the person's own words; null where none were given.
    pub reason: Option<String>,
}
