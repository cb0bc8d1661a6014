//! Components: the three kinds and their types, how one is described and made, and how triggers are kept running.

pub mod conformance;
pub mod context;
pub mod executor;
pub mod registry;
pub mod secret_place;
pub mod selector;
pub mod spec;
pub mod supervisor;
pub mod trigger;
