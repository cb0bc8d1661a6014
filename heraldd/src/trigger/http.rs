//! `http`: fires when somebody sends a request: a JSON object, or a web hook.

use std::sync::Arc;

use herald_core::spec::TriggerType;
pub use herald_http_trigger::{Clash, NoEvent, PORT, clashes, dry_run, path_of};
use herald_http_trigger::{HttpTrigger, description};

/// The component type `http`.
#[must_use]
pub fn component() -> TriggerType {
    TriggerType::with_context(description(), |options, context| {
        Ok(Arc::new(HttpTrigger::new(options, context)?))
    })
}
