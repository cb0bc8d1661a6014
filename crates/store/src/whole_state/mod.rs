//! A `state_dir` as a whole: checking, copying and repairing it.

mod backup;
mod beside;
pub(crate) mod check;
mod files;
mod published;
mod salvage;

#[cfg(test)]
mod tests;

pub use backup::{backup, restore};
pub use check::{StateReport, check, check_access};
pub use files::StateError;
pub use salvage::{Salvaged, salvage};
