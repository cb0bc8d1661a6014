//! Changes in etcd as events: of each key, in order, or of each project.

mod beginning;
mod given;
mod keys;
mod projects;
mod values;

pub use given::{AtStart, EtcdOptions, KeysLayout};
pub use keys::KeysFollower;
pub use projects::ProjectsFollower;
