//! How keys are used: one after the other, or as projects of a host.

mod position;
mod project;

pub use position::{KeysPhase, KeysPosition};
pub use project::{ProjectKeys, ProjectLayout};
