//! One step of a deployment, as the daemon asks a runner for it.

mod application;
mod params;
mod run;

pub use params::{
    AppParams, AuthParams, DeployStep, HealthParams, HookParams, HooksParams, MachineAuth, OriginTlsParams,
    StepName, StepProblem,
};
pub use run::{RevertResult, StepError, SwitchResult, run_step};
