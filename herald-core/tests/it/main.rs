//! What a Herald does as a whole, seen through its public surface.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod dispatching;
mod doubles;
mod ending;
mod routing;
mod triggers;
