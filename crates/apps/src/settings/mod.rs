//! The section `app`: what is deployed, from where, to which nodes, and how.

mod checks;
mod freeze;
mod nodes;
mod options;
mod read;

pub use freeze::{FreezeError, FreezeWindow};
pub use options::description;
pub use read::{AppNode, AppSettings, AppStrategy, OfflineNode, OnFailure};
