//! Routers: which task is asked about which trigger's events. A [`Workflow`] cannot be made invalid.

mod cycle;
mod model;
pub mod policy;
mod read;
mod scope;

pub use model::{KnownComponents, Route, Router, Templates, Workflow};
pub use read::read;
pub use scope::EventContext;
