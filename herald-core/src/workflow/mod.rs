//! Routers: which task is asked about which trigger's events. A [`Workflow`] cannot be made invalid.

mod cycle;
mod index;
mod internal_events;
mod merge;
mod misplaced;
mod model;
pub mod policy;
mod read;
mod route;
mod route_params;
mod scope;
mod sections;
mod unknown_keys;

pub use model::{KnownComponents, Router, Workflow};
pub use route::{Route, Templates};
pub use route_params::RouteParams;
pub use scope::EventContext;
pub use sections::read;
