//! Runs jobs on other machines: the client of one herald-runner ([`RunnerClient`]), the rollout of one job to several
//! ([`Rollout`]), and the question which runners are online ([`NodeProbe`], [`NodeRegistry`]).
//!
//! What a runner executes is a JSON object of execution parameters, which this crate does not interpret. Result files
//! arrive in the `data_dir` of [`RemoteSettings`], checked and complete.

mod data_dir;
mod drained_nodes;
mod job;
mod node;
mod node_registry;
mod outcome;
mod result_files;
mod rollout;
mod runner;
mod settings;
#[cfg(test)]
mod tests;

pub use drained_nodes::{DRAINED, DrainedNodes};
pub use job::{HideSecrets, RolloutJob, RunnerJob};
pub use node::{ConfiguredNode, Nodes, OwnNode};
pub use node_registry::{KnownNode, NodeRegistry, Presence};
pub use outcome::{RunnerFailure, RunnerFailureKind, RunnerOutcome};
pub use result_files::{ResultFiles, ResultFilesError};
pub use rollout::{NodePrefix, NodeRunner, OfflinePolicy, Rollout, RolloutStrategy};
pub use runner::{ConnectError, Fault, NodeProbe, NodeStatus, ProbeError, RunnerClient};
pub use settings::{Protocol, RemoteSettings, RunnerAddress};
