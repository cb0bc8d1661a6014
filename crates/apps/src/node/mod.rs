//! The steps of a deployment on one node, and how they are sent there.

mod client;
mod step;

pub use client::RunnerSteps;
pub use herald_deploy::StepName;
pub use step::{NodeStepFailure, NodeStepOutcome, NodeSteps, StepCall};
