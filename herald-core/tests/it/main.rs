//! What a Herald does as a whole, seen through its public surface.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod attempts;
mod company;
mod crashes;
mod dispatching;
mod doubles;
mod ending;
mod failures;
mod fairness;
mod mixes;
mod ordered;
mod pauses;
mod policies;
mod routing;
mod templates;
mod triggers;
