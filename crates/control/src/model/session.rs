//! Who is logged in to the page.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The sessions that the caller may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionList {
    /// The newest first.
    pub items: Vec<SessionResource>,
}

/// A session of the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionResource {
    /// Names it; nobody can log in with that.
    pub id: String,
    /// The name of the user, or of the owner of the control socket; null where it is not known.
    pub user: Option<String>,
    /// How it began: `password`, or `link` from `heraldd page`.
    pub began_with: String,
    /// When it began.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was used last.
    #[schema(format = DateTime)]
    pub used_at: String,
    /// When it ends unless it is used before, and at the latest a week after it began.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// The network address that it began from.
    pub address: Option<String>,
    /// The browser, in its own words.
    pub agent: Option<String>,
    /// Whether it belongs to the caller, who may end it without the role admin.
    pub own: bool,
    /// Whether it is the one that this request was sent with.
    pub current: bool,
}
