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

impl RecordedActor {
    /// ` by anna: the disk is full`, for the end of a line.
    #[must_use]
    pub fn by_whom(&self) -> String {
        let why = self.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!(" by {}{why}", self.user.as_deref().unwrap_or(&self.via))
    }
}
