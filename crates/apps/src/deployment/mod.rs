//! A deployment from its beginning to its record: resolve, plan, prepare, barrier, once, switch, finish or revert.

mod end;
pub(crate) mod gate;
pub(crate) mod plan;
mod prepare;
pub(crate) mod progress;
pub(crate) mod request;
mod revert;
pub(crate) mod run;
mod send;
mod switch;

#[cfg(test)]
mod tests;

pub use gate::DeploymentRefusal;
pub use plan::{AppPlan, NodePlan};
pub use request::{DeploymentRequest, RequestError, params};
