//! One job on several nodes: in which order they get it, what each returned, and what is known after a restart.

mod dispatch;
mod dispatch_log;
mod earlier;
mod node_prefix;
mod node_result;
mod params;
mod strategy;
mod wave;

pub use dispatch::{NodeRunner, Rollout};
#[cfg(test)]
pub(crate) use dispatch_log::DispatchLog;
pub use node_prefix::NodePrefix;
#[cfg(test)]
pub(crate) use node_result::NodeResult;
pub use strategy::{OfflinePolicy, RolloutStrategy};
