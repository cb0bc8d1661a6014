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

pub use model::{KnownComponents, Router, Workflow};
pub use read::read;
pub use route::{Route, Templates};
pub use route_params::RouteParams;
pub use scope::EventContext;
