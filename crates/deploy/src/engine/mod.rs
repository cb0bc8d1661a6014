//! The steps of a deployment.

mod deployer;
mod finish;
mod look;
mod prepare;
mod recover;
mod revert;
mod switch;

pub use deployer::{DeployAction, DeployRequest, Deployer, DeployerSettings};
pub use look::{AppStatus, DeployPlan};
pub use prepare::PreparedTree;
pub use recover::DeployRecovery;
