//! Who or what caused something.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who or what caused something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Actor)]
pub struct RecordedActor {
    /// The name of the person or of the account; null where it is not known.
    pub user: Option<String>,
    /// The way it came: `cli` or `api` over the socket, `token`, `password`, `jwt`, `proxy`, `page`, or the name of
    /// a trigger.
    pub via: String,
    /// The network address it came from; null where there is none.
    pub address: Option<String>,
    /// Why, in the person's own words; null where none were given.
    pub reason: Option<String>,
}
