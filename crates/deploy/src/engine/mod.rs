//! The steps of a deployment.

mod deployer;
mod finish;
mod health;
mod look;
mod prepare;
mod recover;
mod revert;
mod switch;

pub use deployer::{DeployAction, DeployRequest, Deployer, DeployerSettings};
pub use health::{HealthCheck, NoHealthAnswer};
pub use look::{AppStatus, DeployPlan};
pub use prepare::PreparedTree;
pub use recover::DeployRecovery;
