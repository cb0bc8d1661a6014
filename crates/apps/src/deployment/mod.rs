//! A deployment from its beginning to its record: resolve, plan, prepare, barrier, once, switch, finish or revert.

mod end;
mod gate;
mod plan;
mod prepare;
mod progress;
mod request;
mod revert;
mod run;
mod switch;

#[cfg(test)]
mod tests;

pub use gate::Refusal;
pub use plan::{AppPlan, NodePlan};
pub(crate) use progress::{Progress, ProgressFile};
pub use request::{DeploymentRequest, RequestError};
pub(crate) use run::Deployment;
