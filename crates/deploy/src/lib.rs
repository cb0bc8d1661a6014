//! Deploys an application on this machine: a tree of files from Git or Subversion, by the programs `git` and `svn`.
//!
//! A [`Deployer`] is one application on this machine. A deployment is `resolve` (once, for all machines), [`plan`],
//! [`prepare`], [`once`] (on one machine), [`switch`], [`verify`], and [`finish`] or [`revert`]. Each step takes the
//! kernel's lock of the path and records beside the tree what it is about to do, so that a process that is killed in
//! any of them leaves no lock, and [`recover`] makes the tree wholly old or wholly new. When a machine switches, and
//! what happens on the others when it fails, is the caller's decision. A [`DeployStep`] is one step as the daemon sends
//! it to a runner, which carries it out with [`run_step`] and asks URLs for it ([`HealthCheck`]).
//!
//! [`plan`]: Deployer::plan
//! [`prepare`]: Deployer::prepare
//! [`once`]: Deployer::once
//! [`switch`]: Deployer::switch
//! [`verify`]: Deployer::verify
//! [`finish`]: Deployer::finish
//! [`revert`]: Deployer::revert
//! [`recover`]: Deployer::recover

mod command;
mod engine;
mod error;
mod hook;
mod place;
mod source;
mod step;
mod target;

pub use command::StepRun;
pub use engine::{
    AppStatus, DeployAction, DeployPlan, DeployRecovery, DeployRequest, Deployer, DeployerSettings,
    HealthCheck, NoHealthAnswer, PreparedTree,
};
pub use error::{DeployError, SourceError};
pub use place::record::{DeployPhase, KeptTree};
pub use source::{Commit, CopyState, GitRepository, LogRange, Source, SvnRepository};
pub use step::{
    AppParams, AuthParams, DeployStep, HealthParams, HookParams, HooksParams, MachineAuth, OriginTlsParams,
    RevertResult, StepError, StepName, StepProblem, SwitchResult, run_step,
};
pub use target::{
    DeployHealth, DeployHook, DeployHooks, DeployMode, DeployOrigin, DeployTarget, Externals, HealthTest,
    HookName, LocalChanges, OriginAuth, SourceKind, TargetProblem, is_inside,
};
