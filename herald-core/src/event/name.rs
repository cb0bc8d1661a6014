//! Names and ids.

use std::sync::Arc;

/// A name or an id, cheap to copy.
pub type Name = Arc<str>;
